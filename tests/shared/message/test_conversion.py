"""Messages on their way to servers that take lines of bounded length without NUL: what is changed, and what is not."""

from __future__ import annotations

import email
import email.policy
import time
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.compose import Draft, OutgoingAttachment, build
from onifast_shared.message.conversion import Unconvertible, fit
from onifast_shared.message.headers import has_long_line, split_head
from onifast_shared.message.parsing import parse

HEAD = b"From: a@x.test\r\nSubject: s\r\n"
MIME = HEAD + b"MIME-Version: 1.0\r\n"
HTML = "<html><body>" + "<p class='a'>Many a word, and Grüße at the end of the line</p>" * 2000 + "</body></html>"
ONE_LINE = MIME + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + HTML.encode() + b"\r\n"
SIGNED = (
    b'Content-Type: multipart/signed; micalg="sha-256"; protocol="application/pgp-signature"; boundary="s"\r\n\r\n'
    b"--s\r\nContent-Type: text/plain; name=\xff\r\n\r\n%b\r\n--s\r\n"
    b"Content-Type: application/pgp-signature\r\n\r\nsignature\r\n--s--\r\n"
)
LONG = b"y" * 5000
DKIM = b"DKIM-Signature: v=1; c=%b; d=far.test; b=abc\r\n"


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def is_sent(raw: bytes) -> bool:
    """Whether a message is within the rules."""
    return b"\0" not in raw and not has_long_line(raw) and split_head(raw)[0].isascii()


def text_of(part: EmailMessage) -> str:
    return str(part.get_content()).replace("\r\n", "\n").rstrip("\n")


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"\r\nplain\r\n",
        HEAD + "\r\nGrüße, without any MIME\r\n".encode(),
        MIME + b"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xff\xfe\r\n",
        MIME + b"Content-Type: multipart/mixed; boundary=m\r\n\r\npre\r\n--m \r\n\r\n\xff\r\n--m--\r\nepilogue",
        MIME + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\n\xff without an end",
        MIME + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n\xff no parts at all",
        MIME + b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\n\xff\r\n",
        MIME + SIGNED % b"plain",
        b"",
        b"\r\n",
    ],
)
def test_what_is_fit_stays_octet_for_octet(raw: bytes) -> None:
    fitted = fit(raw)
    assert (fitted.message, fitted.done, fitted.left) == (raw, "", "")


def test_html_in_one_line_becomes_quoted_printable_and_reads_the_same() -> None:
    fitted = fit(ONE_LINE)
    assert is_sent(fitted.message)
    assert parsed(fitted.message)["Content-Transfer-Encoding"] == "quoted-printable"
    assert text_of(parsed(fitted.message)) == HTML
    assert fitted.done == "lines of more than 998 octets" and not fitted.left


def test_another_script_in_one_line_becomes_base64() -> None:
    text = "Здравствуйте " * 500
    raw = MIME + b"Content-Type: text/plain; charset=koi8-r\r\n\r\n" + text.encode("koi8-r") + b"\r\n"
    converted = parsed(fit(raw).message)
    assert converted["Content-Transfer-Encoding"] == "base64"
    assert text_of(converted) == text


@pytest.mark.parametrize(
    ("body", "charset"),
    [(LONG, "us-ascii"), ("ü".encode() * 2000, "utf-8"), (b"\xff" * 2000, "unknown-8bit")],
)
def test_a_message_without_mime_gets_its_fields(body: bytes, charset: str) -> None:
    converted = parsed(fit(HEAD + b"\r\n" + body + b"\r\n").message)
    assert converted["MIME-Version"] == "1.0"
    assert (converted.get_content_type(), converted.get_content_charset()) == ("text/plain", charset)
    assert converted.get_payload(decode=True) == body + b"\r\n"


def test_a_content_type_without_mime_version_gets_it() -> None:
    converted = fit(HEAD + b"Content-type: text/html\r\n\r\n" + LONG + b"\r\n").message
    assert b"MIME-Version: 1.0\r\n" in converted and parse(converted).html == LONG.decode() + "\n"


def test_only_the_part_that_is_unfit_is_changed() -> None:
    fine = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n"
    signed = SIGNED % b"within the rules"
    raw = (
        MIME
        + b"Content-Type: multipart/mixed; boundary=m\r\n\r\npreamble\r\n--m\r\n"
        + b"Content-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        + LONG
        + b"\r\n--m\r\n"
        + fine
        + b"\r\n--m\r\n"
        + signed
        + b"\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n"
        + ONE_LINE
        + b"\r\n--m--\r\nepilogue"
    )
    converted = fit(raw).message
    assert is_sent(converted)
    assert fine in converted and signed in converted
    assert b"preamble" in converted and converted.endswith(b"epilogue")
    html, _, _, inner = parsed(converted).iter_parts()
    assert html["Content-Transfer-Encoding"] == "quoted-printable"
    assert text_of(html) == LONG.decode()  # type: ignore[arg-type]
    assert text_of(inner.get_content()) == HTML


def test_headers_of_parts_become_ascii() -> None:
    raw = (
        MIME
        + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n"
        + 'Content-Type: text/plain; charset=utf-8; name="Größe.txt"\r\n\r\nGrüße\r\n'.encode()
        + b"--m\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Description: "
        + "Привет".encode("koi8-r")
        + b"\r\n\r\nx\r\n--m--\r\n"
    )
    fitted = fit(raw)
    first, second = parsed(fitted.message).iter_parts()
    assert first.get_filename() == "Größe.txt" and "Grüße".encode() in fitted.message
    assert second["Content-Description"] == "Привет"
    assert fitted.done == "8-bit text in the headers of parts"


def test_a_subject_is_read_in_the_charset_that_the_message_names() -> None:
    parts = (
        b'Content-Type: multipart/alternative; boundary="m"\r\n\r\n--m\r\nContent-Type: text/plain; charset="koi8-r"'
    )
    raw = MIME.replace(b"Subject: s", b"Subject: " + "Привет".encode("koi8-r")) + parts + b"\r\n\r\nx\r\n--m--\r\n"
    assert parse(fit(raw).message).subject == "Привет"


@pytest.mark.parametrize(
    ("encoding", "line", "decoded"),
    [
        ("base64", b"QUJD" * 1000, b"ABC" * 1000),
        ("quoted-printable", b"a=C3=BC=3D " * 500 + b"=", b"a\xc3\xbc= " * 500),
        ("quoted-printable", b"=41" * 1000 + b"=\r\nend", b"A" * 1000 + b"end"),
    ],
)
def test_what_is_encoded_already_is_broken_into_lines(encoding: str, line: bytes, decoded: bytes) -> None:
    head = MIME + f"Content-Type: application/x\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    converted = fit(head + line + b"\r\n").message
    assert max(map(len, converted.split(b"\r\n"))) <= 78
    assert parsed(converted).get_payload(decode=True).rstrip() == decoded.rstrip()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "kind", ["text/plain; charset=us-ascii", "application/octet-stream", "text/plain; charset=utf-16"]
)
def test_a_nul_is_sent_in_base64(kind: str) -> None:
    body = b"one\0two\r\n"
    fitted = fit(MIME + f"Content-Type: {kind}\r\n\r\n".encode() + body)
    assert is_sent(fitted.message) and fitted.done == "NUL octets"
    assert parsed(fitted.message)["Content-Transfer-Encoding"] == "base64"
    assert parsed(fitted.message).get_payload(decode=True) == body


def test_a_nul_in_a_header_is_left_out_wherever_it_stands() -> None:
    raw = b"From: a@x.test\r\nSub\0ject: a\0b\r\n\0X: y\r\n\r\nbody\r\n"
    assert fit(raw).message == b"From: a@x.test\r\nSubject: ab\r\nX: y\r\n\r\nbody\r\n"


@pytest.mark.parametrize(
    "raw", [MIME + SIGNED % b"a\0b", MIME + b"Content-Type: message/partial; id=x\r\n\r\na\0b\r\n"]
)
def test_a_nul_in_what_is_signed_goes_to_nobody(raw: bytes) -> None:
    with pytest.raises(Unconvertible):
        fit(raw)


def test_long_lines_that_are_signed_stay_and_it_is_said() -> None:
    raw = MIME + SIGNED % LONG
    assert fit(raw) == (
        raw, "", "lines of more than 998 octets: it is signed, so that its parts cannot be encoded"
    )  # fmt: skip
    mixed = MIME + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + SIGNED % LONG
    fitted = fit(mixed + b"\r\n--m\r\n\r\n" + LONG + b"\r\n--m--\r\n")
    assert SIGNED % LONG in fitted.message and b"quoted-printable" in fitted.message
    assert fitted.done and "it is signed" in fitted.left


@pytest.mark.parametrize("canonicalization", [b"relaxed/relaxed", b"simple/simple"])
def test_what_somebody_signed_by_dkim_is_left_as_it_came(canonicalization: bytes) -> None:
    raw = DKIM % canonicalization + "Subject: ü\r\n".encode() + ONE_LINE
    fitted = fit(raw)
    assert (fitted.message, fitted.done) == (raw, "")
    assert fitted.left == "lines of more than 998 octets and 8-bit text in the header: it is signed by far.test"


def test_a_long_header_field_is_folded_where_the_signature_bears_it() -> None:
    field = b"Subject: " + b"some words " * 200 + b"\r\n"
    relaxed = fit(DKIM % b"relaxed/simple" + field + b"\r\nbody\r\n")
    assert is_sent(relaxed.message) and "far.test" in relaxed.done and not relaxed.left
    simple = DKIM % b"simple/relaxed" + field + b"\r\nbody\r\n"
    assert fit(simple).message == simple and "far.test" in fit(simple).left


def test_a_nul_goes_to_nobody_whoever_signed_it() -> None:
    fitted = fit(DKIM % b"relaxed/relaxed" + HEAD + b"\r\na\0b\r\n")
    assert is_sent(fitted.message) and fitted.done.endswith("which breaks the signature of far.test")


def test_a_message_in_a_digest_is_converted_as_one() -> None:
    raw = MIME + b"Content-Type: multipart/digest; boundary=m\r\n\r\n--m\r\n\r\n" + ONE_LINE + b"\r\n--m--\r\n"
    (inner,) = parsed(fit(raw).message).iter_parts()
    assert inner.get_content_type() == "message/rfc822"
    assert text_of(inner.get_content()) == HTML


def test_a_delivery_report_is_folded_and_not_encoded() -> None:
    status = b"Reporting-MTA: dns; x.test\r\n\r\nAction: failed\r\nDiagnostic-Code: smtp; " + b"550 no " * 300 + b"\r\n"
    head = MIME + b"Content-Type: multipart/report; boundary=m\r\n\r\n--m\r\n"
    converted = fit(head + b"Content-Type: message/delivery-status\r\n\r\n" + status + b"\r\n--m--\r\n").message
    assert is_sent(converted) and b"Content-Transfer-Encoding" not in converted
    assert status.split() == converted.partition(b"delivery-status\r\n\r\n")[2].removesuffix(b"\r\n--m--\r\n").split()


def test_a_part_in_an_unknown_encoding_stays() -> None:
    raw = MIME + b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + LONG + b"\r\n"
    assert fit(raw) == (raw, "", "lines of more than 998 octets: it has a part in x-uuencode")


def test_more_parts_than_the_webmail_shows_are_all_converted() -> None:
    part = b"--m\r\nContent-Type: text/plain; name=\xc3\xbc\r\n\r\n\xc3\xbc\r\n"
    converted = fit(MIME + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n" + part * 1200 + b"--m--\r\n").message
    assert converted.count(b"name*=utf-8''%C3%BC") == 1200


def test_short_lines_before_a_long_one_take_no_long_time() -> None:
    head = MIME + b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    began = time.process_time()
    fit(head + (b"x" * 900 + b"\r\n") * 5000 + LONG + b"\r\n")
    assert time.process_time() - began < 2


@pytest.mark.parametrize("text", ["plain", "Grüße", "a\0b", "x" * 5000, "Здравствуйте" * 500, ""])
def test_what_is_built_here_is_fit_as_it_is(text: str) -> None:
    name = text.replace("\0", "") or "empty"
    draft = Draft(
        f'"{name[:500]}" <ann@müller.test>',
        ["bob@remote.test"],
        name,
        text,
        f"<p>{text}</p>",
        attachments=[OutgoingAttachment(name, "application/x", text.encode())],
    )
    built = build(draft, "mail.host.test")
    assert fit(built) == (built, "", "") and built.isascii()


PIECES = (
    b"--m", b"--m--", b"\r\n", b"\xff", "ü".encode(), b"text", b"=", b"Content-Type: text/plain", b"\0", LONG,
    b"Content-Transfer-Encoding: base64", b"Content-Type: multipart/mixed; boundary=m", b"Content-Type: message/rfc822",
    b"Subject: \xfc", DKIM % b"relaxed",
)  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join),
    st.sampled_from([b"multipart/mixed; boundary=m", b"text/plain", b"message/rfc822", b"application/x"]),
    st.sampled_from([b"8bit", b"base64", b"quoted-printable", b"binary", b"nonsense"]),
)
def test_whatever_comes_no_nul_leaves_and_the_second_time_nothing_changes(
    body: bytes, content_type: bytes, encoding: bytes
) -> None:
    head = MIME + b"Content-Type: " + content_type + b"\r\nContent-Transfer-Encoding: " + encoding
    try:
        fitted = fit(head + b"\r\n\r\n" + body)
    except Unconvertible:
        return
    assert b"\0" not in fitted.message
    assert fitted.left or is_sent(fitted.message)
    assert fit(fitted.message).message == fitted.message
