"""A message with its bytes read, for every page that shows something of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from flask import url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address, AddressError

from onifast_web.access import auth
from onifast_web.access.context import current
from onifast_web.actions import answering, audited, image_proxy
from onifast_web.http.problems import not_found
from onifast_web.reading import render
from onifast_web.webmail.content import ImageProxy
from onifast_web.webmail.pages import user


@dataclass(frozen=True)
class OpenedMessage:
    """A message with its bytes read."""

    row: EmailRow
    raw: bytes
    parsed: Parsed


def open_message(owner: str, email_id: int, *, is_noted: bool = False) -> OpenedMessage:
    """A message of this owner's; raises Problem(404) for any other id.

    Where somebody else reads it, that is written down first, unless it was as its page was shown (`is_noted`).
    """

    def read(tx: Connection) -> tuple[EmailRow, bytes]:
        row = mailbox.get(tx, owner, email_id) if email_id < 2**63 else None
        if row is None:
            raise not_found()
        return row, mailbox.raw(tx, email_id)

    web = current()
    web.before_reading(owner, email_id)
    row, data = web.database.read(read)
    if not is_noted:
        audited.note_reading(web, auth.caller(), "mail.read", row)
    return OpenedMessage(row, data, parsing.parse(data))


def file_stem(row: EmailRow) -> str:
    """What a message is called as a file, without the file's extension."""
    return render.file_name(row.subject, "message")[:100]


def own_addresses(owner: str, opened: OpenedMessage) -> dict[str, Address]:
    """Those of the addresses in a message, and of where it came, whose mail comes to its owner alone: by key, the
    address of theirs that takes it."""
    web, named = current(), answering.everybody(opened.parsed)
    with contextlib.suppress(AddressError):
        named.append(Address.parse(opened.row.recipient))
    return web.database.read(lambda tx: addresses.own_among(tx, owner, named, web.settings))


def image_proxy_of(email_id: int) -> ImageProxy | None:
    """How the images of a message, or of one inside it, are shown by way of this server; None where they are not."""
    web, username = current(), user()[1]
    if not web.settings.image_proxy:
        return None

    def address(url: str) -> str:
        signed = image_proxy.signature(web, username, email_id, url)
        return url_for("webmail.proxied_image", email_id=email_id, url=url, signature=signed)

    return ImageProxy(address, lambda urls: image_proxy.prepare(web, username, urls))
