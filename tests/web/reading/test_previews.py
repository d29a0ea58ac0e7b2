"""What attachments are, how large images would be, and how much of a text is shown."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from onifast_shared.message import compose, parsing
from onifast_shared.message.compose import Draft, OutgoingAttachment
from onifast_shared.message.parsing import Attachment
from onifast_web.reading import picture_sizes, previews

JPEG = (
    b"\xff\xd8\xff\xe1" + struct.pack(">H", 60_000) + b"x" * 59_998
    + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, 480, 640) + b"\x03" * 20
)  # fmt: skip
GIF = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0x80, 0, 0) + b"\0" * 6
GIF += b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c" + struct.pack("<HHHH", 5, 5, 3000, 20)
WEBP = b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + (799).to_bytes(3, "little") + (99).to_bytes(3, "little")
LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L" + b"\0" * 4 + b"\x2f" + struct.pack("<I", 299 | 199 << 14)
BMP = b"BM" + b"\0" * 16 + struct.pack("<ii", 70, -30)
AVIF = b"\0\0\0\x20ftypavif" + b"\0" * 40 + b"ispe" + b"\0" * 4 + struct.pack(">II", 1024, 768)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"


def attached(name: str, content_type: str, content: bytes) -> Attachment:
    draft = Draft(
        from_="ann@remote.example",
        to=["demo@example.test"],
        subject="x",
        text="x",
        attachments=[OutgoingAttachment(name, content_type, content)],
    )
    return parsing.parse(compose.build(draft, "remote.example")).attachments[0]


@pytest.mark.parametrize(
    ("kind", "data", "size"),
    [
        ("image/png", png(30, 20), (30, 20)),
        ("image/jpeg", JPEG, (640, 480)),
        ("image/gif", GIF, (3005, 25)),
        ("image/webp", WEBP, (800, 100)),
        ("image/webp", LOSSLESS, (300, 200)),
        ("image/bmp", BMP, (70, 30)),
        ("image/avif", AVIF, (1024, 768)),
        ("image/png", png(0, 20), None),
        ("image/x-icon", b"\0\0\x01\0", None),
    ],
)
def test_the_size_of_an_image_is_what_its_header_says(kind: str, data: bytes, size: tuple[int, int] | None) -> None:
    assert picture_sizes.of(kind, data) == size


@pytest.mark.parametrize(("kind", "data"), [("image/png", png(9, 9)), ("image/jpeg", JPEG), ("image/gif", GIF)])
def test_the_header_of_an_image_may_end_anywhere(kind: str, data: bytes) -> None:
    for length in range(0, len(data), max(1, len(data) // 200)):
        picture_sizes.of(kind, data[:length])


@pytest.mark.parametrize(
    ("name", "content_type", "content", "form", "media_type"),
    [
        ("a.png", "image/png", png(30, 20), "image", "image/png"),
        ("a.png", "application/octet-stream", png(30, 20), "image", "image/png"),
        ("a.jpg", "image/png", JPEG, "image", "image/jpeg"),
        ("a.svg", "image/svg+xml", b"<svg onload=x>", "text", ""),
        ("a.png", "image/svg+xml", b"<svg onload=x>", "text", ""),
        ("a.html", "text/html", b"<script>x</script>", "text", ""),
        ("a.pdf", "application/pdf", b"%PDF-1.7", "pdf", "application/pdf"),
        ("a.pdf", "application/pdf", b"<script>", "", ""),
        ("a.html", "text/html", b"%PDF-1.7", "text", ""),
        ("a.csv", "text/csv", b"a,b", "table", ""),
        ("a.csv", "application/octet-stream", b"a,b", "table", ""),
        ("a.mp3", "audio/mpeg", b"ID3\x04", "sound", "audio/mpeg"),
        ("a.mp4", "video/mp4", b"\0\0\0\x18ftypisom", "video", "video/mp4"),
        ("a.webm", "video/webm", b"\x1a\x45\xdf\xa3", "video", "video/webm"),
        ("a.mp4", "video/mp4", b"<script>", "", ""),
        ("a.py", "application/octet-stream", b"print()", "text", ""),
        ("a.txt", "text/plain", b"\0\1\2binary", "", ""),
        ("a.docx", "application/octet-stream", b"PK\3\4", "", ""),
        ("a.exe", "application/octet-stream", b"MZ", "", ""),
    ],
)  # fmt: skip
def test_an_attachment_is_shown_as_what_its_content_is(
    name: str, content_type: str, content: bytes, form: str, media_type: str
) -> None:
    found = previews.kind_of(attached(name, content_type, content))
    assert (found.form, found.media_type) == (form, media_type)


def test_an_image_of_too_many_pixels_is_not_given_to_a_browser() -> None:
    bomb = attached("a.png", "image/png", png(60_000, 60_000))
    found = previews.kind_of(bomb)
    assert (found.form, found.problem) == ("", "It has too many pixels to be shown.")
    assert not previews.has_thumbnail(bomb, found)
    large = attached("a.png", "image/png", png(6_000, 6_000))
    assert previews.kind_of(large).form == "image"
    assert not previews.has_thumbnail(large, previews.kind_of(large))


def test_what_its_size_cannot_be_told_of_is_not_shown() -> None:
    assert previews.kind_of(attached("a.jpg", "image/jpeg", b"\xff\xd8\xff\xd9")).form == ""


def test_of_a_huge_text_the_beginning_alone_is_read() -> None:
    item = attached("a.txt", "text/plain", b"Ninety nine bottles of beer\r\n" * 400_000)
    tracemalloc.start()
    text, is_cut = previews.text_of(item)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert is_cut and len(text) == previews.MOST_TEXT
    assert peak < 10_000_000, peak


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        ('a;b\n"1;5";2\n', [["a", "b"], ["1;5", "2"]]),
        ("a\tb\n", [["a", "b"]]),
        ("", []),
    ],
)
def test_a_table_is_taken_apart_by_its_own_delimiter(text: str, rows: list[list[str]]) -> None:
    assert previews.table_of(text) == rows


def test_a_table_is_bounded() -> None:
    rows = previews.table_of("x,y\n" + ",".join(["a" * 2000] * 200) + "\n" + "1,2\n" * 5000)
    assert len(rows) == 500
    assert len(rows[1]) == 60
    assert len(rows[1][0]) == 500
    assert previews.table_of("a,b\n" + '"' + "x" * 200_000)[0] == ["a", "b"]
