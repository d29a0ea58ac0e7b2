"""HTML of strangers, made safe to show: nothing of it runs, submits, or loads what its reader does not want."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape

import nh3
from onifast_shared.message.html_text import to_text
from onifast_shared.values.address import display_domain

from onifast_web.reading import link_targets, page_parts, tag_sizes, trackers
from onifast_web.reading.css_selectors import prefixed
from onifast_web.reading.link_targets import LyingLink
from onifast_web.reading.markup import rewritten, with_values
from onifast_web.reading.page_parts import HtmlParts
from onifast_web.reading.remote_images import ImageGate, absolute
from onifast_web.reading.render import MAX_TEXT, text_to_html
from onifast_web.reading.style_sheets import StyleFilter

# A larger body is shown as text: a browser would choke on it, and the sanitiser would hold a thread for seconds.
MAX_HTML = 4 * 1024 * 1024
# So is one of more tags: where they lie in each other, the sanitiser takes quadratic time in their number.
MAX_TAGS = 20_000
# And so is one where more characters would be moved: the sanitiser writes each `&` and each non-breaking space as a
# reference, and moves all of the text that follows it.
MAX_MOVED = 100_000_000_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _words(
    "a abbr address article b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em"
    " figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark ol p pre q s samp section"
    " small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
_DROPPED_WITH_CONTENT = _words(
    "applet audio canvas embed form iframe math noscript object script select style svg template textarea title video"
)
_BOX = {"align", "background", "bgcolor", "height", "valign", "width"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"class", "dir", "id", "lang", "style", "title"},
    "a": {"href", "name"},
    "blockquote": {"type"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "div": {"align"},
    "font": {"color", "face", "size"},
    "h1": {"align"},
    "h2": {"align"},
    "h3": {"align"},
    "hr": {"align", "color", "noshade", "size", "width"},
    "img": {"align", "alt", "border", "height", "hspace", "src", "vspace", "width"},
    "ol": {"start", "type"},
    "p": {"align"},
    "table": {*_BOX, "border", "cellpadding", "cellspacing", "role", "summary"},
    "tbody": {"align", "valign"},
    "td": {*_BOX, "colspan", "nowrap", "rowspan"},
    "th": {*_BOX, "colspan", "nowrap", "rowspan", "scope"},
    "thead": {"align", "valign"},
    "tr": {"align", "background", "bgcolor", "valign"},
    "ul": {"type"},
}
_OF_ROOT = ("class", "dir", "id", "lang", "style")
_OF_BODY = (*_OF_ROOT, "bgcolor", "background", "text", "link")
_COLOURS = ("bgcolor", "background", "color", "text")
_LINK_SCHEMES = ("http:", "https:", "mailto:", "tel:")
_MOST_LIES = 50
_COLOUR = re.compile(r"#?[A-Za-z0-9]{3,20}")
_FRAGMENT = re.compile(r"#[^\s\"'<>&]{1,200}")
# Whatever the message's own style says: set on the element itself, and important, it cannot be undone by a style sheet.
_TOLD = (
    "display:inline !important;visibility:visible !important;opacity:1 !important;font:12px sans-serif !important;"
    "background:#fff3c4 !important;color:#5c3d00 !important;padding:0 4px !important;white-space:normal !important"
)


@dataclass(frozen=True)
class SafeHtml:
    """A message's HTML made safe: what stands in the body, its style sheets, and the attributes of root and body.

    `blocked_images` from elsewhere were left out, and `trackers` too; `loaded` has the URLs of those that were not.
    It is `coloured` where it sets colours of its own, and `adapts` where it knows dark pages. `schemes` is what it says
    itself that it is made for, and `lies` are links whose text names another domain than theirs.
    """

    html: str
    blocked_images: int = 0
    embedded: frozenset[str] = frozenset()
    css: str = ""
    root: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)
    trackers: int = 0
    loaded: tuple[str, ...] = ()
    coloured: bool = False
    adapts: bool = False
    schemes: str = ""
    is_strict: bool = True
    lies: tuple[LyingLink, ...] = ()

    @property
    def needs_page(self) -> bool:
        """Whether it looks otherwise without its style sheets and its body's attributes."""
        return bool(self.css or {"style", "bgcolor", "dir"} & self.body.keys())

    def root_attributes(self, own_classes: str) -> str:
        """Those of the root, as they stand in its tag, with classes of the page itself."""
        return with_values(self.root | {"class": f"{own_classes} {self.root.get('class', '')}".strip()})

    @property
    def body_attributes(self) -> str:
        """Those of the body, as they stand in its tag."""
        return with_values(self.body)

    def fragment(self, scope: str) -> str:
        """What shows it in another page, whose rules match within this class alone; made with the same `scope`."""
        if not self.needs_page:
            return self.html
        sheet = f"<style>{self.css}</style>" if self.css else ""
        body = {name: value for name, value in self.body.items() if name in ("dir", "id", "lang")}
        body["class"] = f"{scope} {self.body.get('class', '')}".strip()
        ground = self.body.get("bgcolor", "")
        styles = (f"background-color:{ground}" if _COLOUR.fullmatch(ground) else "", self.body.get("style", ""))
        if style := ";".join(filter(None, styles)):
            body["style"] = style
        return f"{sheet}<div{with_values(body)}>{self.html}</div>"


def sanitise(
    source: str,
    *,
    images: bool = False,
    inline: Mapping[str, str] | None = None,
    remote: Callable[[str], str] | None = None,
    scope: str = "",
    is_light: bool = False,
) -> SafeHtml:
    """The parts of HTML that cannot run, load, submit or cover anything.

    Images from elsewhere are left out unless `images`, and loaded by the URL that `remote` gives for theirs; those that
    the message brings along become the URIs that `inline` gives for their reference (see `embedding`). Rules for dark
    pages are left out where it `is_light`. HTML that does not `fit` is shown as text, in part if need be.
    """
    if not fits(source):
        return SafeHtml(text_to_html(to_text(source)[:MAX_TEXT]))
    gate = ImageGate(inline or {}, (remote or str) if images else None)
    message = _Message(gate, StyleFilter(gate.of, scope=scope, is_light=is_light), scope)
    parts = page_parts.read(source, _DROPPED_WITH_CONTENT)
    clean = nh3.clean(
        source,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel=None,
    )
    return message.made(rewritten(clean, message), parts)


def _in_words(attributes: Mapping[str, str]) -> str:
    """What stands in the place of an image that is not loaded: its words, and no hole.

    Not an `img` with them: browsers put the mark of a broken image beside the words, and no style takes it away.
    """
    words = attributes.get("alt", "").strip()
    if not words:
        return ""
    place = f' id="{escape(prefixed(attributes["id"].strip()))}"' if attributes.get("id", "").strip() else ""
    return f'<span{place} class="no-image">{escape(words)}</span>'


def fits(html: str) -> bool:
    """Whether HTML can be sanitised and shown as such."""
    if len(html) > MAX_HTML or html.count("<") > MAX_TAGS or tag_sizes.has_huge_tag(html):
        return False
    return sum(map(html.count, "&\xa0")) * len(html) <= MAX_MOVED


class _Message:
    """Decides about each element of a message (an ElementRewriter)."""

    def __init__(self, gate: ImageGate, styles: StyleFilter, scope: str) -> None:
        self._gate = gate
        self._styles = styles
        self._scope = scope
        self._coloured = False
        self._lies: list[LyingLink] = []
        self._link = ""
        self._words: list[str] = []
        self._room = 0

    def made(self, html: str, parts: HtmlParts) -> SafeHtml:
        """The message, once all elements are known."""
        css = "".join(self._styles.sheet(each.css, each.media) for each in parts.sheets)
        root, body = self._of_page(parts.root, _OF_ROOT), self._of_page(parts.body, _OF_BODY)
        return SafeHtml(
            html,
            len(self._gate.blocked),
            frozenset(self._gate.embedded),
            css if "</" not in css else "",  # never: every character that could begin a tag is written as an escape
            root,
            body,
            trackers=len(self._gate.trackers),
            loaded=tuple(self._gate.loaded),
            coloured=self._coloured or self._styles.coloured,
            adapts=self._styles.adapts,
            schemes=parts.schemes,
            is_strict=parts.is_strict,
            lies=tuple(dict.fromkeys(self._lies)),
        )

    def start(self, tag: str, attributes: dict[str, str]) -> dict[str, str] | str:
        if tag == "img":
            is_seen = self._image(attributes)
            if "src" not in attributes:
                return _in_words(attributes) if is_seen else ""
        if tag == "a":
            self._anchor(attributes)
        return self._filtered(attributes)

    def text(self, text: str) -> None:
        if self._link and self._room > 0:
            self._words.append(text)
            self._room -= len(text)

    def end(self, tag: str) -> str:
        if tag != "a" or not self._link:
            return ""
        lie = link_targets.lie("".join(self._words), self._link)
        self._link = ""
        if lie and len(self._lies) < _MOST_LIES:
            self._lies.append(lie)
        domain = display_domain(lie.target) if lie and not self._scope else ""
        return f'<span style="{_TOLD}">leads to <bdi>{escape(domain)}</bdi></span>' if domain else ""

    def _of_page(self, attributes: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
        found = {name: attributes[name] for name in names if attributes.get(name, "").strip()}
        return self._filtered(found)

    def _filtered(self, attributes: dict[str, str]) -> dict[str, str]:
        """Attributes that any element may have."""
        self._coloured |= any(name in attributes for name in _COLOURS)
        if "style" in attributes:
            attributes["style"] = self._styles.attribute(attributes["style"])
        if "class" in attributes:
            attributes["class"] = " ".join(prefixed(name, self._scope) for name in attributes["class"].split()[:50])
        for name in ("id", "name"):
            if name in attributes:
                attributes[name] = prefixed(attributes[name].strip())
        if "background" in attributes:
            attributes["background"] = self._gate.of(attributes["background"])
        return {
            name: value for name, value in attributes.items() if value or name not in ("style", "class", "background")
        }

    def _image(self, attributes: dict[str, str]) -> bool:
        """Puts in what an image is loaded by; False for one that is there to be loaded, not to be seen."""
        source = attributes.pop("src", "")
        if shown := self._gate.of(source, is_tiny=trackers.is_tiny(attributes)):
            attributes["src"] = shown
        return absolute(source) not in self._gate.trackers

    def _anchor(self, attributes: dict[str, str]) -> None:
        href = attributes.pop("href", "").strip()
        self._link, self._words, self._room = "", [], link_targets.MAX_TEXT
        if _FRAGMENT.fullmatch(href):
            attributes |= {"href": f"#{prefixed(href[1:])}", "target": "_self"}
            return
        href = absolute(href) or href
        if not href.lower().startswith(_LINK_SCHEMES):
            return
        self._link = href
        attributes |= {
            "href": href,
            "target": "_blank",
            "rel": "noopener noreferrer nofollow",
            "title": link_targets.target_of(href),
        }
