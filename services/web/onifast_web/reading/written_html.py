"""HTML that a user wrote or pasted, made fit to be sent: what an editor makes of words, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

import nh3
from onifast_shared.message.html_text import to_quotable

from onifast_web.reading.markup import rewritten
from onifast_web.reading.render import linkify
from onifast_web.reading.safe_html import fits, sanitise


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _words(
    "a b blockquote br code col colgroup div em font h1 h2 h3 h4 h5 h6 hr i img ins li ol p pre s small span strike"
    " strong sub sup table tbody td tfoot th thead tr u ul"
)
_DROPPED_WITH_CONTENT = _words(
    "applet audio canvas embed iframe math noscript object script select style svg template textarea title video"
)
_BOX = {"align", "bgcolor", "height", "valign", "width"}
_ATTRIBUTES = {
    "*": {"dir", "lang", "style"},
    "a": {"href"},
    "blockquote": {"type"},
    "font": {"color", "face", "size"},
    "img": {"alt", "height", "src", "width"},
    "ol": {"start", "type"},
    "table": {*_BOX, "border", "cellpadding", "cellspacing"},
    "td": {*_BOX, "colspan", "rowspan"},
    "th": {*_BOX, "colspan", "rowspan", "scope"},
    "tr": {"align", "bgcolor", "valign"},
}
_STYLES = {
    *("background-color", "border", "border-collapse", "border-left", "color", "direction", "font-family", "font-size"),
    *("font-style", "font-weight", "height", "margin", "margin-left", "max-width", "padding", "padding-left"),
    *("text-align", "text-decoration", "vertical-align", "white-space", "width"),
}
_CONTENT_ID = re.compile(r"cid:([a-z0-9]{8,64}@[a-z0-9.-]{1,64})", re.IGNORECASE)


@dataclass(frozen=True)
class WrittenHtml:
    """What is sent: its HTML, the same as text, and the Content-IDs of the images that it shows."""

    html: str
    content_ids: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """For readers without HTML."""
        return to_quotable(self.html)


def clean(source: str) -> WrittenHtml:
    """What of this HTML may be sent; HTML that is too large to be looked at becomes text."""
    if not fits(source):
        return WrittenHtml(f"<div>{escape(to_quotable(source)[:100_000])}</div>")
    plain = nh3.clean(
        source,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel=None,
    )
    inline = {f"cid:{name}": f"cid:{name}" for name in _CONTENT_ID.findall(plain)}
    safe = sanitise(plain, images=True, inline=inline, scope="written")
    return WrittenHtml(
        rewritten(safe.html, _AsWritten()), frozenset(name.removeprefix("cid:") for name in safe.embedded)
    )


class _AsWritten:
    """Takes what links are given for those who read here from them (an ElementRewriter)."""

    def start(self, tag: str, attributes: dict[str, str]) -> dict[str, str]:  # noqa: ARG002
        return {name: value for name, value in attributes.items() if name not in ("title", "rel", "target")}

    def text(self, text: str) -> None:
        pass

    def end(self, tag: str) -> str:  # noqa: ARG002
        return ""


def of_text(text: str) -> str:
    """Lines of plain text as an editor has them."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "".join(f"<div>{linkify(line) or '<br>'}</div>" for line in lines)
