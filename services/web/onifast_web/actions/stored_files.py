"""Files of large messages, sent from where they lie in the database: nobody waits for a turn, and no message is read
whole, so the first octet leaves at once, whoever else downloads. None stands for what has to be read otherwise."""

from __future__ import annotations

import contextlib

from flask import Response
from onifast_shared.db.database import Connection
from onifast_shared.db.errors import DatabaseError
from onifast_shared.mailboxes import mailbox, stored_attachments
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.stored_attachments import LargeBytes, StoredAttachment
from onifast_shared.message.parsing import Parsed

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import audited, downloads

_WRITE_PATIENCE = 2.0  # seconds


def attachment(web: Web, caller: Caller, email_id: int, index: int, action: str) -> Response | None:
    """An attachment of a message of the caller's, whose reading is noted as `action` where that is anybody else."""

    def find(tx: Connection) -> tuple[EmailRow, StoredAttachment] | None:
        row = mailbox.get(tx, caller.mail_of, email_id)
        found = stored_attachments.find(tx, row.content_id, index) if row else None
        return (row, found) if row and found else None

    found = web.database.read(find) if 0 < email_id < 2**63 and index < 2**63 else None
    if found is None:
        return None
    audited.note_reading(web, caller, action, found[0])
    return downloads.stored(found[1], web.database)


def message(web: Web, caller: Caller, email_id: int, action: str) -> Response | None:
    """The message's bytes, likewise."""

    def find(tx: Connection) -> tuple[EmailRow, LargeBytes, bytes] | None:
        row = mailbox.get(tx, caller.mail_of, email_id)
        found = stored_attachments.bytes_of(tx, email_id) if row else None
        # What begins with no trace of ours may have a line of an mbox file before it.
        return (row, found, mailbox.trace_of(tx, email_id)) if row and found and found.trace else None

    found = web.database.read(find) if 0 < email_id < 2**63 else None
    if found is None:
        return None
    row, stored, trace = found
    audited.note_reading(web, caller, action, row)
    return downloads.stored_message(stored, trace, web.database, downloads.message_name(row.subject))


def remember(web: Web, email_id: int, parsed: Parsed) -> None:
    """Keeps where the files of a message lie that was read whole, so that the next one need not be."""
    stored = web.database.read(lambda tx: stored_attachments.unknown_bytes(tx, email_id))
    places = stored_attachments.places_of(parsed, stored) if stored else []
    if stored and places:
        with contextlib.suppress(DatabaseError):
            web.database.write(
                lambda tx: stored_attachments.note(tx, stored.content_id, places), timeout=_WRITE_PATIENCE
            )
