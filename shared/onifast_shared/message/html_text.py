"""HTML mail as readable plain text, for the text alternative, the snippet and the search index."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

_TAG_NAME = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9:]*)")
_ATTRIBUTE = re.compile(r"""\s(href|alt)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f\xa0\u200b\u200c\u034f\u00ad\ufeff]+")
_BREAKS = {"br": "\n", "hr": "\n---\n", "tr": "\n", "div": "\n", "li": "\n- ", "td": " ", "th": " "}
_PARAGRAPHS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre"),
    *("section", "article", "header", "footer", "address", "figure"),
}
_UNSEEN = {"script", "style", "title", "template", "textarea", "noscript", "svg"}
_SURELY = 4096  # characters of HTML that are not there for nothing
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_MAX_TAG = 4096  # characters of a tag that are looked at
_QUOTE_BEGINS, _QUOTE_ENDS = "\x0e", "\x0f"
_MARKS = re.compile("[\x0e\x0f]")
_DEEPEST = 20  # quotes within quotes that are told from each other
_LINKS = ("http://", "https://", "mailto:")


def to_text(source: str) -> str:
    """What a reader sees of `source`, line by line, with links' targets after their texts.

    Any text is taken, in time proportional to its length. (html.parser takes quadratic time on unclosed markup.)
    """
    reader = _Reader(source)
    while reader.step():
        pass
    return reader.text()


def shows_something(source: str) -> bool:
    """Whether a reader sees anything of `source`: a long one is not looked through."""
    if len(source) > _SURELY or "<img" in source.lower():
        return True
    return bool(source.strip()) and bool(to_text(source))


def to_quotable(source: str) -> str:
    """`to_text` for an answer: quotes within are marked by `>`, and what the reader does not see is left out."""
    reader = _Reader(source, marks_quotes=True)
    while reader.step():
        pass
    return reader.text()


class _Reader:
    """Walks over HTML from one `<` to the next."""

    def __init__(self, source: str, *, marks_quotes: bool = False) -> None:
        self._source = source
        self._marks_quotes = marks_quotes
        self._hidden_by = ""
        self._hidden_depth = 0
        self._position = 0
        self._out: list[str] = []
        self._link = ""
        self._link_start = 0
        self._at_line_start = True

    def step(self) -> bool:
        """Reads the text up to the next tag, and the tag; False at the end."""
        start = self._source.find("<", self._position)
        self._text(self._source[self._position : start if start >= 0 else None])
        if start < 0:
            return False
        name = _TAG_NAME.match(self._source, start + 1)
        if self._source.startswith("<!--", start):
            self._skip_past("-->", start + 4)
        elif name:
            self._tag(name[2].lower(), closing=bool(name[1]), start=start)
        elif self._source.startswith(("<!", "<?", "</"), start):
            self._skip_past(">", start)
        else:
            self._out.append("<")
            self._position = start + 1
        return True

    def text(self) -> str:
        lines = [line.strip() for line in "".join(self._out).split("\n")]
        if self._marks_quotes:
            lines = list(_with_marks(lines))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def _skip_past(self, mark: str, start: int) -> None:
        end = self._source.find(mark, start)
        self._position = end + len(mark) if end >= 0 else len(self._source)

    def _tag(self, name: str, *, closing: bool, start: int) -> None:
        self._skip_past(">", start)
        if self._hides(name, start, closing=closing):
            return
        if name in _UNSEEN and not closing:
            self._skip_element(name)
        elif name == "a":
            self._anchor(self._source[start : self._position], closing=closing)
        elif name == "img":
            self._text(_attribute(self._source[start : self._position], "alt"))
        elif name in _PARAGRAPHS:
            self._out.append("\n\n")
            self._at_line_start = True
            if name == "blockquote" and self._marks_quotes:
                self._out.append(f"{_QUOTE_ENDS if closing else _QUOTE_BEGINS}\n")
        elif name == "div" and self._at_line_start:
            return  # one that ends where the next one begins breaks the line once
        elif name in _BREAKS and not (closing and name in ("li", "td", "th")):
            self._out.append(_BREAKS[name])
            self._at_line_start = name != "li" and name not in ("td", "th")

    def _skip_element(self, name: str) -> None:
        end = re.compile(f"</{name}", re.IGNORECASE).search(self._source, self._position)
        self._position = end.start() if end else len(self._source)

    def _anchor(self, tag: str, *, closing: bool) -> None:
        if not closing:
            self._link, self._link_start = _attribute(tag, "href"), len(self._out)
            return
        if not self._link:
            return  # before the text is put together: thousands of closing tags may follow one opening
        shown = "".join(self._out[self._link_start :]).strip()
        if self._link.startswith(_LINKS) and self._link.removeprefix("mailto:") != shown:
            self._out.append(f" <{self._link}>" if shown else self._link)
        self._link = ""

    def _hides(self, name: str, start: int, *, closing: bool) -> bool:
        """Whether a tag stands in an element that is not shown, or begins one."""
        if self._hidden_by:
            if name == self._hidden_by:
                self._hidden_depth += -1 if closing or name == "p" else 1  # a paragraph ends where the next one begins
            if self._hidden_depth:
                return True
            self._hidden_by = ""
        if closing or not self._marks_quotes or name in _VOID:
            return False
        if not _HIDDEN.search(self._source, start, min(self._position, start + _MAX_TAG)):
            return False
        self._hidden_by, self._hidden_depth = name, 1
        return True

    def _text(self, raw: str) -> None:
        if raw and not self._hidden_by:
            text = _unescape(raw)
            self._at_line_start = self._at_line_start and not text.strip()
            self._out.append(_BLANKS.sub(" ", _MARKS.sub("", text) if self._marks_quotes else text))


def _with_marks(lines: Iterable[str]) -> Iterator[str]:
    """The lines, each with its depth of quotes before it, without those that tell where one begins or ends."""
    depth = 0
    for line in lines:
        if line in (_QUOTE_BEGINS, _QUOTE_ENDS):
            depth = max(depth + (1 if line == _QUOTE_BEGINS else -1), 0)
        else:
            yield f"{'>' * min(depth, _DEEPEST)} {line}".strip() if depth else line


def _attribute(tag: str, name: str) -> str:
    for match in _ATTRIBUTE.finditer(tag[:4096]):
        if match[1].lower() == name:
            return _unescape(match[2] or match[3] or match[4] or "").strip()
    return ""


def _unescape(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character reference with thousands of digits
        return text
