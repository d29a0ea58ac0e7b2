"""Text and HTML of messages, made safe to show. Pure: strings in, strings out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import nh3
from onifast_shared.message import embedding
from onifast_shared.message.html_text import to_text

# A larger body is shown as text: a browser would choke on it, and the sanitiser would hold a thread for seconds.
MAX_HTML = 4 * 1024 * 1024
# So is one of more tags: where they lie in each other, the sanitiser takes quadratic time in their number.
MAX_TAGS = 20_000
MAX_TEXT = 256 * 1024
"""Characters of text on a page, unless it is asked for all of it: of links alone, ten times as much HTML comes."""
FOLD_QUOTE_FROM_LINES = 4


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
_BOX = {"align", "bgcolor", "height", "valign", "width"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"dir", "lang", "style", "title"},
    "a": {"href"},
    "blockquote": {"cite", "type"},
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
    "tr": {"align", "bgcolor", "valign"},
    "ul": {"type"},
}
# No position, z-index or cursor: a message draws inside its own frame and nowhere else.
_STYLES = _words(
    "background background-color border border-bottom border-bottom-color border-bottom-style border-bottom-width"
    " border-collapse border-color border-left border-left-color border-left-style border-left-width border-radius"
    " border-right border-right-color border-right-style border-right-width border-spacing border-style border-top"
    " border-top-color border-top-style border-top-width border-width box-sizing caption-side clear color direction"
    " display float font font-family font-size font-style font-variant font-weight height letter-spacing line-height"
    " list-style list-style-type margin margin-bottom margin-left margin-right margin-top max-height max-width"
    " min-height min-width opacity overflow overflow-wrap padding padding-bottom padding-left padding-right"
    " padding-top table-layout text-align text-decoration text-indent text-transform vertical-align white-space"
    " width word-break word-spacing word-wrap"
)
# Anything in a style that could load something, or hide that it does.
_LOADING_STYLE = re.compile(r"(?:url|image|image-set|cross-fade|src|element|expression|paint)\s*\(|[\\@]", re.I)
_INLINE_IMAGE = re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
_LINK_SCHEMES = ("http:", "https:", "mailto:", "tel:")


@dataclass(frozen=True)
class SafeHtml:
    """A sanitised HTML fragment, how many remote images were left out of it, and which embedded ones it shows."""

    html: str
    blocked_images: int
    embedded: frozenset[str] = frozenset()


def sanitise(html: str, *, images: bool = False, inline: Mapping[str, str] | None = None) -> SafeHtml:
    """The parts of `html` that cannot run, load, submit or cover anything.

    Remote images are left out unless `images`; those that the message brings along become the data: URIs that `inline`
    gives for their reference (see `embedding`). HTML that does not `fit` is shown as text, in part if need be.
    """
    gate = _Gate(images, inline or {})
    if not fits(html):
        return SafeHtml(text_to_html(to_text(html)[:MAX_TEXT]), 0)
    clean = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        attribute_filter=gate.attribute,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=set(_STYLES),
    )
    return SafeHtml(clean, gate.blocked, frozenset(gate.embedded))


def fits(html: str) -> bool:
    """Whether HTML can be sanitised and shown as such."""
    return len(html) <= MAX_HTML and html.count("<") <= MAX_TAGS


class _Gate:
    """Judges each attribute that the sanitiser would keep, and counts the remote images that it refuses."""

    def __init__(self, images: bool, inline: Mapping[str, str]) -> None:
        self._images = images
        self._inline = inline
        self.blocked = 0
        self.embedded: set[str] = set()

    def attribute(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return _safe_style(value)
        if tag == "img" and name == "src":
            return self._image(value.strip())
        if name == "href":
            return value if value.strip().lower().startswith(_LINK_SCHEMES) else None
        if name == "cite":
            return None
        return value

    def _image(self, source: str) -> str | None:
        lower = source.lower()
        if (name := embedding.reference(source)) in self._inline:
            self.embedded.add(name)
            return self._inline[name]
        if _INLINE_IMAGE.fullmatch(source):
            return source
        if not lower.startswith(("http:", "https:")):
            return None
        if self._images:
            return source
        self.blocked += 1
        return None


def _safe_style(style: str) -> str | None:
    kept = [part for part in style.split(";") if part.strip() and not _LOADING_STYLE.search(part)]
    return ";".join(kept) or None


_URL = re.compile(r"https?://[^\s<>\"']+|\bwww\.[a-z0-9-]+\.[^\s<>\"']+", re.IGNORECASE)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_LINK = re.compile(f"(?P<url>{_URL.pattern})|(?P<email>{_EMAIL.pattern})", re.IGNORECASE)
_CLOSING = {")": "(", "]": "[", "}": "{"}


def sentence(clause: object) -> str:
    """A clause, as errors are worded, with a capital and a full stop."""
    text = str(clause).strip()
    end = "" if not text or text.endswith((".", "!", "?", "…")) else "."
    return text[:1].upper() + text[1:] + end


def text_to_html(text: str, *, links: bool = True) -> str:
    """Plain text as HTML: links can be followed, quoted lines are marked, a long quote at the end is folded away."""
    line_to_html = linkify if links else escape
    blocks = _blocks(text.replace("\r\n", "\n").rstrip("\n").split("\n"))
    rendered = []
    last = max((number for number, (_, lines) in enumerate(blocks) if any(map(str.strip, lines))), default=0)
    for number, (depth, lines) in enumerate(blocks):
        body = "\n".join(map(line_to_html, lines))
        if not depth:
            rendered.append(f"<div>{body}</div>")
        elif len(lines) >= FOLD_QUOTE_FROM_LINES and number and number >= last:
            rendered.append(f"<details><summary>Quoted text</summary><blockquote>{body}</blockquote></details>")
        else:
            rendered.append(f"<blockquote>{body}</blockquote>")
    return "".join(rendered)


def _blocks(lines: list[str]) -> list[tuple[bool, list[str]]]:
    """Runs of quoted and of unquoted lines."""
    blocks: list[tuple[bool, list[str]]] = []
    for line in lines:
        quoted = line.startswith(">")
        if not blocks or blocks[-1][0] != quoted:
            blocks.append((quoted, []))
        blocks[-1][1].append(re.sub(r"^> ?", "", line) if quoted else line)
    return blocks


def linkify(line: str) -> str:
    """One line of text, escaped, with web and mail addresses as links."""
    parts: list[str] = []
    end = 0
    for match in _LINK.finditer(line):
        found = _without_trailing_punctuation(match.group())
        parts.append(escape(line[end : match.start()]))
        parts.append(_anchor(found, is_email=match.group("email") is not None))
        end = match.start() + len(found)
    parts.append(escape(line[end:]))
    return "".join(parts)


def _anchor(found: str, *, is_email: bool) -> str:
    if is_email:
        return f'<a href="mailto:{escape(found)}" rel="nofollow">{escape(found)}</a>'
    target = found if "://" in found else f"http://{found}"
    return f'<a href="{escape(target)}" target="_blank" rel="noopener noreferrer nofollow">{escape(found)}</a>'


def _without_trailing_punctuation(url: str) -> str:
    """What a sentence around the address adds to it is no part of it: `(see http://a.example/b).`"""
    count = {bracket: url.count(bracket) for pair in _CLOSING.items() for bracket in pair}
    end = len(url)
    while end and (final := url[end - 1]) in ".,;:!?)]}*_":
        if opening := _CLOSING.get(final):
            if count[opening] >= count[final]:
                break
            count[final] -= 1
        end -= 1
    return url[:end]


def quote(text: str, attribution: str) -> str:
    """The text that a reply starts with: room to write, who wrote what, and each line behind `>`."""
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    quoted = "\n".join(">" + line if line.startswith(">") else f"> {line}".rstrip() for line in lines)
    return f"\n\n{attribution}\n{quoted}\n"


_REPLY = re.compile(r"^\s*+(?:re|aw|sv|antw|odp|vs|回复|答复)\s*+(?:\[\d++\])?\s*+[::]\s*", re.IGNORECASE)
_FORWARD = re.compile(r"^\s*+(?:fwd?|wg|tr)\s*+[::]\s*", re.IGNORECASE)


def reply_subject(subject: str) -> str:
    """`Re: ` once, whatever the mailers before us put in front."""
    return f"Re: {_stripped(subject, _REPLY)}".rstrip()


def forward_subject(subject: str) -> str:
    """`Fwd: ` once."""
    return f"Fwd: {_stripped(subject, _FORWARD)}".rstrip()


def _stripped(subject: str, prefix: re.Pattern[str]) -> str:
    while match := prefix.match(subject):
        subject = subject[match.end() :]
    return subject.strip()


def byte_size(size: int) -> str:
    """A number of bytes as people read it."""
    if size < 1024:
        return f"{size} bytes" if size != 1 else "1 byte"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1024
        if amount < 999.5 or unit == "GB":
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
    return f"{size} bytes"  # pragma: no cover


_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\:*?\"<>|]+")


def file_name(name: str | None, fallback: str) -> str:
    """A name to save an attachment under: no path, no control or direction-changing characters, at most 150 long."""
    clean = _CONTROLS.sub("_", name or "").strip(" ._") or fallback
    stem, dot, extension = clean.rpartition(".")
    if dot and len(extension) <= 10:
        return f"{stem[: 149 - len(extension)]}.{extension}"
    return clean[:150]
