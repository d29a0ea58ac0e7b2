"""What a composer sends: its form as it was typed, and what goes along with it."""

from __future__ import annotations

import re
from dataclasses import replace

from flask import request
from onifast_shared.mailboxes import identities as identity_store
from onifast_shared.message.compose import EmbeddedImage, OutgoingAttachment
from onifast_shared.message.embedding import image_type
from onifast_shared.message.parsing import Parsed

from onifast_web.access.context import current
from onifast_web.actions import drafts, forwarding, identities
from onifast_web.actions.drafts import Along, Form
from onifast_web.actions.forwarding import Forwarded
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _
from onifast_web.webmail.beginning import attribution, enclosed
from onifast_web.webmail.looks import sent_looks
from onifast_web.webmail.opened import OpenedMessage, file_stem, open_message

_LONGEST_INDEX = 9  # digits; no message has that many parts
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTENT_ID = re.compile(r"[a-z0-9]{8,64}@[a-z0-9.-]{1,64}")
_SIGNATURE_LENGTH = 32
MOST_HTML = 4 * 1024 * 1024


def typed() -> Form:
    """The form that was sent. Raises Problem(400)."""
    text = request.form.get
    html = sent_looks()
    if len(html) > MOST_HTML:
        raise Problem(413, _("The text is too long."))
    return Form(
        sender=text("from", ""),
        to=text("to", ""),
        cc=text("cc", ""),
        bcc=text("bcc", ""),
        subject=text("subject", "").strip(),
        text=text("text", "").replace("\r\n", "\n"),
        html=html,
        in_reply_to=text("in_reply_to", ""),
        references=text("references", ""),
        send_at=typed_moment(),
        key=key_of(text("key", "")),
        reply_to=text("reply_to", ""),
        priority=text("priority", ""),
        language=text("language", "")[:35],
        receipt="yes" if text("receipt") else "",
        report="yes" if text("report") else "",
        draft=number("draft"),
        source=number("source"),
        forward_of=number("forward_of"),
        forwards=text("forward") in ("html", "reply"),
        quotes=text("forward") == "reply",
    )


def key_of(text: str) -> str:
    """A composer's key, "" for none. Raises Problem(400)."""
    if text and not _KEY.fullmatch(text):
        raise Problem(400, _("That is no composer's key."))
    return text


def number(name: str) -> int | None:
    """A message's number in a field, None for none."""
    text = request.form.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def typed_moment() -> str:
    """The time that was chosen, as RFC 3339 has it: our script says which moment it is where the reader lives.

    Without the script the field's date and time are UTC, and the page says so.
    """
    local = request.form.get("send_at_local", "")
    return request.form.get("send_at") or (f"{local}:00Z" if local else "")


def with_what_goes_along(username: str, form: Form) -> tuple[Form, Along]:
    """The form, with the sender's name and what it encloses; and all that goes along: files that were attached before
    and are kept, images that the text shows, a message forwarded as a file or below the text, new files."""
    keep, forwarded, found = _kept(), None, list[OutgoingAttachment]()
    known = current().database.read(lambda tx: identity_store.of(tx, username))
    identity = identities.of_address(known, form.sender).identity
    form = replace(form, from_=identities.written_from(identity, form.sender))
    if request.form.get("signs") and form.text.strip():
        form = replace(form, text=form.text.rstrip() + identities.signed(identity, ""))
    images: tuple[EmbeddedImage, ...] = ()
    if form.source is not None and (keep or form.forwards or form.source == form.draft):
        is_draft = form.source == form.draft
        opened = open_message(username, form.source, is_noted=is_draft)
        found = drafts.attachments_of(opened.parsed, keep)
        forwarded = _forwarded(opened, form, is_draft=is_draft) if form.forwards else None
        images = drafts.images_of(opened.parsed) if is_draft else ()
    if (enclosed_id := number("enclose")) is not None:
        message = open_message(username, enclosed_id)
        form = replace(form, enclosed=enclosed(message))
        found.append(forwarding.as_attachment(message.raw, file_stem(message.row)))
    new = [item for item in request.files.getlist("attachments") if item.filename]
    found += [OutgoingAttachment(item.filename or "", item.mimetype, file=item.stream) for item in new]
    return form, Along(found, forwarded, (*images, *_pasted()))


def _pasted() -> list[EmbeddedImage]:
    """A picture that is to be shown within the text, by the Content-ID that the text refers to it by."""
    found = []
    for item, content_id in zip(request.files.getlist("image"), request.form.getlist("content_id"), strict=False):
        data = item.stream.read()
        kind = image_type(item.mimetype, data[:_SIGNATURE_LENGTH])
        if not kind or not _CONTENT_ID.fullmatch(content_id):
            raise Problem(422, _("That is no picture that browsers show. It can be attached as a file."))
        found.append(EmbeddedImage(content_id, item.filename or "image", kind, data))
    return found


def _forwarded(opened: OpenedMessage, form: Form, *, is_draft: bool) -> Forwarded | None:
    parsed: Parsed = opened.parsed
    if taken := forwarding.taken_up(parsed) if is_draft else None:
        return taken[1]
    return forwarding.quoted(parsed, attribution(opened)) if form.quotes else forwarding.with_formatting(parsed)


def _kept() -> set[int]:
    """The numbers of the files to keep. What is no number is refused: passed over, it would lose a file unseen."""
    texts = request.form.getlist("keep")
    if not all(text.isdecimal() and len(text) <= _LONGEST_INDEX for text in texts):
        raise Problem(400, _("A file to keep is named by its number."))
    return {int(text) for text in texts}
