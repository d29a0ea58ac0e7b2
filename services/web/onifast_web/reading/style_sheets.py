"""Style sheets and style attributes of strangers: parsed by tinycss2, filtered, and written anew.

Of at-rules `@media` stays; there is no `@import`, no font and no animation. All of it is bounded: what
comes after the bounds is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import tinycss2
from tinycss2.ast import AtRule, Declaration, Node, QualifiedRule

from onifast_web.reading import css_selectors, css_values
from onifast_web.reading.css_values import SafeDeclaration

MOST_CSS = 512 * 1024
"""Characters of a message's style sheets that are looked at; so many again of its style attributes."""

MOST_RULES = 5000
_DEEPEST = 3  # at-rules within each other
# Python makes no number of more than 4300 digits (sys.set_int_max_str_digits), and tinycss2 does not expect that.
_LONG_NUMBER = re.compile("([0-9]{1000})[0-9]+")

Image = Callable[[str], str]


class StyleFilter:
    """Filters all CSS of one message. `image_of` gives what a URL becomes, "" for an image that is not to be loaded.

    With a `scope`, a class, rules match within its elements alone. `is_light` takes out what is for dark pages.
    Afterwards `coloured` says whether it sets colours for any page, and `adapts` whether it knows dark pages.
    """

    def __init__(self, image_of: Image, *, scope: str = "", is_light: bool = False) -> None:
        self.coloured = False
        self.adapts = False
        self._image_of = image_of
        self._scope = scope
        self._is_light = is_light
        self._rules = MOST_RULES
        self._sheets = self._attributes = MOST_CSS
        self._known: dict[str, str] = {}

    def attribute(self, style: str) -> str:
        """A style attribute, filtered."""
        if style not in self._known:
            if len(style) > self._attributes:
                return ""
            self._attributes -= len(style)
            contents = tinycss2.parse_blocks_contents(_readable(style))
            self._known[style] = self._block(contents, self._image_of, in_dark=False)
        return self._known[style]

    def sheet(self, css: str, media: str = "") -> str:
        """A style element's text, filtered; `media` is its attribute."""
        css = _readable(css[: self._sheets])
        self._sheets -= len(css)
        nodes = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
        if not media.strip():
            return self._written(nodes, 0, in_dark=False)
        query = tinycss2.parse_component_value_list(_readable(media[:1000]), skip_comments=True)
        return self._media(query, nodes, 0, in_dark=False)

    def _written(self, nodes: list[Node], depth: int, *, in_dark: bool) -> str:
        return "".join(self._rule(node, depth, in_dark=in_dark) for node in nodes)

    def _rule(self, node: Node, depth: int, *, in_dark: bool) -> str:
        self._rules -= 1
        if self._rules < 0:
            return ""
        if isinstance(node, QualifiedRule):
            return self._qualified(node, in_dark=in_dark)
        if not isinstance(node, AtRule) or node.content is None or depth >= _DEEPEST:
            return ""
        if node.lower_at_keyword == "media":
            return self._media(node.prelude, _rules(node.content), depth, in_dark=in_dark)
        return ""

    def _media(self, prelude: list[Node], nodes: list[Node], depth: int, *, in_dark: bool) -> str:
        query = css_selectors.media(prelude)
        if query is None:
            return ""
        if query.scheme == "dark" and self._is_light:
            return ""
        inner = self._written(nodes, depth + 1, in_dark=in_dark or query.scheme == "dark")
        if inner and query.scheme == "dark":
            self.adapts = True
        return f"@media {query.text}{{{inner}}}\n" if inner else ""

    def _qualified(self, node: QualifiedRule, *, in_dark: bool) -> str:
        found = list(css_selectors.selectors(node.prelude, self._scope))
        if not found:
            return ""
        contents = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
        still = any(each.reacts for each in found)
        block = self._block(contents, _nothing if still else self._image_of, in_dark=in_dark)
        return f"{','.join(each.text for each in found)}{{{block}}}\n" if block else ""

    def _block(self, contents: list[Node], image_of: Image, *, in_dark: bool) -> str:
        kept = list(self._kept(contents, image_of))
        if not in_dark and any(each.colours for each in kept):
            self.coloured = True
        return ";".join(map(str, kept))

    def _kept(self, contents: list[Node], image_of: Image) -> Iterator[SafeDeclaration]:
        declarations = (node for node in contents if isinstance(node, Declaration))
        return filter(None, map(partial(css_values.declaration, image_of=image_of), declarations))


def _rules(content: list[Node]) -> list[Node]:
    return list(tinycss2.parse_rule_list(content, skip_comments=True, skip_whitespace=True))


def _readable(css: str) -> str:
    return _LONG_NUMBER.sub(r"\1", css)


def _nothing(_: str) -> str:
    return ""
