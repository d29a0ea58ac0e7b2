"""How many pixels an image has, by its header: browsers make room for all of them, however few octets they are in."""

from __future__ import annotations

import struct
from collections.abc import Callable

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of a JPEG; the others are no frames
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_MOST_STEPS = 5000  # segments, blocks or boxes that are passed over

Size = tuple[int, int]


def of(image_type: str, data: bytes) -> Size | None:
    """Width and height of an image, the largest that its header speaks of; None where that cannot be known."""
    reader = _READERS.get(image_type)
    if reader is None:
        return None
    try:
        found = reader(data)
    except (struct.error, IndexError):
        return None
    return found if found and min(found) > 0 else None


def _png(data: bytes) -> Size | None:
    return struct.unpack_from(">II", data, 16) if data[12:16] == b"IHDR" else None


def _gif(data: bytes) -> Size | None:
    """The larger of its screen and its first frame, for which browsers make room too."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    for _ in range(_MOST_STEPS):
        if data[at] == 0x2C:
            left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
            return max(width, left + wide), max(height, top + high)
        if data[at] != 0x21:
            return None
        at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
    return None


def _jpeg(data: bytes) -> Size | None:
    at = 2
    for _ in range(_MOST_STEPS):
        if data[at] != 0xFF:
            return None
        kind = data[at + 1]
        if kind == 0xFF:
            at += 1
        elif kind in _WITHOUT_LENGTH:
            at += 2
        elif kind in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp(data: bytes) -> Size | None:
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)


def _avif(data: bytes) -> Size | None:
    """The largest `ispe` box of the file's `meta` (ISO/IEC 23008-12): one for each picture that it is made of."""
    found: Size | None = None
    at, end = 0, min(len(data), 1 << 20)
    for _ in range(_MOST_STEPS):
        at = data.find(b"ispe", at, end)
        if at < 0:
            break
        width, height = struct.unpack_from(">II", data, at + 8)
        found = (max(width, found[0]), max(height, found[1])) if found else (width, height)
        at += 4
    return found


_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/bmp": _bmp,
    "image/avif": _avif,
}
