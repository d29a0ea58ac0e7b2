"""Which texts of a template people see without their being written for gettext (docs/translating.md).

A template is taken apart into what Jinja computes, HTML's tags, and text. What stands between tags, in attributes that
are shown or read aloud, and in Jinja's strings that look like words, must be in `_()` or `{% trans %}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SHOWN_ATTRIBUTES = (
    "title",
    "aria-label",
    "placeholder",
    "alt",
    "label",
    "aria-description",
    "data-label",
    "data-confirm",
)
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_TAG_START = re.compile(r"<(?=[a-zA-Z/!])")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_ATTRIBUTE = re.compile(rf'(?<![\w-])({"|".join(SHOWN_ATTRIBUTES)})="', re.IGNORECASE)
_ATTRIBUTE_BLOCK = re.compile(r"\{% block \w+_attributes %\}.*?\{% endblock %\}|aria-invalid=.*?-error\"")
_UNSEEN = re.compile(r"<(script|style|svg|code|kbd|samp|pre)\b", re.IGNORECASE)
# Names that are the same in every language.
_NAMES = re.compile(r"\b(Onifast|Mail|UTC|DKIM|SPF|DMARC|API|URL|TLS|MX|PDF|HTML|DNS|ID|KiB|MiB|GiB|ms|QR|TOTP|IMAP)\b")


@dataclass(frozen=True)
class Token:
    """A piece of a template: `text`, `tag`, `expression` (`{{ }}`), `statement` (`{% %}`) or `comment`."""

    kind: str
    text: str
    start: int


def tokens(source: str) -> list[Token]:
    """A template, taken apart; put together again it is what it was."""
    found, position, begun = [], 0, 0
    while position < len(source):
        jinja = _JINJA.match(source, position)
        if jinja:
            if begun < position:
                found.append(Token("text", source[begun:position], begun))
            kinds = {"{{": "expression", "{%": "statement", "{#": "comment"}
            found.append(Token(kinds[source[position : position + 2]], jinja[0], position))
            position = begun = jinja.end()
        elif _TAG_START.match(source, position):
            if begun < position:
                found.append(Token("text", source[begun:position], begun))
            end = _tag_end(source, position)
            found.append(Token("tag", source[position:end], position))
            position = begun = end
        else:
            position += 1
    if begun < position:
        found.append(Token("text", source[begun:position], begun))
    return found


def plain(source: str) -> Iterator[tuple[int, str]]:
    """The lines, and the texts there, that are not written for gettext."""
    in_trans, hidden = False, ""
    for token in tokens(_ATTRIBUTE_BLOCK.sub(_blank, source)):
        line = source.count("\n", 0, token.start) + 1
        if token.kind == "statement":
            name = re.sub(r"^\{%-?\s*", "", token.text).split()[0]
            in_trans = name == "trans" or (in_trans and name != "endtrans")
            yield from ((line, text) for text in _strings(token.text) if name != "trans" or text[0].isupper())
        elif token.kind == "expression":
            yield from ((line, text) for text in _strings(token.text))
        elif token.kind == "tag":
            hidden = _hidden_after(token.text, hidden)
            if not in_trans:
                yield from ((line, text) for text in _attributes(token.text))
        elif token.kind == "text" and not in_trans and not hidden and _is_words(token.text):
            yield line, " ".join(token.text.split())


def _blank(match: re.Match[str]) -> str:
    """As many lines, with nothing on them."""
    return "\n" * match[0].count("\n")


def _hidden_after(tag: str, hidden: str) -> str:
    if hidden:
        return "" if tag.lower().startswith(f"</{hidden}") else hidden
    match = _UNSEEN.match(tag)
    return match[1].lower() if match and not tag.endswith("/>") else ""


def _attributes(tag: str) -> Iterator[str]:
    for name in _ATTRIBUTE.finditer(tag):
        value = _attribute_value(tag, name.end())
        bare = re.sub(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", "", value, flags=re.DOTALL)
        if _is_words(_JINJA.sub(" ", bare)):
            yield value
    for jinja in _JINJA.finditer(tag):
        yield from _strings(jinja[0])


def _attribute_value(tag: str, start: int) -> str:
    position = start
    while position < len(tag) and tag[position] != '"':
        jinja = _JINJA.match(tag, position)
        position = jinja.end() if jinja else position + 1
    return tag[start:position]


def _strings(jinja: str) -> Iterator[str]:
    """Jinja's strings that look like words: they begin with a capital, or have a blank between words."""
    without = re.sub(
        r"""(?<![\w.])(?:_|n?gettext|pgettext)\(\s*("[^"]*"|'[^']*')(\s*,\s*("[^"]*"|'[^']*'))?""", "", jinja
    )
    for match in re.finditer(r""""([^"]*)"|'([^']*)'""", without):
        text = match[1] if match[1] is not None else match[2]
        before = without[: match.start()].rstrip()
        if before.endswith(("==", "!=", "url_for(", "in (", "asset(", "include", "extends", "from", "import")):
            continue
        if re.match(r"[A-Z][a-z]", text) or re.search(r"[a-z] [a-z]", text):
            yield text


def _tag_end(source: str, start: int) -> int:
    """Where a tag ends, for `>` in Jinja or in an attribute does not end it."""
    if source.startswith("<!--", start):
        return source.index("-->", start) + 3
    position, quote = start + 1, ""
    while position < len(source):
        jinja = _JINJA.match(source, position)
        if jinja:
            position = jinja.end()
            continue
        letter = source[position]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == ">":
            return position + 1
        position += 1
    return position


def _is_words(text: str) -> bool:
    without = _NAMES.sub("", re.sub(r"&#?\w+;", " ", text))
    return bool(_LETTERS.search(without))
