"""SCRAM's messages: the exchange of RFC 7677, and what is refused in any other."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.accounts.scram_verifier import Parameters, derive
from onifast_smtpd.login import scram
from onifast_smtpd.login.scram import BindingRefused, Exchange, Malformed, parse_client_first
from scramp import ScramClient

# RFC 7677 section 3
PENCIL = derive("pencil", Parameters(base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096))
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def exchange() -> Exchange:
    return Exchange(parse_client_first(FIRST), PENCIL.parameters, NONCE)


def test_the_exchange_of_the_rfc() -> None:
    assert exchange().server_first == SERVER_FIRST
    proof = exchange().parse_client_final(FINAL)
    assert scram.fits(PENCIL, proof)
    assert scram.server_final(PENCIL, proof) == SERVER_FINAL


def test_another_password_does_not_fit() -> None:
    other = derive("pen", PENCIL.parameters)
    assert not scram.fits(other, exchange().parse_client_final(FINAL))


@given(st.text("abc,=é漢 '", min_size=1, max_size=10), st.text(min_size=1, max_size=12), st.binary(max_size=32))
def test_an_independent_client_and_we_understand_each_other(username: str, password: str, channel: bytes) -> None:
    binding = (scram.BINDING, channel) if channel else None
    mechanisms = ["SCRAM-SHA-256-PLUS" if channel else "SCRAM-SHA-256"]
    try:
        client = ScramClient(mechanisms, username, password, channel_binding=binding)
        message = client.get_client_first()
    except Exception:
        return  # scramp refuses what SASLprep refuses
    first = parse_client_first(message.encode())
    scram.check_binding(first, plus=bool(channel), offers_plus=bool(channel))
    server = Exchange(first, PENCIL.parameters, NONCE, channel)
    client.set_server_first(server.server_first.decode())
    proof = server.parse_client_final(client.get_client_final().encode())
    verifier = derive(password, PENCIL.parameters)
    assert scram.fits(verifier, proof)
    client.set_server_final(scram.server_final(verifier, proof).decode())


def test_commas_and_equals_signs_in_names_are_escaped() -> None:
    assert parse_client_first(b"n,,n=a=2Cb=3Dc,r=x").username == "a,b=c"


def test_an_authorization_identity_is_told() -> None:
    assert parse_client_first(b"n,a=other,n=user,r=x").acting_as == "other"
    assert parse_client_first(b"n,,n=user,r=x").acting_as == "user"


def test_extensions_that_are_not_known_are_passed_over() -> None:
    assert parse_client_first(b"n,,n=user,r=x,z=more").nonce == "x"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"x,,n=user,r=abc",
        b"p,,n=user,r=abc",
        b"n,n=user,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,,n=user,r=a\x00b",
        b"n,,n=us=er,r=abc",
        b"n,,n=us\x00er,r=abc",
        b"n,,m=x,n=user,r=abc",
        b"n,,n=\xff,r=abc",
        b"n,,n=user,r=" + b"a" * 513,
    ],
)
def test_what_is_no_first_message_is_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        parse_client_first(message)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        FINAL.replace(b"r=rOpr", b"r=r0pr"),
        FINAL[: FINAL.index(b",p=")],
        FINAL.replace(b"p=dHzb", b"p=d=zb"),
        FINAL.replace(b"p=dHzbZapW", b"p="),
        b"x" + FINAL,
        FINAL + b",z=more",
    ],
)
def test_what_is_no_final_message_is_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        exchange().parse_client_final(message)


@given(st.binary(max_size=60))
def test_no_message_can_crash_the_parser(message: bytes) -> None:
    for parse in (parse_client_first, exchange().parse_client_final):
        try:
            parse(message)
        except scram.ScramError:
            continue


@pytest.mark.parametrize(
    ("message", "plus", "offers_plus"),
    [
        (b"n,,n=user,r=x", True, True),  # -PLUS without binding
        (b"y,,n=user,r=x", True, True),
        (b"p=tls-server-end-point,,n=user,r=x", False, True),  # binding without -PLUS
        (b"p=tls-unique,,n=user,r=x", True, True),
        (b"p=tls-exporter,,n=user,r=x", True, True),
        (b"y,,n=user,r=x", False, True),  # somebody took -PLUS out of what we offered
    ],
)
def test_a_binding_that_does_not_go_with_the_mechanism_is_refused(
    message: bytes, plus: bool, offers_plus: bool
) -> None:
    with pytest.raises(BindingRefused):
        scram.check_binding(parse_client_first(message), plus=plus, offers_plus=offers_plus)


def test_a_client_that_could_bind_is_right_where_we_cannot() -> None:
    scram.check_binding(parse_client_first(b"y,,n=user,r=x"), plus=False, offers_plus=False)


def test_another_certificate_than_ours_is_refused() -> None:
    first = parse_client_first(b"p=tls-server-end-point,,n=user,r=x")
    server = Exchange(first, PENCIL.parameters, "y", b"our certificate")
    bound = base64.b64encode(b"p=tls-server-end-point,,somebody's").decode()
    with pytest.raises(BindingRefused):
        server.parse_client_final(f"c={bound},r=xy,p={'A' * 43}=".encode())
