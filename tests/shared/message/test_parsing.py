"""Messages parsed: ordinary mail, odd mail, and mail made to break a parser."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.parsing import Parsed, parse, summary
from onifast_shared.values.address import Address

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXEL = base64.b64encode(SIGNATURE)


def read_everything(parsed: Parsed) -> None:
    """Asks for all that a message has, and checks that it can be stored as UTF-8."""
    texts = [parsed.subject, parsed.to, parsed.cc, parsed.reply_to, parsed.sender_name, parsed.message_id]
    texts += [parsed.in_reply_to, *parsed.references, parsed.text or "", parsed.html or "", parsed.snippet]
    texts += [text for field in parsed.headers for text in field]
    texts += [*parsed.embedded, parsed.protection, parsed.charset]
    texts += [str(parsed.event), str(parsed.cards)]
    texts += [value for part in parsed.attachments for value in (part.filename, part.content_type, part.content_id)]
    for text in texts:
        text.encode()
    assert [part.index for part in parsed.attachments] == list(range(len(parsed.attachments)))
    assert all(part.size == len(part.data) for part in parsed.attachments)
    assert parsed.has_attachments in (True, False)
    assert len(parsed.snippet) <= 200
    assert parsed.date is None or parsed.date.tzinfo is UTC
    assert parsed.sender is None or Address.parse(str(parsed.sender)) == parsed.sender


def multipart(subtype: str, *parts: bytes, boundary: bytes = b"x") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    head = b"Content-Type: multipart/" + subtype.encode() + b'; boundary="' + boundary + b'"\r\n\r\n'
    return head + body + b"--" + boundary + b"--\r\n"


def plain(text: bytes, more: bytes = b"") -> bytes:
    return b"Content-Type: text/plain; charset=utf-8\r\n" + more + b"\r\n" + text


def marked(text: bytes, more: bytes = b"") -> bytes:
    return b"Content-Type: text/html; charset=utf-8\r\n" + more + b"\r\n" + text


def test_a_simple_message_is_read() -> None:
    parsed = parse(
        b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nTo: a@b, C <c@d>\r\nCc: e@f\r\nReply-To: g@h\r\n"
        b"Subject: Hello\r\n world\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\nReferences: <a@x>\r\n <0@x>\r\n"
        b"Date: Thu, 1 Feb 2024 12:00:00 +0200\r\n\r\nHi  there,\r\nyou\r\n"
    )
    assert (parsed.sender_name, parsed.sender) == ("Jörg", Address("joerg", "example.org"))
    assert (parsed.to, parsed.cc, parsed.reply_to) == ("a@b, C <c@d>", "e@f", "g@h")
    assert parsed.subject == "Hello world"
    assert (parsed.message_id, parsed.in_reply_to, parsed.references) == ("<1@x>", "<0@x>", ["<a@x>", "<0@x>"])
    assert parsed.date == datetime(2024, 2, 1, 10, tzinfo=UTC)
    assert parsed.text == "Hi  there,\nyou\n"
    assert parsed.html is None
    assert parsed.snippet == "Hi there, you"
    assert parsed.attachments == []
    assert not parsed.has_attachments


def test_what_is_missing_is_empty() -> None:
    parsed = parse(b"")
    assert (parsed.subject, parsed.to, parsed.message_id, parsed.references) == ("", "", "", [])
    assert (parsed.sender, parsed.date, parsed.html) == (None, None, None)
    assert parsed.header("subject") is None


def test_the_first_address_of_from_that_is_one_is_the_sender() -> None:
    assert parse(b"From: nobody, B <b@x>\r\n\r\n").sender == Address("b", "x")


def test_a_summary_needs_only_the_beginning() -> None:
    head = b"Subject: s\r\nFrom: a@b\r\nX-Cut: of"
    assert summary(head).subject == "s"
    assert summary(head).sender == Address("a", "b")


def test_names_are_listed_in_order_in_lower_case() -> None:
    found = summary(b"Received: a\r\nFROM: a@x.test\r\n b\r\nreceived: c\r\n")
    assert found.names == ["received", "from", "received"]


def test_headers_are_listed_in_order_and_decoded() -> None:
    parsed = parse(b"A: =?utf-8?q?=C3=BC?=\r\na: 2\r\n\r\n")
    assert parsed.headers == [("A", "ü"), ("a", "2")]
    assert parsed.header("A") == "ü"


def test_control_characters_do_not_come_through_a_header() -> None:
    assert parse(b"Subject: =?utf-8?q?a=0D=0AB:_c=00=1B?=\r\n\r\n").subject == "a B: c "


def test_alternatives_are_one_text_and_one_html() -> None:
    parsed = parse(multipart("alternative", plain(b"hi"), marked(b"<b>hi</b>")))
    assert (parsed.text, parsed.html) == ("hi", "<b>hi</b>")
    assert parsed.attachments == []


def test_html_alone_has_no_text_but_a_snippet() -> None:
    parsed = parse(marked(b"<style>p{}</style><p>Hello <b>you</b>"))
    assert parsed.text is None
    assert parsed.snippet == "Hello you"


def test_a_footer_beside_html_is_shown_in_both_forms() -> None:
    parsed = parse(multipart("mixed", marked(b"<p>hi</p>"), plain(b"-- <list>")))
    assert parsed.text == "hi\n-- <list>"
    assert parsed.html == "<p>hi</p>\n<pre>-- &lt;list&gt;</pre>"


def test_an_image_that_the_html_shows_is_inline() -> None:
    image = b"Content-Type: image/png\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n" + PIXEL
    related = multipart("related", marked(b'<img src="cid:pic@x">'), image, boundary=b"r")
    parsed = parse(multipart("alternative", plain(b"hi"), related))
    (attachment,) = parsed.attachments
    assert (attachment.content_id, attachment.data) == ("pic@x", SIGNATURE)
    assert parsed.embedded == {"cid:pic@x": attachment}
    assert (parsed.text, parsed.html) == ("hi", '<img src="cid:pic@x">')
    assert not parsed.has_attachments


def test_a_text_file_is_an_attachment_not_a_body() -> None:
    parsed = parse(
        multipart("mixed", plain(b"hi"), plain(b"log", b"Content-Disposition: attachment; filename=a.txt\r\n"))
    )
    assert parsed.text == "hi"
    assert [(part.filename, part.data) for part in parsed.attachments] == [("a.txt", b"log")]
    assert parsed.has_attachments


def test_a_message_within_a_message_is_an_attachment() -> None:
    inner = b"Subject: inner\r\n\r\ninner body\r\n"
    parsed = parse(multipart("mixed", plain(b"outer"), b"Content-Type: message/rfc822\r\n\r\n" + inner))
    (attachment,) = parsed.attachments
    assert (attachment.content_type, attachment.filename) == ("message/rfc822", "message-1.eml")
    assert attachment.data == inner
    assert parsed.text == "outer"


def test_a_digests_parts_are_messages() -> None:
    parsed = parse(multipart("digest", b"\r\nSubject: one\r\n\r\n1", b"\r\nSubject: two\r\n\r\n2"))
    assert [part.content_type for part in parsed.attachments] == ["message/rfc822"] * 2


def test_a_prologue_an_epilogue_and_a_longer_boundary_are_no_parts() -> None:
    body = b"prologue\r\n--x \r\n\r\na\r\n--xy\r\nb\r\n--x--\r\nepilogue"
    assert parse(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + body).text == "a\n--xy\nb"


def test_a_multipart_that_never_ends_is_read_to_its_end() -> None:
    assert parse(b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nhello\n").text == "hello\n"


def test_a_multipart_without_boundary_is_text() -> None:
    parsed = parse(b"Content-Type: multipart/mixed\r\n\r\nhello")
    assert (parsed.text, parsed.attachments) == ("hello", [])


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=a.pdf", "a.pdf"),
        ("attachment; filename*=utf-8''%C3%BC.pdf", "ü.pdf"),
        ("attachment; filename*=iso-8859-1'de'%FC.pdf", "ü.pdf"),
        ("attachment; filename=u.pdf; filename*=utf-8''%C3%BC.pdf", "ü.pdf"),
        ("attachment; filename*0*=utf-8''a%C3; filename*1*=%BC; filename*2=b.pdf", "aüb.pdf"),
        ("attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        ('attachment; filename="=?utf-8?q?=C3=BC.pdf?="', "ü.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\a.exe"', "a.exe"),
        ('attachment; filename="C:\\temp\\a.exe"', "a.exe"),
        ('attachment; filename="\\\\host\\temp\\a.exe"', "a.exe"),
        ('attachment; filename="AC/DC 01/02.pdf"', "AC_DC 01_02.pdf"),
        ('attachment; filename="/tmp/a.exe"', "a.exe"),
        ('attachment; filename="..."', "attachment-1.pdf"),
        ('attachment; filename=".bashrc"', "bashrc"),
        ("attachment; filename*=utf-8''a%0D%0A%00b%E2%80%AEfdp.exe", "abfdp.exe"),
        ('attachment; filename="unclosed.pdf', "unclosed.pdf"),
        ('attachment; filename="a\\"b;c.pdf"; size=3', 'a"b;c.pdf'),
        ("attachment; filename=" + "x" * 300 + ".pdf", "x" * 146 + ".pdf"),
        ("attachment", "attachment-1.pdf"),
        ("attachment; filename*999999999=x; filename*=''", "attachment-1.pdf"),
    ],
)
def test_file_names_are_decoded_and_made_safe(value: str, filename: str) -> None:
    raw = f"Content-Type: application/pdf\r\nContent-Disposition: {value}\r\n\r\nx".encode()
    assert parse(raw).attachments[0].filename == filename


def test_raw_utf8_and_latin1_in_headers_are_read() -> None:
    assert parse("Subject: Grüße\r\n\r\n".encode()).subject == "Grüße"
    assert parse("Subject: Grüße\r\n\r\n".encode("latin-1")).subject == "Grüße"


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        ("charset=iso-8859-1", b"\xfc", "ü"),
        ("charset=utf-8", b"\xfc", "ü"),
        ("charset=klingon", "ü".encode(), "ü"),
        ("charset=idna", b"xn--bcher-kva", "xn--bcher-kva"),
        ('charset="utf-8"', "ü".encode(), "ü"),
        ("charset=shift_jis", b"\x93\xfa", "日"),
        ("charset=utf-16le", "Hello there".encode("utf-16-le") + b"\n", "Hello there\ufffd"),
        ("charset=\0", b"a", "a"),
        ("charset", b"a", "a"),
    ],
)
def test_texts_in_any_charset_are_read(head: str, body: bytes, text: str) -> None:
    assert parse(f"Content-Type: text/plain; {head}\r\n\r\n".encode() + body).text == text


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("base64", b"aGVsbG8=", "hello"),
        ("base64", b"aGVs\r\nbG8", "hello"),
        ("base64", b"aGVs*bG8===", "hello"),
        ("base64", b"a", ""),
        ("base64", b"aGVs\r\nbG8=\r\nIHlvdQ==", "hello you"),
        ("base64", b"This was never encoded.", "This was never encoded."),
        ("base64", b"aGVsbG8=\r\n____\r\nlist footer, plain\r\n", "hello\n____\nlist footer, plain\n"),
        ('"base64"', b"aGVsbG8=", "hello"),
        ("base64;", b"aGVsbG8=", "hello"),
        ("(a) base64 (b)", b"aGVsbG8=", "hello"),
        ("quoted-printable", b"a= \r\nb", "ab"),
        ("BASE64 ", b"aGVsbG8=", "hello"),
        ("quoted-printable", b"a=3Db=\r\nc=zz=", "a=bc=zz"),
        ("8bit", "ü".encode(), "ü"),
        ("x-unknown", b"a", "a"),
    ],
)
def test_transfer_encodings_are_undone_even_when_broken(encoding: str, body: bytes, text: str) -> None:
    assert parse(f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body).text == text


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Mon, 99 Foo 9999", "31 Dec 9999 23:59:59 -2359", "1 " * 50_000, "(" * 999]
)
def test_a_date_that_cannot_be_read_is_none(date: str) -> None:
    assert parse(f"Date: {date}\r\n\r\n".encode()).date is None


PIECES = st.sampled_from(
    [
        b"From: a <a@b>\r\n",
        b"Subject: =?utf-8?q?=C3?=\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Type: multipart/alternative; boundary=y\r\n",
        b"Content-Type: text/html; charset=utf-16\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Disposition: attachment; filename*0*=x''%zz; filename*x=1\r\n",
        b"--x\r\n",
        b"--y\r\n",
        b"--x--\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"=\r\n",
        b"<p>a&#xd800;</p>",
        b"\xff\x00",
        b"Date: 31 Dec 9999 23:59:59 -2359\r\n",
    ]
)


@given(st.binary(max_size=300) | st.lists(PIECES | st.binary(max_size=10), max_size=30).map(b"".join))
def test_no_bytes_can_make_parsing_raise(raw: bytes) -> None:
    read_everything(parse(raw))


MEGABYTE = 1_000_000
NEST = b"Content-Type: multipart/mixed; boundary=x\n\n--x\n"
HOSTILE = {
    "a header of a megabyte": b"Subject: " + b"a" * MEGABYTE,
    "a header of folds": b"Subject: a" + b"\r\n a" * (MEGABYTE // 4),
    "a first line that is folded": b" " + b"a" * MEGABYTE,
    "a mailbox file's first line": b"From " + b"a" * MEGABYTE + b"\n",
    "lines that are no fields": (b"a" * 1000 + b"\n") * 1000,
    "one line without end": b"a" * MEGABYTE,
    "countless headers": b"a:\n" * (MEGABYTE // 3),
    "countless angles": b"From: " + b"<" * MEGABYTE,
    "countless comments": b"From: " + b"(" * MEGABYTE,
    "countless quotes": b'From: "\\' * (MEGABYTE // 8),
    "half encoded words": b"Subject: " + b"=?u?q?" * (MEGABYTE // 6),
    "short encoded words": b"Subject: " + b"=?u?q?a?=" * (MEGABYTE // 9),
    "half message ids": b"References: " + b"<a" * (MEGABYTE // 2),
    "empty parts": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * (MEGABYTE // 4),
    "parts almost": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--xy\n" * (MEGABYTE // 5),
    "nesting of one boundary": NEST * (MEGABYTE // len(NEST)),
    "nesting of many boundaries": b"".join(NEST.replace(b"x", b"x%d" % depth) for depth in range(15_000)),
    "countless parameters": b"Content-Type: text/plain" + b"; a*1=b" * (MEGABYTE // 7),
    "unclosed parameter": b'Content-Type: text/plain; a="' + b"\\" * MEGABYTE,
    "unclosed HTML": b"Content-Type: text/html\n\n" + b"<!--<a " * (MEGABYTE // 7),
    "escapes of Japanese": b"Content-Type: text/plain; charset=iso-2022-jp\n\n" + b"\x1b$B" * (MEGABYTE // 3),
    "octets of no charset": b"Subject: " + b"\xd0\xcf\xd2" * 20_000 + b"\n\n" + b"\xc3\xe2 \xd0" * (MEGABYTE // 4),
    "half UTF-7": b"Content-Type: text/plain; charset=utf-7\n\n" + b"+AAA" * (MEGABYTE // 4),
    "countless beginnings of uuencode": b"\n" + b"begin 644 a\nend\n" * (MEGABYTE // 16),
    "a long beginning of uuencode": b"\nbegin " + b" " * MEGABYTE + b"644 a\n",
    "a boundary that is not there": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--" + b" \t" * MEGABYTE,
    "padding in the middle": b"Content-Transfer-Encoding: base64\n\n" + b"AA==" * (MEGABYTE // 4),
    "words without an end": b"Subject: " + b"=?u?q?a?" * (MEGABYTE // 8),
    "flowed lines": b"Content-Type: text/plain; format=flowed\n\n" + b"> a \n" * (MEGABYTE // 5),
    "references to images": b"Content-Type: text/html\n\n" + b"cid:" * (MEGABYTE // 4),
    "openings of commands": b"Content-Type: text/enriched\n\n" + b"<param>" * (MEGABYTE // 7),
    "escaped white space": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= " * (MEGABYTE // 2),
    "a wall of white space": b"Content-Transfer-Encoding: quoted-printable\n\n=" + b" " * MEGABYTE,
    "padding only": b"Content-Transfer-Encoding: base64\n\n" + b"=" * MEGABYTE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_takes_linear_time(name: str) -> None:
    started = time.process_time()
    read_everything(parse(HOSTILE[name]))
    assert time.process_time() - started < 5


def test_nesting_is_followed_only_so_deep() -> None:
    raw = plain(b"deep")
    for depth in range(200):
        raw = multipart("mixed", raw, boundary=b"b%d" % depth)
    parsed = parse(raw)
    assert parsed.text is None
    assert len(parsed.attachments) == 1


def test_a_boundary_that_reads_in_two_ways_hides_nothing() -> None:
    raw = (
        b'Content-Type: multipart/mixed; boundary="a--"\n\n--a--\nContent-Type: multipart/mixed; boundary="a----"\n\n'
        b"--a----\nContent-Type: text/plain\n\nbody\n--a------\n"
    )
    assert "body" in (parse(raw).text or "")


def test_parts_that_are_all_empty_are_an_empty_message() -> None:
    raw = b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n--b\n\n--b--\n'
    assert not (parse(raw).text or "").strip()
