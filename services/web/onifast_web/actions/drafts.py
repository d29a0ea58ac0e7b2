"""What somebody is writing: the composer's form, kept as a message in the folder drafts until it is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
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
from onifast_web.actions import sending
from onifast_web.actions.forwarding import Forwarded, taken_up

# Holds what was typed as it was typed: half an address is no To field, and Bcc is never written into a message.
_HEADER = "X-Onifast-Draft"
_TYPED = ("to", "cc", "bcc", "in_reply_to", "references")


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
    """What is sent with the text: files, and the message that is forwarded below it."""

    attachments: list[OutgoingAttachment]
    forwarded: Forwarded | None = None


@dataclass(frozen=True)
class Form:
    """The composer's fields as typed. `draft` is the saved draft that they replace, `source` the message whose
    attachments `kept` lists, and which stands below the text where it `forwards`. `enclosed` is a message to be sent
    along as a file. `send_at` is the time to send it at, or ""."""

    sender: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    text: str = ""
    in_reply_to: str = ""
    references: str = ""
    send_at: str = ""
    draft: int | None = None
    source: int | None = None
    kept: list[KeptAttachment] = field(default_factory=list)
    forwards: bool = False
    enclosed: Enclosed | None = None

    def to_draft(self, along: Along) -> Draft:
        """The message that the form stands for."""
        forwarded = along.forwarded
        text, html = forwarded.below(self.text) if forwarded else (self.text, None)
        return Draft(
            from_=self.sender,
            to=[self.to] if self.to.strip() else [],
            cc=[self.cc] if self.cc.strip() else [],
            bcc=[self.bcc] if self.bcc.strip() else [],
            subject=self.subject,
            text=text,
            html=html,
            images=forwarded.images if forwarded else (),
            in_reply_to=self.in_reply_to or None,
            references=self.references.split(),
            attachments=along.attachments,
        )


def save(web: Web, owner: str, form: Form, along: Along) -> int:
    """Stores the form as a draft in the place of the one that it came from; returns the new draft's id."""
    typed = {name: getattr(form, name) for name in _TYPED}
    return keep(web, owner, form.to_draft(along), typed, lambda tx: remove(tx, owner, form.draft))


def keep(web: Web, owner: str, draft: Draft, typed: Mapping[str, str], make_way: Callable[[Connection], None]) -> int:
    """Stores a draft with its fields as they were typed; returns its id. `make_way` begins the transaction.

    Raises DraftError for what is wrong in other fields than those of addresses, Problem(413).
    """
    raw = _message(web, draft, typed)
    ref = contents.store(web.database, raw)

    def write(tx: Connection) -> int:
        make_way(tx)
        return mailbox.add(
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
    return Form(
        sender=str(parsed.sender or ""),
        subject=parsed.subject,
        text=note,
        draft=email_id,
        source=email_id,
        kept=kept(parsed, forwarded),
        forwards=forwarded is not None,
        **typed,
    )


def as_draft(parsed: Parsed) -> Draft:
    """The message that a stored draft stands for, its HTML and files with it."""
    form = load(0, parsed)
    if form.forwards and (taken := taken_up(parsed)):
        files = attachments_of(parsed, {each.index for each in form.kept})
        return form.to_draft(Along(files, taken[1]))
    images = {name: item for name, item in parsed.embedded.items() if item.image_type}
    shown = {item.index for item in images.values()} if parsed.html is not None else set[int]()
    return replace(
        form.to_draft(Along(attachments_of(parsed, {item.index for item in parsed.attachments} - shown))),
        text=parsed.text,
        html=parsed.html,
        images=[
            EmbeddedImage(name, item.filename, item.image_type, item.data) for name, item in images.items() if shown
        ],
    )


def kept(parsed: Parsed, forwarded: Forwarded | None = None) -> list[KeptAttachment]:
    """A message's attachments, to be sent along, without the images that are shown where it is forwarded."""
    shown = forwarded.places if forwarded else ()
    return [
        KeptAttachment(item.index, item.filename, item.size) for item in parsed.attachments if item.index not in shown
    ]


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
        if error.field not in _TYPED:
            raise
        raw = sending.build(web, replace(draft, to=[], cc=[], bcc=[], in_reply_to=None, references=[]))
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
    return {name: value for name in _TYPED if isinstance(value := found.get(name), str)}
