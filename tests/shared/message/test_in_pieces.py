"""Large files are decoded and encoded piece by piece, and come out as they would whole."""

from __future__ import annotations

import base64
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message import compose, parsing, transfer
from onifast_shared.message.compose import Draft, OutgoingAttachment

FILE = random.Random(3).randbytes(1_500_001)
LETTERS = st.lists(st.sampled_from([b"QUJD", b"=", b"\n", b"\r\n", b" ", b"x", b"YQ==", b"= \tfooter", b"-", b"\xff"]))


@given(LETTERS, st.integers(1, 40))
def test_any_base64_is_decoded_alike(letters: list[bytes], size: int) -> None:
    body = b"".join(letters)
    found = b"".join(transfer.base64_chunks(b"before" + body + b"after", 6, 6 + len(body), size))
    assert found == transfer.decode_base64(body)


@given(st.binary(max_size=500), st.integers(1, 100))
def test_what_was_encoded_comes_back(data: bytes, size: int) -> None:
    encoded = base64.encodebytes(data)
    assert b"".join(transfer.base64_chunks(encoded, 0, len(encoded), size)) == data


def built(attachment: OutgoingAttachment) -> bytes:
    draft = Draft(from_="a@b.test", to=["c@d.test"], subject="file", text="see it", attachments=[attachment])
    return compose.build(draft, "mail.host.test")


def body_of(raw: bytes) -> bytes:
    """Without what is different each time."""
    boundary = raw.partition(b'boundary="')[2].partition(b'"')[0]
    return raw.partition(b"\r\n\r\n")[2].replace(boundary, b"boundary")


@pytest.mark.parametrize("size", [0, 1, 57, 58, 57 * 8192, 57 * 8192 + 1, 1_500_001])
def test_a_file_that_is_read_piece_by_piece_is_sent_as_one_in_memory(size: int) -> None:
    data = FILE[:size]
    from_file = built(OutgoingAttachment("x.bin", "application/zip", file=io.BytesIO(data)))
    assert body_of(from_file) == body_of(built(OutgoingAttachment("x.bin", "application/zip", data)))
    (found,) = parsing.parse(from_file).attachments
    assert found.data == data


def test_a_message_from_a_file_stays_a_message() -> None:
    message = b"Subject: inside\r\n\r\nwords\r\n"
    raw = built(OutgoingAttachment("x.eml", "message/rfc822", file=io.BytesIO(message)))
    (found,) = parsing.parse(raw).attachments
    assert found.is_message and found.subject == "inside"


def test_an_attachment_comes_in_pieces_and_tells_its_size_without_being_kept() -> None:
    (found,) = parsing.parse(built(OutgoingAttachment("x.bin", "application/zip", FILE))).attachments
    pieces = list(found.chunks())
    assert len(pieces) > 2 and b"".join(pieces) == FILE == b"".join(found.chunks())
    assert found.size == len(FILE)
    assert found.data == FILE and list(found.chunks()) == [FILE]


FOOTER = b"\r\n_______________________________________________\r\nlist mailing list\r\n"
BODIES = {
    "base64": (b"base64", base64.encodebytes(FILE[:200_000]), b"application/zip"),
    "base64 with a list's footer": (b"base64", base64.encodebytes(FILE[:200_000]) + FOOTER, b"application/zip"),
    "text that is no base64": (b"base64", b"these are words, and no letters\r\n" * 9000, b"text/csv"),
    "8bit": (b"8bit", b"line of text\r\n" * 90_000, b"text/csv"),
    "quoted-printable": (b"quoted-printable", b"Z=C3=BCrich =\r\n" * 9000, b"text/csv"),
}


@pytest.mark.parametrize("name", BODIES)
def test_pieces_are_the_same_in_every_encoding(name: str) -> None:
    encoding, body, content_type = BODIES[name]
    raw = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: '
        + content_type
        + b'\r\nContent-Disposition: attachment; filename="x"\r\nContent-Transfer-Encoding: '
        + encoding
        + b"\r\n\r\n"
        + body
        + b"\r\n--b--\r\n"
    )
    first, second = (parsing.parse(raw).attachments[0] for _ in range(2))
    assert b"".join(first.chunks()) == second.data and first.size == len(second.data)


def test_a_long_header_of_a_part_ends_where_it_ends() -> None:
    long = b"X-Long: " + b"x" * 900 + b"\r\n"
    raw = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' + long * 80 + b"\r\nthe text\r\n--b--\r\n"
    assert parsing.parse(raw).text == "the text"
