"""Which charset octets are in that say nothing of it: from what the letters of a language look like in it.

It is asked last, where a text has no label that is known and is no UTF-8; and it may say that it does not know.
(charset-normalizer 3.5 takes six of these ten languages for another one where they are a subject or a file's name.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_ENOUGH = 0.3  # of a score that reaches from -1 to 1
_UNLIKELY = 0.3  # taken from the Latin ones where words have hardly any ASCII
_PAIRS = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_RUNS = re.compile(rb"[\x80-\xff]+")
_LETTERS = re.compile(rb"[A-Za-z\x80-\xff]+")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fc]")
_WIDE = re.compile("[^\x00-\x7f]")


@dataclass(frozen=True)
class _Language:
    """A language's letters outside ASCII, from the frequent to the rare, and how much of a word they make."""

    codec: str
    letters: str
    is_latin: bool = False


_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґђјљњћџў"
_GREEK = "αοιετσνηυρπκμλςωδγχθφβξζψάέήίόύώϊϋΐΰ"
_HEBREW = "יוהלאתרמבשנעדקפחםגכטצזןסךףץ"
_ARABIC = "اليمنرتبودعسفحكةقهجصشطخىضءذزأغثظإئؤآپچژگ،؟ـ"
_THAI = "านรอกเงมยลวดทสตะปบคหแจพชขใไโผซถภธศณฐษฎฏญฬ\u0e31\u0e34\u0e35\u0e37\u0e38\u0e39\u0e48\u0e49\u0e47\u0e4c"
_WESTERN = "éèäöüàßçñóíáêåøæãõôâîúëïûìÄÖÜÉÑÅØÆÇÀÓÁ€’‘“”–—…«»°§"
_CENTRAL = "áéíóöüěščřžýůúłąęśćżźńőűăîâşţťďňđ€’‘“”„–—…ŠČŘŽŁŚŻ"
_TURKISH = "ıüşğöçİŞĞÜÖÇâî€’“”–…"
_LANGUAGES = (
    _Language("koi8-u", _RUSSIAN),
    _Language("cp1251", _RUSSIAN),
    _Language("cp866", _RUSSIAN),
    _Language("iso8859-5", _RUSSIAN),
    _Language("cp1253", _GREEK),
    _Language("cp1255", _HEBREW),
    _Language("cp1256", _ARABIC),
    _Language("cp874", _THAI),
    _Language("cp1252", _WESTERN, is_latin=True),
    _Language("cp1254", _TURKISH, is_latin=True),
    _Language("cp1250", _CENTRAL, is_latin=True),
    _Language("iso8859-2", _CENTRAL, is_latin=True),
)


def guess(octets: bytes) -> str:
    """The codec that octets outside ASCII are most likely in, "" if none is likely; of some thousands of them."""
    octets = octets[: octets.rfind(b"\n") + 1 or None] if len(octets) > 4096 else octets
    if wide := _wide(octets):
        return wide
    mostly_ascii = _is_mostly_ascii(octets)
    candidates = [each for each in _LANGUAGES if each.is_latin or not mostly_ascii]
    scores = [_score(octets, each) - (0 if mostly_ascii else each.is_latin * _UNLIKELY) for each in candidates]
    best = max(scores)
    return candidates[scores.index(best)].codec if best >= _ENOUGH else ""


def _is_mostly_ascii(octets: bytes) -> bool:
    """Whether words are of ASCII with some other letters in them, rather than of other letters."""
    words = [word for word in _LETTERS.findall(octets) if not word.isascii()]
    high = sum(map(len, _RUNS.findall(b" ".join(words))))
    return high * 5 <= 3 * sum(map(len, words)) or all(len(word) <= 1 for word in words)


def _wide(octets: bytes) -> str:
    """Pairs of octets: Japanese by its kana, Korean and Chinese by the rows of their frequent characters; or ""."""
    for codec in ("cp932", "euc_jp"):
        text = _strict(octets, codec)
        wide = len(_WIDE.findall(text))
        if wide >= 2 and len(_KANA.findall(text)) * 5 >= wide:
            return codec.replace("_", "-")
    pairs = _PAIRS.findall(octets)
    if len(pairs) < 4 or sum(map(len, _RUNS.findall(octets))) < len(pairs):
        return ""
    for codec, first, last, share in (
        ("cp949", 0xB0, 0xC8, 0.93),
        ("gb18030", 0xB0, 0xD7, 0.8),
        ("big5hkscs", 0xA4, 0xC6, 0.8),
    ):
        if _strict(octets, codec) and _frequent(pairs, first, last) >= share:
            return codec
    return ""


def _frequent(pairs: list[bytes], first: int, last: int) -> float:
    """The share of pairs, signs not counted, in the rows that have the frequent characters."""
    signs = range(0xA1, 0xA4)
    letters = [pair for pair in pairs if pair[0] not in signs]
    found = sum(first <= pair[0] <= last and (last == 0xC6 or pair[1] >= 0xA1) for pair in letters)
    return found / len(letters) if len(letters) >= 3 else 0.0


def _strict(octets: bytes, codec: str) -> str:
    try:
        return octets.decode(codec)
    except UnicodeDecodeError as error:
        # What was cut to its sample may end within a character.
        return octets[: error.start].decode(codec, "ignore") if error.start >= len(octets) - 3 > 64 else ""


def _score(octets: bytes, language: _Language) -> float:
    """How much a reading looks like its language: 1 if its letters are frequent ones, less for rare and odd ones."""
    text = octets.decode(language.codec, "replace")
    high = [character for character in text if character > "\x7f"]
    if not high:
        return 0.0
    worth = _worth(language)
    unknown = -0.5 if language.is_latin else -1.0
    return (sum(worth.get(character, unknown) for character in high) - _case_turns(text)) / len(high)


def _worth(language: _Language) -> dict[str, float]:
    """What each letter counts, capitals less: most letters are small ones."""
    size = len(language.letters)
    small = {letter: 1.0 - 0.8 * place / size for place, letter in enumerate(language.letters)}
    return {letter.upper(): 0.9 * value for letter, value in small.items()} | small


def _case_turns(text: str) -> float:
    """How often a capital follows a small letter within a word, which no language does."""
    return sum(this.islower() and then.isupper() for this, then in pairwise(text) if this > "\x7f" or then > "\x7f")
