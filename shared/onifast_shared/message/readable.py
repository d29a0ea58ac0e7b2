"""Which parts of a message are its text, and what is to be read of those that are neither plain nor HTML."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from onifast_shared.message.entities import Part
from onifast_shared.message.html_text import shows_something

_MARKED = ("text/html",)
_RICH = ("text/enriched", "text/richtext")
# Texts that say again what stands beside them in multipart/alternative, for programs that we are not.
_FOR_OTHERS = ("text/x-amp-html", "text/watch-html", "text/vnd.apple.watch-html")
# Texts that are files: to be saved, or shown in a way of their own.
_FILES = re.compile(
    r"text/(?:calendar|x-vcalendar|(?:x-)?vcard|directory|rfc822-headers|css|csv|xml|(?:x-)?javascript|ecmascript"
    r"|x-amp-html|rtf|tab-separated-values)|(?!text/).*"
)
_PGP_ARMOUR = "-----BEGIN PGP MESSAGE-----"
_PKCS7 = ("application/pkcs7-mime", "application/x-pkcs7-mime")


@dataclass(frozen=True)
class Block:
    """One text, decoded: plain, in HTML, or the same in both."""

    plain: str
    marked: str


@dataclass
class PartsOfBlock:
    """The parts that say one thing: plain ones, HTML, and others, which count where there is nothing plain."""

    plain: list[Part] = field(default_factory=list)
    marked: list[Part] = field(default_factory=list)
    others: list[Part] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Sorts a part in."""
        kinds = {"text/plain": self.plain, "text/html": self.marked}
        kinds.get(part.content_type, self.others).append(part)

    def read(self) -> Block:
        """What the parts say."""
        plain = "".join(part.text for part in self.plain)
        if not plain.strip() and self.others:
            plain = "".join(_plain(part.text, part.content_type) for part in self.others)
        return Block(plain, "\n".join(part.text for part in self.marked))

    def says_something(self) -> bool:
        """Whether there is anything to read in it."""
        block = self.read()
        return bool(block.plain.strip()) or shows_something(block.marked)

    def plain_head(self, length: int) -> str:
        """Some beginning of the plain text, from so many octets of each part."""
        plain = "".join(part.text_head(length) for part in self.plain)
        if plain.strip():
            return plain
        return "".join(_plain(part.text_head(length), part.content_type) for part in self.others)

    def marked_head(self, length: int) -> str:
        """Some beginning of the HTML, from so many octets of each part."""
        return "".join(part.text_head(length) for part in self.marked)


@dataclass(frozen=True)
class Texts:
    """A message's parts: its text, block by block, and what is attached."""

    blocks: list[PartsOfBlock]
    others: list[Part]


def texts(leaves: list[Part]) -> Texts:
    """Sorts the leaves of a message. One that is left out says again what another one says."""
    blocks: dict[int, PartsOfBlock] = {}
    others: list[Part] = []
    spare = PartsOfBlock()
    for place, part in enumerate(leaves):
        if part.is_spare:
            spare.add(part)
        elif _is_text(part, begins=not blocks):
            # A part that stands in no multipart/alternative makes a block alone; its key meets no group's.
            key = part.alternative if part.alternative is not None else -1 - place
            blocks.setdefault(key, PartsOfBlock()).add(part)
        elif part.alternative is None or part.content_type not in _FOR_OTHERS:
            others.append(part)
    found = list(blocks.values())
    if (spare.plain or spare.marked) and not any(block.says_something() for block in found):
        found = [spare]
    return Texts(found, others)


def protection(leaves: list[Part]) -> str:
    """What keeps a message from being read here: "pgp", "smime" (encrypted), "smime-signed" (inside its signature)."""
    for part in leaves:
        if part.parent == "multipart/encrypted":
            return "pgp"
        if part.content_type in _PKCS7:
            kind = part.parameters.get("smime-type", "").lower()
            return {"signed-data": "smime-signed", "certs-only": ""}.get(kind, "smime")
        if part.content_type == "text/plain" and part.text_head(1000).lstrip().startswith(_PGP_ARMOUR):
            return "pgp"
    return ""


def _is_text(part: Part, *, begins: bool) -> bool:
    """Whether a part is to be read with the message: a file that has a name is, where no other text came before it."""
    if part.is_attached or _FILES.fullmatch(part.content_type):
        return False
    return begins or not part.is_named or (part.alternative is not None and part.content_type in _MARKED)


def _plain(text: str, content_type: str) -> str:
    return _enriched(text) if content_type in _RICH else text


def _enriched(text: str) -> str:
    """text/enriched (RFC 1896) without its commands; of text/richtext the same, and its commands for lines."""
    text = text[:_MOST_ENRICHED].replace("<<", "\0")
    text = _PARAM.sub("", text)
    text = re.sub(r"\n+", lambda ends: "\n" * (len(ends[0]) - 1) or " ", text)
    text = re.sub(r"<(?:nl|np|/paragraph)>", "\n", text, flags=re.IGNORECASE)
    return html.unescape(_COMMAND.sub("", text).replace("<lt>", "<").replace("\0", "<")).strip() + "\n"


_MOST_ENRICHED = 1 << 20
_PARAM = re.compile(r"<param>[^<]*+</param>", re.IGNORECASE)
_COMMAND = re.compile(r"</?(?!lt>)[A-Za-z0-9-]{1,60}>")
