"""Texts in ISO 2022 and its kin as the world writes them: what programs of Windows put in, and what lacks its end.

Python's own codecs refuse NEC's row 13 (①), half-width kana and every text that was cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPE = re.compile(rb"(\x1b(?:\$(?:[()][@A-DG-IO-Q]|[@AB])|[(][BHIJ]|[.][AF]|N)|[\x0e\x0f]|\r?\n)")
_MOST_ESCAPES = 100_000
_HIGH = bytes(octet | 0x80 for octet in range(256))
_EUC_RUN = re.compile(rb"(\x8f[\xa1-\xfe]{2}|(?:[\xa1-\xfe]{2})+|(?:\x8e[\xa1-\xdf])+)")


def decode_japanese(octets: bytes) -> str:
    """ISO-2022-JP with its extensions (RFC 1468, RFC 1554, CP50220 to CP50222), each line on its own; never raises."""
    return _decode(octets, b"\x1b(I")


def decode_korean(octets: bytes) -> str:
    """ISO-2022-KR (RFC 1557), with or without its announcement; never raises."""
    return _decode(octets, b"\x1b$)C")


def decode_chinese(octets: bytes) -> str:
    """The part of ISO-2022-CN (RFC 1922) that is GB 2312; never raises."""
    return _decode(octets, b"\x1b$)A")


def decode_euc_jp(octets: bytes) -> str:
    """EUC-JP with the rows of NEC and IBM that eucJP-ms has; never raises."""
    try:
        return octets.decode("euc_jp")
    except UnicodeDecodeError:
        return "".join(map(_euc_run, _EUC_RUN.split(octets, _MOST_ESCAPES)))


def _decode(octets: bytes, shifted: bytes) -> str:
    """Goes from escape to escape. `shifted` is the character set that SO calls where none was designated for it."""
    pieces: list[str] = []
    designated, is_shifted = b"", False
    for place, piece in enumerate(_ESCAPE.split(octets, _MOST_ESCAPES)):
        if place % 2 == 0:
            pieces.append(_SETS.get(shifted if is_shifted else designated, _ascii)(piece))
        elif piece in (b"\x0e", b"\x0f"):
            is_shifted = piece == b"\x0e"
        elif piece.endswith(b"\n"):
            pieces.append(piece.decode("ascii"))
            designated, is_shifted = b"", False  # a line ends in ASCII, even where its end was cut off
        elif piece[1:3] == b"$)":
            shifted = piece
        elif piece[1:2] in b"$(":
            designated = piece.replace(b"$(", b"$")
    return "".join(pieces)


def _ascii(octets: bytes) -> str:
    return octets.decode("ascii") if octets.isascii() else octets.decode("cp932", "replace")


def _jis_x_0208(octets: bytes) -> str:
    """Pairs of 7-bit octets, by way of Shift JIS, whose codec knows the rows of NEC and IBM."""
    if not octets.isascii():
        return octets.decode("cp932", "replace")  # left without its escape, and went on in Shift JIS
    shift_jis = bytearray()
    for row, cell in zip(octets[::2], octets[1::2], strict=False):
        lead, odd = divmod(row - 0x21, 2)
        shift_jis.append((lead + (0x81 if lead < 0x1F else 0xC1)) & 0xFF)
        shift_jis.append((cell + 0x7E if odd else cell + 0x1F + (cell >= 0x60)) & 0xFF)
    return shift_jis.decode("cp932", "replace") + ("\ufffd" if len(octets) % 2 else "")


def _kana(octets: bytes) -> str:
    return octets.translate(_HIGH).decode("cp932", "replace")


def _high(codec: str) -> Callable[[bytes], str]:
    return lambda octets: octets.translate(_HIGH).decode(codec, "replace")


def _jis_x_0212(octets: bytes) -> str:
    pairs = (octets[place : place + 2].translate(_HIGH) for place in range(0, len(octets), 2))
    return b"".join(b"\x8f" + pair for pair in pairs).decode("euc_jp", "replace")


def _jis_x_0213_plane_2(octets: bytes) -> str:
    pairs = (octets[place : place + 2].translate(_HIGH) for place in range(0, len(octets), 2))
    return b"".join(b"\x8f" + pair for pair in pairs).decode("euc_jis_2004", "replace")


def _euc_run(octets: bytes) -> str:
    if octets.startswith(b"\x8f"):
        return octets.decode("euc_jp", "replace")
    if octets.startswith(b"\x8e"):
        return octets.replace(b"\x8e", b"").decode("cp932", "replace")
    if octets[:1] >= b"\xa1" and len(octets) % 2 == 0:
        return _jis_x_0208(bytes(octet & 0x7F for octet in octets))
    return octets.decode("ascii", "replace")


_SETS: dict[bytes, Callable[[bytes], str]] = {
    b"\x1b$@": _jis_x_0208,
    b"\x1b$B": _jis_x_0208,
    b"\x1b(I": _kana,
    b"\x1b$D": _jis_x_0212,
    b"\x1b$A": _high("gb2312"),
    b"\x1b$C": _high("cp949"),
    b"\x1b$O": _high("euc_jis_2004"),
    b"\x1b$Q": _high("euc_jis_2004"),
    b"\x1b$P": _jis_x_0213_plane_2,
    b"\x1b$)A": _high("gb2312"),
    b"\x1b$)C": _high("cp949"),
}
