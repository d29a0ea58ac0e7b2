"""Files that the demo messages carry, made here: a picture, a page of PDF, a sound and a contact."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib

Colour = tuple[int, int, int]


def picture(width: int, height: int, top: Colour, bottom: Colour) -> bytes:
    """A PNG of a sky: one colour that goes over into another, and a sun."""
    sun = (width * 3 // 4, height // 3, height // 7)
    rows = bytearray()
    for y in range(height):
        share = y / max(1, height - 1)
        sky = bytes(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        row = bytearray(sky * width)
        if abs(y - sun[1]) < sun[2]:
            half = round(math.sqrt(sun[2] ** 2 - (y - sun[1]) ** 2))
            row[3 * (sun[0] - half) : 3 * (sun[0] + half)] = bytes((255, 236, 170)) * (2 * half)
        rows += b"\0" + row
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def page(title: str, lines: list[str]) -> bytes:
    """A PDF of one page A5 with a title and lines below it; ASCII without brackets or backslashes."""
    text = [f"BT /F1 20 Tf 40 540 Td ({title}) Tj ET"]
    text += [f"BT /F1 11 Tf 40 {500 - 18 * number} Td ({line}) Tj ET" for number, line in enumerate(lines)]
    content = "\n".join(text).encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 595] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    made, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(made)


def sound(seconds: float = 1.2) -> bytes:
    """A WAV of a bell: 8,000 samples a second, eight bits each."""
    rate = 8000
    samples = (
        128 + 100 * math.exp(-3 * at / rate) * math.sin(2 * math.pi * 660 * at / rate)
        for at in range(int(rate * seconds))
    )
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(bytes(round(sample) for sample in samples))
    return made.getvalue()


def contact(name: str, address: str, organisation: str) -> bytes:
    """A vCard (RFC 6350)."""
    lines = ["BEGIN:VCARD", "VERSION:4.0", f"FN:{name}", f"EMAIL:{address}", f"ORG:{organisation}", "END:VCARD", ""]
    return "\r\n".join(lines).encode()
