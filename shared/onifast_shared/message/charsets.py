"""Octets as text: what charset labels mean (WHATWG Encoding, then IANA and Python), and what is saved of spoilt text.

Nothing here raises, whatever the octets and the label.
"""

from __future__ import annotations

import encodings.aliases
import re
from collections.abc import Callable, Mapping
from functools import cache

from webencodings.labels import LABELS

from onifast_shared.message.charset_guess import guess
from onifast_shared.message.iso2022 import decode_chinese, decode_euc_jp, decode_japanese, decode_korean

_MAX_LABEL = 40
_SAMPLE = 1 << 14  # octets that a charset is guessed from
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_UTF8_CHARACTERS = re.compile(
    rb"(?:[\xc2-\xdf]|\xe0[\xa0-\xbf]|[\xe1-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})[\x80-\xbf]"
)
_UTF8_CUT = re.compile(rb"(?:[\xe1-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{1,2})\Z")
_HIGH = re.compile(rb"[\x80-\xff]+")
_META = re.compile(rb"<meta\b[^>]{0,500}?\bcharset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{2,40})", re.IGNORECASE)
_META_WITHIN = 4096  # octets of HTML in which its charset is declared, if anywhere
_JAPANESE_ESCAPE = b"\x1b$"

# Whatever charset label mail carries is looked up in tables, never by codecs.lookup: that would import modules by a
# stranger's word, keep each unknown name for ever, and offer codecs that take quadratic time (idna, punycode).
# Of the standard's names those that Python's codecs do not have, or have for less.
_OF_WHATWG = {
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "iso-8859-8-i": "iso8859-8",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-user-defined": "cp1252",
    "windows-874": "cp874",
}
_OF_PYTHON = {
    "ascii": "cp1252",
    "latin_1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "tis_620": "cp874",
    "iso8859_11": "cp874",
    "iso8859_9": "cp1254",
    "euc_jp": "euc-jp",
    "mbcs": "cp1252",
    **dict.fromkeys(("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext"), "iso-2022-jp"),
    "iso2022_jp_2004": "iso-2022-jp",
    "iso2022_kr": "iso-2022-kr",
}
# Codecs that make no text of octets, or that hide ASCII from every scanner on the way.
_NO_TEXT = frozenset(
    [
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "quopri_codec",
        "rot_13",
        "uu_codec",
        "zlib_codec",
        "cp037",
        "cp1026",
        "cp1140",
        "cp273",
        "cp424",
        "cp500",
    ]
)
_NAMED_ALIKE = [
    "cp720",
    "cp737",
    "cp856",
    "cp874",
    "cp1006",
    "koi8_t",
    "koi8_u",
    "mac_croatian",
    "mac_farsi",
    "mac_romanian",
    "mac_arabic",
]
_OTHERS = {
    **dict.fromkeys(("cp50220", "cp50221", "cp50222", "iso-2022-jp-ms", "x-windows-iso2022jp"), "iso-2022-jp"),
    **dict.fromkeys(("iso-2022-kr", "csiso2022kr"), "iso-2022-kr"),
    **dict.fromkeys(("iso-2022-cn", "iso-2022-cn-ext"), "iso-2022-cn"),
    **dict.fromkeys(("hz", "hz-gb-2312"), "hz"),
    **dict.fromkeys(("eucjp-ms", "eucjp-win", "eucjp", "x-euc"), "euc-jp"),
    **dict.fromkeys(("sjis-win", "cp943", "ibm943", "x-ms-cp932", "mskanji"), "cp932"),
    **dict.fromkeys(("x-windows-949", "uhc", "ms949"), "cp949"),
    **dict.fromkeys(("x-gbk", "cp936", "ms936", "windows-936", "cp54936", "gb-18030"), "gb18030"),
    **dict.fromkeys(("cp950", "windows-950", "x-windows-950", "big5-eten"), "big5hkscs"),
    **dict.fromkeys(
        ("utf8mb4", "utf8mb3", "utf-8-sig", "utf-8-mac", "cesu-8", "unicode-1-1-utf-8", "cp65001"), "utf-8"
    ),
    **dict.fromkeys(("utf-7", "unicode-1-1-utf-7", "csunicode11utf7", "cp65000", "utf-7-imap"), "utf-7"),
    **dict.fromkeys(("ansi", "x-ansi", "windows-latin1", "latin1-ms"), "cp1252"),
    **dict.fromkeys(("utf-16", "ucs-2", "unicode", "iso-10646-ucs-2"), "utf-16"),
    **dict.fromkeys(("ucs-4", "iso-10646-ucs-4"), "utf-32"),
}
_OWN: Mapping[str, Callable[[bytes], str]] = {
    "iso-2022-jp": decode_japanese,
    "iso-2022-kr": decode_korean,
    "iso-2022-cn": decode_chinese,
    "euc-jp": decode_euc_jp,
}


def codec_of(label: str) -> str:
    """The name of the codec that a label means, "" if it means none. It is Python's or one of ours."""
    exact: str = LABELS.get(label.strip(" \t\r\n\f\"'").lower(), "replacement")
    if exact != "replacement":
        return _OF_WHATWG.get(exact, exact)
    return _labels().get(_squashed(label[:_MAX_LABEL]), "")


def decode(octets: bytes, label: str = "", fallback: str = "") -> str:
    """Octets as text by a label. What has none that is known is UTF-8, or else of the charset `fallback`, or guessed.

    Of an octet that is wrong one character becomes U+FFFD. A text may be UTF-8 although it is called ASCII or Latin-1.
    """
    if octets.isascii() and b"\x1b" not in octets and (codec_of(label) in _LIKE_ASCII):
        return octets.decode("ascii")
    return _without_surrogates(_decode(octets, codec_of(label), codec_of(fallback)))


def is_of_a_script(label: str) -> bool:
    """Whether a label says more of raw octets elsewhere than that they might be anything."""
    codec = codec_of(label)
    return bool(codec) and codec not in _LIKE_ASCII and not codec.startswith("utf-")


def is_plain(octets: bytes) -> bool:
    """Whether octets are ASCII, and no escape of Japanese is among them."""
    return octets.isascii() and _JAPANESE_ESCAPE not in octets


def guess_charset(octets: bytes) -> str:
    """What octets outside ASCII that have no label are in, "" if that is UTF-8 or nothing that is likely."""
    if octets.isascii():
        return "iso-2022-jp" if _JAPANESE_ESCAPE in octets else ""
    return "" if _is_utf8_spoilt(octets, 4) else guess(octets[:_SAMPLE])


def meta_charset(html: bytes) -> str:
    """The label in an HTML document's `<meta>`, "" if it has none."""
    found = _META.search(html[:_META_WITHIN])
    label = found[1].decode("ascii", "replace") if found else ""
    return "" if codec_of(label).startswith("utf-16") else label  # it could not be read if it were


_LIKE_ASCII = frozenset(("", "utf-8", "windows-1252", "cp1252"))


def _decode(octets: bytes, codec: str, fallback: str) -> str:
    # A piece of a header (it has a fallback) begins with no mark: two octets would hide it from who decides by it.
    marked = "" if fallback else next((name for mark, name in _BOMS if octets.startswith(mark)), "")
    if marked and (codec in _LIKE_ASCII or codec.startswith(marked)):
        return octets.decode("utf-8-sig" if marked == "utf-8" else marked, "replace")
    if codec in _LIKE_ASCII:
        return _unsure(octets, codec, fallback)
    try:
        return _exactly(octets, codec)
    except ValueError:
        return _spoilt(octets, codec)


def _exactly(octets: bytes, codec: str) -> str:
    own = _OWN.get(codec)
    return own(octets) if own else octets.decode(codec)


def _spoilt(octets: bytes, codec: str) -> str:
    """A text that is not whole, or not in its charset: UTF-8, if it is that, or else what can be read of it."""
    if codec.startswith(("utf-16", "utf-32")) and b"\0" in octets:
        return octets.decode(codec, "replace")  # ASCII in wide characters would pass for UTF-8
    for other in ("utf-8", "cp950") if codec == "big5hkscs" else ("utf-8",):
        try:
            return octets.decode(other)
        except UnicodeDecodeError:
            continue
    return octets.decode(codec, "replace")


def _unsure(octets: bytes, codec: str, fallback: str) -> str:
    """A text that calls itself UTF-8, ASCII, Latin-1 or nothing that is known: all these are said of anything."""
    try:
        is_japanese = _JAPANESE_ESCAPE in octets and octets.isascii()
        return decode_japanese(octets) if is_japanese else octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if _is_utf8_spoilt(octets, 2 if codec == "utf-8" else 4):
        return octets.decode("utf-8", "replace")
    if codec in ("windows-1252", "cp1252") and not fallback:
        fallback = "cp1252"
    return _decode_guessed(octets, fallback or guess(octets[:_SAMPLE]))


def _decode_guessed(octets: bytes, codec: str) -> str:
    own = _OWN.get(codec)
    return own(octets) if own else octets.decode("cp1252" if codec in ("", "utf-8") else codec, "replace")


def _is_utf8_spoilt(octets: bytes, share: int) -> bool:
    """Whether this was UTF-8 before somebody cut characters in two: no more than one part in `share` is not."""
    whole = sum(map(len, _UTF8_CHARACTERS.findall(octets)))
    broken = sum(map(len, _HIGH.findall(octets))) - whole
    cut = _UTF8_CUT.search(octets)
    return broken * share <= whole or (cut is not None and broken == len(cut[0]))


@cache
def _labels() -> dict[str, str]:
    """Labels in their plainest form: IANA's and Python's aliases, Windows' names, and those of the wild."""
    known: dict[str, str] = {}
    for alias, codec in encodings.aliases.aliases.items():
        if codec not in _NO_TEXT:
            known[_squashed(alias)] = known[_squashed(codec)] = _OF_PYTHON.get(codec, codec)
    known |= {_squashed(name): name for name in _NAMED_ALIKE}
    for label, encoding in LABELS.items():
        if encoding != "replacement":
            known[_squashed(label)] = _OF_WHATWG.get(encoding, encoding)
    known |= {f"windows{page}": f"cp{page}" for page in range(1250, 1259)}
    known |= {f"latin{number}": name for number, name in ((9, "iso8859-15"), (10, "iso8859-16"), (7, "iso8859-13"))}
    return known | {_squashed(label): codec for label, codec in _OTHERS.items()}


def _squashed(label: str) -> str:
    """A label without what people write differently: case, punctuation, `x-` and `cs` in front."""
    plain = re.sub(r"[^a-z0-9]+", "", label.lower().removeprefix("x-"))
    return plain.removeprefix("cs") if plain.startswith(("cswindows", "csiso", "csibm", "cskoi")) else plain


def _without_surrogates(text: str) -> str:
    # UTF-7 and UTF-16 can smuggle lone surrogates in, which no output can encode.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
