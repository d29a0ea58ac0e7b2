"""What DNS shows of a DKIM key, and the words for what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.dkim.keys import record_of
from onifast_shared.dkim.published import BadTags, RecordCheck, compare, look_now, parse_tags

from fakes.dns import DnsServer, Failure

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + "wJq8Xk2b/f+3" * 20
RSA = record_of("here.test", "mail", f"v=DKIM1; k=rsa; p={KEY}")
ED = record_of("here.test", "mail-ed25519", "v=DKIM1; k=ed25519; p=" + "A" * 43 + "=")
OTHER = "v=DKIM1; k=rsa; p=" + "QUJD" * 40


class Settings:
    """What a look needs."""

    def __init__(self, server: DnsServer) -> None:
        self.dns_servers = ((server.host, server.port),)
        self.dns_timeout = 2.0


@pytest.mark.parametrize(
    "text",
    [
        f"v=DKIM1; k=rsa; p={KEY}",
        f"v=DKIM1;k=rsa;p={KEY};",
        f"p={KEY}",
        f"k=rsa; p={KEY[:100]} {KEY[100:]}",
        f"v=DKIM1; h=sha1:sha256; s=email; n=note; t=s; p={KEY}",
        f"v = DKIM1 ; p = {KEY}",
    ],
)
def test_the_same_key_in_any_lawful_form_is_published(text: str) -> None:
    assert compare(RSA, [text.encode()]) == RecordCheck(True)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "There is no TXT record at mail._domainkey.here.test"),
        (["v=spf1 -all"], "is no DKIM key: “v=spf1 -all”"),
        ([OTHER], "another key"),
        (["v=DKIM1; k=rsa; p="], "revokes the key"),
        ([f"v=DKIM2; p={KEY}"], "version is “DKIM2”; it has to be v=DKIM1"),
        ([f"k=rsa; v=DKIM1; p={KEY}"], "it has to come first"),
        ([f"v=DKIM1 k=rsa p={KEY}"], "version is"),
        ([f"v=DKIM1; p={KEY}; rubbish"], "“rubbish” is no tag"),
        ([f"v=DKIM1; p={KEY}; p={KEY}"], "twice"),
        (["v=DKIM1; k=rsa"], "the tag p= is missing"),
        ([f"v=DKIM1; k=ed25519; p={KEY}"], "says that the key is ed25519 (k=); it is rsa"),
        ([f"v=DKIM1; h=sha1; p={KEY}"], "only the hash sha1"),
        ([f"v=DKIM1; s=tlsrpt; p={KEY}"], "not for mail"),
        ([f"v=DKIM1; k=rsa; p={KEY[:237]}"], "ends too early, after 237 of the key's 284 characters"),
        ([f'v=DKIM1; k=rsa; p={KEY[:200]}" "{KEY[200:]}'], "quotation marks"),
        ([f'"v=DKIM1; k=rsa; p={KEY}"'], "quotation marks"),
        ([f"v=DKIM1; k=rsa; p={KEY[:200]}…{KEY[200:]}"], "no valid base64"),
        ([f"v=DKIM1; k=rsa; p={KEY}", OTHER], "There are 2 DKIM records"),
        ([KEY[237:], f"v=DKIM1; k=rsa; p={KEY[:237]}"], "divided among 2 records"),
    ],
)
def test_what_is_wrong_is_said_in_words(texts: list[str], words: str) -> None:
    check = compare(RSA, [text.encode() for text in texts])
    assert check.published is False
    assert words in check.problem and check.problem.endswith(".")


def test_a_record_of_another_kind_beside_it_does_no_harm() -> None:
    assert compare(RSA, [b"some=verification", RSA.value.encode()]).published


def test_a_test_flag_is_told_though_the_key_is_right() -> None:
    check = compare(ED, [(ED.value + "; t=s:y").encode()])
    assert check.published and "t=y" in check.problem


@given(st.binary(max_size=300))
def test_no_record_whatever_breaks_the_comparison(text: bytes) -> None:
    check = compare(RSA, [text])
    assert check.published is False and check.problem.isprintable()


@given(st.text(max_size=100))
def test_tags_are_parsed_or_refused(text: str) -> None:
    try:
        tags = parse_tags(text)
    except BadTags:
        return
    assert all(name and "=" not in name for name in tags)


def test_several_records_are_looked_at_at_once() -> None:
    with DnsServer({RSA.name: {"TXT": RSA.value}}) as server:
        server.fail("broken._domainkey.here.test", Failure.SERVFAIL)
        broken = record_of("here.test", "broken", RSA.value)
        checks = look_now(Settings(server), [RSA, ED, broken, RSA])
    assert {name.partition(".")[0]: check.published for name, check in checks.items()} == {
        "mail": True,
        "mail-ed25519": False,
        "broken": None,
    }
    assert "gave no answer" in checks[broken.name].problem
