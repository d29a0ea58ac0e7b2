"""Redirecting a message: it goes on as it is, from whom it is, with fields on top that say who sent it on.

RFC 5322 section 3.6.6. No octet that its author signed changes, so that the signature goes on to hold.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, make_msgid

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.message.compose import DraftError
from onifast_shared.message.headers import fold, prepend, remove_headers
from onifast_shared.values.address import Address, AddressError

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import sending
from onifast_web.actions.sending import MadeMessage, Sent
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _

# Where this copy of it was delivered, and what is for its reader's or writer's eyes alone.
_LEFT_OUT = frozenset((b"return-path", b"delivered-to", b"bcc", b"resent-bcc", b"x-onifast-draft"))


def redirect(
    web: Web,
    caller: Caller,
    email_id: int,
    *,
    sender: str,
    to: list[str],
    origin: str,
    together_with: Callable[[Connection], None] | None = None,
    and_then: Callable[[Connection, Sent], None] | None = None,
) -> Sent:
    """Sends a message on as it is, from an address of the caller's; a copy lies in sent.

    Raises Problem(404) for a message that is not there, Problem(409) for a draft, DraftError; and what sending.send
    raises.
    """
    address = _sender(sender)
    recipients = sending.everybody(web, to)

    def read(tx: Connection) -> tuple[str, str, bytes]:
        row = mailbox.get(tx, caller.mail_of, email_id) if email_id < 2**63 else None
        if row is None:
            raise not_found()
        return row.folder, row.subject, mailbox.raw(tx, email_id)

    folder, subject, original = web.database.read(read)
    if folder == "drafts":
        raise Problem(409, _("A draft cannot be redirected. Send it."))
    owner = sending.owner_of(web, caller, address)
    message_id = make_msgid(domain=web.settings.hostname)
    now = datetime.fromtimestamp(web.clock(), UTC)
    resent = (
        fold("Resent-Date", format_datetime(now))
        + fold("Resent-From", str(address))
        + fold("Resent-To", ", ".join(map(str, recipients)))
        + fold("Resent-Message-ID", message_id)
    )
    raw = prepend(remove_headers(original, lambda *_: True, _LEFT_OUT), resent)
    sending.check_size(web, raw)
    message = MadeMessage(raw, address, owner, {"to": recipients}, recipients, subject, message_id)
    return sending.submit(web, caller, message, origin=origin, together_with=together_with, and_then=and_then)


def _sender(text: str) -> Address:
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise DraftError("from", str(error)) from None
