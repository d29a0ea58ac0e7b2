"""RTF is decompressed, and gives back the text or the HTML that it holds."""

from __future__ import annotations

import struct
import time

import pytest
from onifast_shared.message import rtf
from onifast_shared.message.rtf import RtfText

# The two examples of [MS-OXRTFCP] section 3.
HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
CROSSING = bytes.fromhex("1a0000001c0000004c5a4675e2d44b5141000420575859 5a0d6e7d010eb0".replace(" ", ""))


def plain(source: str) -> bytes:
    """An RTF that says that it is not compressed."""
    data = source.encode("latin-1")
    return struct.pack("<IIII", len(data) + 12, len(data), 0x414C454D, 0) + data


def test_what_is_compressed_comes_out() -> None:
    assert rtf.decompress(HELLO) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert rtf.read(HELLO) == RtfText("hello world")
    # A reference may reach into what it is just making.
    assert rtf.decompress(CROSSING) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator Riched}One\par Two\tab Three}", "One\nTwo\tThree"),
        (r"{\rtf1\ansi\ansicpg1251 \'e4\'e0}", "да"),
        (r"{\rtf1\ansi\ansicpg932 \'93\'fa\'96\'7b}", "日本"),
        (r"{\rtf1\uc1 \u8364?\u-10179?\u-8704?}", "€😀"),
        (r"{\rtf1\uc2 \u228ae x}", "ä x"),
        (r"{\rtf1 a\{b\}c\\d\~e\lquote f\rquote}", "a{b}c\\d\u00a0e‘f’"),
        (r"{\rtf1 {\mmathPr\mmathFont34\mbrkBin0}one}", "one"),
        ("{\\rtf1 one\r\ntwo}", "onetwo"),
        ("", ""),
        ("no rtf", "no rtf"),
        ("}}}{{{x", "x"),
    ],
)
def test_a_text_is_read_without_its_commands(source: str, text: str) -> None:
    assert rtf.read(plain(source)) == RtfText(text)


def test_wrapped_html_is_taken_out_again() -> None:
    source = (
        r"{\rtf1\ansi\ansicpg1252\fromhtml1 {\*\htmltag18 <html>}{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 "
        r"Gr\'fc\'dfe {\*\htmltag84 &lt;}\htmlrtf <\htmlrtf0 b{\*\mhtmltag84 <x>}{\*\htmltag72 </p>}"
        r"\htmlrtf\par}\htmlrtf0 {\*\htmltag27 </html>}}"
    )
    assert rtf.read(plain(source)) == RtfText(html="<html><p>Grüße &lt;b</p></html>")


def test_what_is_written_beside_the_markup_cannot_become_markup() -> None:
    assert rtf.read(plain(r"{\rtf1\fromhtml1 a<script>b}")).html == "a&lt;script&gt;b"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 16,
        struct.pack("<IIII", 20, 1 << 31, 0x75465A4C, 0) + b"\xff" * 1000,
        struct.pack("<IIII", 20, 1 << 31, 0x75465A4C, 0) + b"\xff" + b"\x00\x0f" * 8 + b"\x01",
        HELLO[:30],
        plain("{" * 300_000),
        plain("\\u1?" * 200_000),
        plain("\\'" * 300_000),
        plain("{\\*" * 200_000),
        struct.pack("<IIII", 20, 1 << 31, 0x75465A4C, 0) + (b"\xff" + b"\x0d\x0f" * 8) * 100_000,
    ],
    ids=["empty", "zeros", "references", "the preset", "cut", "groups", "codes", "octets", "options", "bomb"],
)
def test_hostile_octets_cost_one_pass(data: bytes) -> None:
    began = time.process_time()
    found = rtf.read(data)
    assert time.process_time() - began < 10
    assert len(found.text) <= rtf.MOST_OCTETS
