"""SCRAM verifiers: their form, their derivation, and passwords that systems spell in different ways."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.accounts import scram_verifier
from onifast_shared.accounts.scram_verifier import Parameters, derive, is_of, parse, prepared
from scramp import ScramMechanism

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
# The user of RFC 7677 section 3, as PostgreSQL stores their password "pencil".
PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_a_password_gives_the_keys_of_the_rfc() -> None:
    assert derive("pencil", Parameters(SALT, 4096)) == parse(PENCIL)


def test_a_verifier_knows_its_password() -> None:
    verifier = parse(PENCIL)
    assert verifier is not None
    assert is_of(verifier, "pencil")
    assert not is_of(verifier, "pen")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pencil",
        PENCIL.replace("4096", "0"),
        PENCIL.replace("4096", "9999999"),
        PENCIL.replace("SHA-256", "SHA-1"),
        PENCIL.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "W22Z=J0S"),
        PENCIL.replace("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", "AAAA"),
        PENCIL + "=",
    ],
)
def test_what_is_no_verifier_is_none(text: str) -> None:
    assert parse(text) is None


def test_no_key_can_be_printed_by_accident() -> None:
    shown = repr(parse(PENCIL))
    assert "stored_key" not in shown
    assert "server_key" not in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I\u00adX", "IX"),  # RFC 4013 section 3
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9"),
        ("a\u00a0b", "a b"),
        ("\u00e9\u0007", "\u00e9\u0007"),  # prohibited: left as it is
        ("\u06271", "\u06271"),  # begins from right to left and ends otherwise
        ("\u0627\u0031\u0628", "\u0627\u0031\u0628"),
    ],
)
def test_text_is_prepared_by_saslprep(text: str, expected: str) -> None:
    assert prepared(text) == expected


@given(st.text())
def test_preparing_twice_changes_nothing(text: str) -> None:
    assert prepared(prepared(text)) == prepared(text)


@given(st.text("abcé§ß漢", min_size=1, max_size=12), st.binary(min_size=12, max_size=24))
def test_another_implementation_derives_the_same_keys(password: str, salt: bytes) -> None:
    made = derive(password, Parameters(salt, 4096))
    _, stored_key, server_key, _ = ScramMechanism("SCRAM-SHA-256").make_auth_info(password, 4096, salt)
    assert (made.stored_key, made.server_key) == (stored_key, server_key)


def test_text_that_is_very_long_is_not_worked_on() -> None:
    text = "e\u0301" * scram_verifier.MAX_PREPARED
    assert prepared(text) == text
