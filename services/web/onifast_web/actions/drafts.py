"""What somebody is writing: the composer's form, kept as a message in the folder drafts until it is sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import contents, mailbox
from onifast_shared.message import address_fields
from onifast_shared.message.compose import Draft, DraftError, EmbeddedImage, OutgoingAttachment
from onifast_shared.message.headers import fold, prepend
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import Parsed

from onifast_web.access.context import Web
from onifast_web.actions import forwarding, sending
from onifast_web.actions.forwarding import Forwarded, taken_up
from onifast_web.reading import written_html

# Holds what was typed as it was typed: half an address is no To field, and Bcc is never written into a message.
_HEADER = "X-Onifast-Draft"
_TYPED = ("to", "cc", "bcc", "in_reply_to", "references")
WORDS = (
    "sender",
    "to",
    "cc",
    "bcc",
    "subject",
    "text",
    "html",
    "reply_to",
    "priority",
    "language",
    "receipt",
    "report",
)
"""Fields of a form that hold no file."""
_FORWARD_OF = "forward_of"
_SIGNATURE_MARK = re.compile(r"^--\n\n?", re.MULTILINE)
_CHOSEN = ("key", "reply_to", "priority", "language", "receipt", "report")


@dataclass(frozen=True)
class KeptAttachment:
    """A file that is attached already, in the message `Form.source`."""

    index: int
    name: str
    size: int


@dataclass(frozen=True)
class Enclosed:
    """A message that is to be sent along as a file; `name` is the file's."""

    email_id: int
    name: str
    size: int


@dataclass(frozen=True)
class Along:
    """What is sent with the text: files, the message that is forwarded below it, and the images that it shows."""

    attachments: list[OutgoingAttachment]
    forwarded: Forwarded | None = None
    images: tuple[EmbeddedImage, ...] = ()


@dataclass(frozen=True)
class Form:
    """The composer's fields as typed. `draft` is the saved draft that they replace, `source` the message whose
    attachments `kept` lists, and which stands below the text where it `forwards`, and may where it `quotes` (an answer:
    its text begins with the quote, for who wants that). `enclosed` is a message to be sent
    along as a file. `send_at` is the time to send it at, or "". `html` is the text with its looks, "" for plain text;
    `key` names the composer. `language` is that of the text, `receipt` and `report` what the sender wants to be told:
    "yes" or "": that it was read (RFC 8098), that it was delivered (RFC 3461). `from_` is the sender with their name,
    `forward_of` the message that is forwarded."""

    sender: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    text: str = ""
    in_reply_to: str = ""
    references: str = ""
    send_at: str = ""
    html: str = ""
    key: str = ""
    reply_to: str = ""
    priority: str = ""
    language: str = ""
    receipt: str = ""
    report: str = ""
    from_: str = ""
    forward_of: int | None = None
    draft: int | None = None
    source: int | None = None
    kept: list[KeptAttachment] = field(default_factory=list)
    forwards: bool = False
    quotes: bool = False
    enclosed: Enclosed | None = None

    def to_draft(self, along: Along) -> Draft:
        """The message that the form stands for."""
        forwarded, text = along.forwarded, self.text
        written = written_html.clean(self.html) if self.html else None
        html = forwarding.page(written.html) if written else None
        if written:
            # An editor keeps no space at the end of a line; that of a signature's mark has a meaning (RFC 3676).
            text = _SIGNATURE_MARK.sub("-- \n", written.text)
        if forwarded:
            text, html = forwarded.below(text, written.html if written else "")
        shown = written.content_ids if written else frozenset[str]()
        return Draft(
            from_=self.from_ or self.sender,
            to=[self.to] if self.to.strip() else [],
            cc=[self.cc] if self.cc.strip() else [],
            bcc=[self.bcc] if self.bcc.strip() else [],
            subject=self.subject,
            text=text,
            html=html,
            images=(
                *(forwarded.images if forwarded else ()),
                *(each for each in along.images if each.content_id in shown),
            ),
            in_reply_to=self.in_reply_to or None,
            references=self.references.split(),
            attachments=along.attachments,
            reply_to=[self.reply_to] if self.reply_to.strip() else [],
            priority="high" if self.priority == "high" else "low" if self.priority == "low" else "",
            asks_receipt=bool(self.receipt),
        )


def save(
    web: Web,
    owner: str,
    form: Form,
    along: Along,
    before: Callable[[Connection], None] = lambda _: None,
    *,
    after: Callable[[Connection, int], None] = lambda _tx, _id: None,
) -> int:
    """Stores the form as a draft in the place of the one that it came from; returns the new draft's id.

    `before` begins the transaction, and `after` ends it.
    """
    typed = {name: getattr(form, name) for name in (*_TYPED, *_CHOSEN)}
    if form.forward_of is not None:
        typed[_FORWARD_OF] = str(form.forward_of)

    def make_way(tx: Connection) -> None:
        before(tx)
        remove(tx, owner, form.draft)

    return keep(web, owner, form.to_draft(along), typed, make_way, after=after)


def keep(
    web: Web,
    owner: str,
    draft: Draft,
    typed: Mapping[str, str],
    make_way: Callable[[Connection], None],
    *,
    after: Callable[[Connection, int], None] = lambda _tx, _id: None,
) -> int:
    """Stores a draft with its fields as they were typed; returns its id. `make_way` begins the transaction.

    Raises DraftError for what is wrong in other fields than those of addresses, Problem(413).
    """
    raw = _message(web, draft, typed)
    ref = contents.store(web.database, raw)

    def write(tx: Connection) -> int:
        make_way(tx)
        email_id = mailbox.add(
            tx,
            owner=owner,
            recipient=typed.get("to", ""),
            reverse_path=draft.from_,
            content_id=contents.attach(tx, ref),
            size=len(raw),
            now=web.clock(),
            folder="drafts",
            is_read=True,
        )
        after(tx, email_id)
        return email_id

    return web.database.write(write)


def remove(tx: Connection, owner: str, draft: int | None) -> None:
    """Takes a draft away that was sent, replaced or discarded; any other message stays."""
    row = None if draft is None else mailbox.get(tx, owner, draft)
    if row is not None and row.folder == "drafts":
        mailbox.purge(tx, owner, [row.id])


def load(email_id: int, parsed: Parsed) -> Form:
    """The form that a draft was saved from. Drafts of other programs work too."""
    typed: dict[str, Any] = {name: address_fields.shown(parsed.mailboxes(name)) for name in ("to", "cc", "bcc")}
    typed["in_reply_to"] = parsed.in_reply_to
    typed |= {"references": " ".join(parsed.references)} | _typed(parsed.header(_HEADER) or "")
    words = parsed.text if parsed.text is not None else to_text(parsed.html or "")
    note, forwarded = taken_up(parsed) or (words, None)
    html = _looks(parsed, is_forward=forwarded is not None)
    shown = forwarded.places if forwarded else frozenset[int]()
    shown |= {item.index for name, item in parsed.embedded.items() if name in html}
    return Form(
        sender=str(parsed.sender or ""),
        subject=parsed.subject,
        text=note,
        draft=email_id,
        source=email_id,
        html=html,
        kept=kept(parsed, shown),
        forwards=forwarded is not None,
        forward_of=int(number) if (number := typed.pop(_FORWARD_OF, "")).isdecimal() and len(number) < 19 else None,
        **typed,
    )


def _looks(parsed: Parsed, *, is_forward: bool) -> str:
    """The written part of a draft's HTML, "" where it is plain text."""
    if parsed.html is None:
        return ""
    written = forwarding.written_in(parsed.html)
    if written is None:
        written = "" if is_forward else parsed.html
    return written_html.clean(written).html


def as_draft(parsed: Parsed) -> Draft:
    """The message that a stored draft stands for, its HTML and files with it."""
    form = load(0, parsed)
    if form.forwards and (taken := taken_up(parsed)):
        files = attachments_of(parsed, {each.index for each in form.kept})
        return form.to_draft(Along(files, taken[1]))
    shown = {item.index for item in parsed.embedded.values()}
    return replace(
        form.to_draft(Along(attachments_of(parsed, {item.index for item in parsed.attachments} - shown))),
        text=parsed.text,
        html=parsed.html,
        images=images_of(parsed),
    )


def kept(parsed: Parsed, shown: Collection[int] = ()) -> list[KeptAttachment]:
    """A message's attachments, to be sent along, without the images of these places that are `shown`."""
    return [
        KeptAttachment(item.index, item.filename, item.size) for item in parsed.attachments if item.index not in shown
    ]


def images_of(parsed: Parsed) -> tuple[EmbeddedImage, ...]:
    """The images that a draft's own HTML shows."""
    found = {name.removeprefix("cid:"): item for name, item in parsed.embedded.items() if name.startswith("cid:")}
    return tuple(EmbeddedImage(name, each.filename, each.image_type, each.data) for name, each in found.items())


def attachments_of(parsed: Parsed, indices: set[int]) -> list[OutgoingAttachment]:
    """Some of a message's attachments, with their bytes."""
    return [
        OutgoingAttachment(item.filename, item.content_type, item.data)
        for item in parsed.attachments
        if item.index in indices
    ]


def _message(web: Web, draft: Draft, typed: Mapping[str, str]) -> bytes:
    try:
        raw = sending.build(web, draft)
    except DraftError as error:
        if error.field not in (*_TYPED, "reply_to"):
            raise
        raw = sending.build(web, replace(draft, to=[], cc=[], bcc=[], reply_to=[], in_reply_to=None, references=[]))
    encoded = base64.b64encode(json.dumps(dict(typed)).encode()).decode("ascii")
    words = " ".join(encoded[start : start + 60] for start in range(0, len(encoded), 60))
    return prepend(raw, fold(_HEADER, words))


def _typed(header: str) -> dict[str, str]:
    try:
        found = json.loads(base64.b64decode("".join(header.split()), validate=True))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    names = (*_TYPED, *_CHOSEN, _FORWARD_OF)
    return {name: value for name in names if isinstance(value := found.get(name), str)}
