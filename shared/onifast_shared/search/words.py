"""Which words a text is found by: the same for what is indexed and for what is typed.

Case and accents make no difference. Words end where Unicode says (UAX 29). Japanese, Chinese, Thai and their like write
no spaces, so each of their characters is a word, and a word of theirs is looked for as a phrase.
"""

from __future__ import annotations

import re
import unicodedata

import apsw.unicode

FORM = f"1-{apsw.unicode.unicode_version}-{unicodedata.unidata_version}"
"""Changes with how words are made: what was indexed under another form has to be indexed anew."""

MOST_LETTERS = 64
"""Characters of a word that are looked at."""

# Katakana and Hangul, whose runs Unicode takes for one word each; of the others it parts the letters by itself.
_SOLID = re.compile("[\u30a0-\u30ff\u31f0-\u31ff\uac00-\ud7a3]")
# What joins letters to words: `don’t` is found by its parts, as `don't` is.
_JOINERS = re.compile("[\u00b7\u2018\u2019\u2027]")
_ACCENTS = re.compile("[\u0300-\u036f]")
# Whatever FTS5's tokenizer `ascii` takes for a word.
_WORD = re.compile("[a-z0-9\x80-\U0010ffff]+")


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    found = _WORD.findall(text.lower()) if text.isascii() else _segmented(folded(text))
    return [word[:MOST_LETTERS] for word in found]


def folded(text: str) -> str:
    """A text without differences of case, accents and width."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", apsw.unicode.casefold(text)))
    return unicodedata.normalize("NFKC", plain)


def _segmented(text: str) -> list[str]:
    apart = _SOLID.sub(r" \g<0> ", _JOINERS.sub(" ", text))
    # Unicode has `don't` and `example.org` for one word each: both are found by their parts.
    return [part for word in apsw.unicode.word_iter(apart) for part in _WORD.findall(word)]
