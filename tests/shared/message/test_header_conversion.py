"""Header fields on their way to servers that take ASCII in lines of bounded length."""

from __future__ import annotations

import email
import email.policy
import time
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.header_conversion import all_relaxed, fit_head, fold_head, is_fit, names_of_signers
from onifast_shared.message.headers import decode_words, unfold
from onifast_shared.message.parsing import summary

MANY = [f"user{number}@example.test" for number in range(100)]


def fitted(field: str, charset: str = "") -> str:
    """The field after the conversion, in one line."""
    return unfold(fit_head(f"{field}\r\n".encode(), charset))


def parsed(head: bytes) -> EmailMessage:
    return email.message_from_bytes(head + b"\r\n", policy=email.policy.default)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Subject: Grüße", "Subject: =?utf-8?b?R3LDvMOfZQ==?="),
        ("Subject: =?utf-8?q?Gr=C3=BC?= und ü", "Subject: =?utf-8?b?R3LDvCB1bmQgw7w=?="),
        ("X-Thing: ü", "X-Thing: =?utf-8?b?w7w=?="),
        ("From: Jürgen <j@x.test>", "From: =?utf-8?b?SsO8cmdlbg==?= <j@x.test>"),
        ('From: "Ü, J" <j@x.test>', "From: =?utf-8?b?w5wsIEo=?= <j@x.test>"),
        ("From: =?utf-8?q?=C3=BC?= Ü <j@x.test>", "From: =?utf-8?b?w7wgw5w=?= <j@x.test>"),
        ("From: j@x.test (Ü (so))", "From: j@x.test (=?utf-8?b?w5wgKHNvKQ==?=)"),
        ("To: Bob <b@x.test>, Ü <j@x.test>", "To: Bob <b@x.test>, =?utf-8?b?w5w=?= <j@x.test>"),
        ("To: Ü: b@x.test, Ü <j@x.test>;", "To: =?utf-8?b?w5w=?=: b@x.test, =?utf-8?b?w5w=?= <j@x.test>;"),
        ("To: Ü j@x.test", "To: =?utf-8?b?w5w=?= <j@x.test>"),
        ("To: Ü", "To: =?utf-8?b?w5w=?="),
        ("To: bob@müller.test", "To: bob@xn--mller-kva.test"),
        ("To: Ü <bob@müller.test>", "To: =?utf-8?b?w5w=?= <bob@xn--mller-kva.test>"),
        ("Message-ID: <ü@x.test>", "Message-ID: <=C3=BC@x.test>"),
        ("References: <a@x.test> <ü@x.test>", "References: <a@x.test> <=C3=BC@x.test>"),
        ("List-Unsubscribe: <https://x.test/ü>, <mailto:a@x.test>",
         "List-Unsubscribe: <https://x.test/%C3%BC>, <mailto:a@x.test>"),
        ("List-Id: Ü <l.müller.test>", "List-Id: =?utf-8?b?w5w=?= <l.xn--mller-kva.test>"),
        ("Keywords: grün, blau", "Keywords: =?utf-8?b?Z3LDvG4=?=, blau"),
        ("Received: from ü (HELO ü) by x.test; Sat", "Received: from =C3=BC (=?utf-8?b?SEVMTyDDvA==?=) by x.test; Sat"),
        ("DKIM-Signature: v=1; i=ü@x.test; b=a", "DKIM-Signature: v=1; i==C3=BC@x.test; b=a"),
        ("Content-Disposition: attachment; filename=ü.pdf",
         "Content-Disposition: attachment; filename*=utf-8''%C3%BC.pdf"),
        ('Content-Type: text/html; charset=utf-8; name="ü"',
         "Content-Type: text/html; charset=\"utf-8\"; name*=utf-8''%C3%BC"),
        ("Subject: a\0b", "Subject: ab"),
        ("From: a@x.test\0, b@y.test", "From: a@x.test, b@y.test"),
    ],
)  # fmt: skip
def test_what_is_no_address_becomes_ascii(field: str, expected: str) -> None:
    assert fitted(field) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("To: jürgen@x.test", "To: jürgen@x.test"),
        ("To: Jürgen <jürgen@müller.test>", "To: =?utf-8?b?SsO8cmdlbg==?= <jürgen@xn--mller-kva.test>"),
        ('To: "Jürgen x"@x.test, ü@y.test', 'To: "Jürgen x"@x.test, ü@y.test'),
    ],
)
def test_a_local_part_stays(field: str, expected: str) -> None:
    assert fitted(field) == expected


def test_fields_that_are_fit_stay_as_they_are() -> None:
    odd = b"Subject : x\r\n\ty\r\nTo:a@x.test,\r\n b@x.test\r\n"
    assert fit_head(odd) is odd
    assert fit_head(odd + "X: ü\r\n".encode()).startswith(odd)


@pytest.mark.parametrize(
    ("octets", "charset", "expected"),
    [
        ("Grüße".encode("cp1252"), "", "Grüße"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        ("Привет".encode(), "koi8-r", "Привет"),
        ("日本語".encode("shift-jis"), "shift_jis", "日本語"),
        ("Grüße".encode("cp1252"), "nonsense", "Grüße"),
    ],
)
def test_octets_are_utf_8_or_the_messages_charset_or_windows_1252(octets: bytes, charset: str, expected: str) -> None:
    assert summary(fit_head(b"Subject: " + octets + b"\r\n", charset)).subject == expected


def test_a_long_line_is_folded_at_white_space_alone() -> None:
    text = "a word and another one " * 100
    head = fit_head(f"Subject: {text}\r\n".encode())
    assert is_fit(head) and unfold(head).split() == f"Subject: {text}".split()
    assert head.replace(b"\r\n", b"") == f"Subject: {text}".rstrip().encode()


@pytest.mark.parametrize(
    "field",
    [
        "Subject: " + "x" * 3000,
        "Subject: =?utf-8?b?" + "QUJD" * 500 + "?=",
        "Comments: " + "日本語" * 500,
    ],
)
def test_unstructured_text_without_white_space_reads_the_same(field: str) -> None:
    head = fit_head(f"{field}\r\n".encode())
    assert is_fit(head)
    name, _, text = field.partition(": ")
    assert summary(head).header(name) == decode_words(text)


def test_lists_are_folded_at_their_entries() -> None:
    head = fit_head(f"To: {','.join(MANY)}\r\nReferences: {''.join(f'<{each}>' for each in MANY)}\r\n".encode())
    assert is_fit(head)
    assert [address.addr_spec for address in parsed(head)["To"].addresses] == MANY
    assert summary(head).references == [f"<{each}>" for each in MANY]


def test_a_long_name_or_file_name_reads_the_same() -> None:
    name = "n" * 2000
    head = fit_head(f'From: "{name}" <a@x.test>\r\nContent-Disposition: attachment; filename="{name}"\r\n'.encode())
    assert is_fit(head)
    assert summary(head).sender_name == name
    assert parsed(head).get_filename() == name


def test_a_decoded_line_end_never_becomes_a_field() -> None:
    word = "=?utf-8?b?" + "QQ0KQmNjOiBldmVAeC50ZXN0DQo=" + "QUFB" * 400 + "?="
    for field in (f"Subject: {word}", f"From: {word} <a@x.test>", f"To: a@x.test ({word})", f'X: "{word}" ü'):
        head = fit_head(f"{field}\r\n".encode())
        assert is_fit(head) and b"bcc" not in head.lower()


def test_what_nothing_helps_stays() -> None:
    head = b"X-" + b"n" * 1200 + b": v\r\n"
    assert fit_head(head) == head


def test_a_relaxed_signature_bears_folding_and_nothing_else() -> None:
    foldable = b"Subject: " + b"two words " * 200 + b"\r\n"
    rest = b"X-Token: " + b"t" * 2000 + "\r\nTo: Ü <a@x.test>\r\n".encode()
    folded = fold_head(foldable + rest)
    assert folded.endswith(rest)
    assert is_fit(folded.removesuffix(rest)) and folded.replace(b"\r\n ", b" ").startswith(foldable.rstrip())


@pytest.mark.parametrize(
    ("signatures", "expected"),
    [
        (["c=relaxed/simple; d=a.test"], True),
        (["d=a.test"], False),
        (["c=simple/relaxed; d=a.test"], False),
        (["c=relaxed; d=a.test", "d=b.test;c = simple"], False),
        (["v=1;\r\n c=Relaxed/Relaxed; d=a.test"], True),
    ],
)
def test_a_signature_says_whether_it_is_relaxed_about_headers(signatures: list[str], expected: bool) -> None:
    head = "".join(f"DKIM-Signature: {each}\r\n" for each in signatures).encode()
    assert all_relaxed(head) is expected
    assert names_of_signers(head)[0] == "a.test"


@pytest.mark.parametrize("name", ["From", "Subject", "Content-Type", "References", "Received", "List-Unsubscribe"])
def test_a_hostile_field_takes_no_long_time(name: str) -> None:
    began = time.process_time()
    for piece in ('"', "<", "(", ":", "a:", ",", '"\\', "ü ", "=?", "x" * 899 + " ", "ü@ü ", ";*0*=ü", "\t"):
        head = f"{name}: ü{piece * (100_000 // len(piece))}\r\n"
        fit_head(head.encode())
    assert time.process_time() - began < 5


NAMES = ("Subject", "From", "To", "References", "List-Unsubscribe", "Received", "Content-Type", "X-Other", "Date")
PIECES = (
    '"', "(", ")", "<", ">", ",", ";", ":", "@", "\\", " ", "\t", "\r\n ", "ü", "日本", "a@x.test",
    "=?utf-8?q?=0D=0A?=", "=?", "x" * 950, "\0", "name=", "*0*=", "\x7f", "\x85", "Ü <j@x.test>",
)  # fmt: skip


@given(st.sampled_from(NAMES), st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.binary(max_size=5))
def test_whatever_comes_one_field_comes_out_in_lines_of_bounded_length(name: str, text: str, tail: bytes) -> None:
    tail = tail.replace(b"\n", b"").replace(b"\r", b"")
    head = fit_head(b"%b: %b%b\r\nNext: x\r\n" % (name.encode(), text.encode(), tail))
    lines = head.removesuffix(b"\r\n").split(b"\r\n")
    assert all(len(line) <= 998 and b"\0" not in line for line in lines)
    assert [line for line in lines if line[:1] not in (b" ", b"\t")] == [lines[0], b"Next: x"]
    assert fit_head(head) == head or not head.isascii()
