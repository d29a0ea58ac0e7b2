"""Letters: what text looks like to a hurried reader, and which characters in it they do not see at all."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# What Unicode's decompositions leave and people read as these letters (the part of UTS 39's table that domain names
# can hold: letters that look so in lower case), and digits that stand for letters.
_READ_AS = {
    "a": "ɑаα4@", "b": "вьƅъ8", "c": "сϲςцᴄ", "d": "ԁđɗ", "e": "еεєҽɛз3", "f": "ƒғſϝ", "g": "ɡցǥ9", "h": "һհħнʜ",
    "j": "јյϳ", "k": "кκĸқ", "l": "1iıіι|ӏłɩլʟǀ", "m": "мʍ", "n": "ոηпռŋɴ", "o": "0оοօσøөә", "p": "рρþ",
    "q": "ԛզգ", "r": "гʀ", "s": "ѕꜱ5ș", "t": "тτŧ7", "u": "υսц", "v": "νѵᴠ", "w": "ԝωшɯա", "x": "хχ", "y": "уγүʏ",
    "z": "ᴢʐ2",
}  # fmt: skip
_LETTERS = {ord(other): letter for letter, others in _READ_AS.items() for other in others}
_SIMILAR = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("æ", "ae"), ("œ", "oe"))

_TURNING = "\u202a-\u202e\u2066-\u2069"
_MARKS = "\u200e\u200f\u061c"
_JOINERS = "\u200c\u200d"
_UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u2060-\u2065\u206a-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
)
_TURNS = re.compile(f"[{_TURNING}]")
_CONCEALS = re.compile(f"[{_UNSEEN}]")
_PLAIN_LETTER = "[A-Za-z0-9.@\u00c0-\u052f]"
# Joiners belong to Arabic, to Indic scripts and to emoji, marks of direction to Hebrew and Arabic; not between these.
_MISPLACED = re.compile(f"(?<={_PLAIN_LETTER})[{_JOINERS}{_MARKS}]+(?={_PLAIN_LETTER})")
_ALL = re.compile(f"[{_TURNING}{_MARKS}{_JOINERS}{_UNSEEN}\ufe00-\ufe0f]")


def turns_text(text: str) -> bool:
    """Whether there are characters that make text be shown in another order than it is written."""
    return bool(_TURNS.search(text))


def conceals(text: str) -> bool:
    """Whether there are characters that nobody can see, where no script needs them."""
    return bool(_CONCEALS.search(text) or _MISPLACED.search(text))


def plain(text: str) -> str:
    """The text without characters that cannot be seen, and with its letters and dots in their usual form."""
    return unicodedata.normalize("NFKC", _ALL.sub("", text)).replace("。", ".")


@lru_cache(maxsize=16384)
def skeleton(text: str) -> str:
    """The letters that a hurried reader sees: two texts with one skeleton can be taken for each other."""
    bare = unicodedata.normalize("NFD", plain(text).casefold())
    letters = "".join(each for each in bare if unicodedata.category(each) != "Mn" and each not in "-_")
    letters = letters.translate(_LETTERS)
    for pair, letter in _PAIRS:
        letters = letters.replace(pair, letter)
    return letters


def imitates_latin(label: str) -> bool:
    """Whether letters of other scripts stand among Latin ones, or look like these throughout, as no word does."""
    others = [each for each in label if not each.isascii() and unicodedata.name(each, "").split(" ")[0] in _SIMILAR]
    if not others:
        return False
    return any("LATIN" in unicodedata.name(each, "") for each in label) or skeleton(label).isascii()
