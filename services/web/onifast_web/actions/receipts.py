"""Read receipts (RFC 8098): a reader is asked once, and tells the sender or does not."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.mailboxes import contents, mailbox, preferences
from onifast_shared.mailboxes import identities as identity_store
from onifast_shared.mailboxes import receipts as receipt_store
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.identities import Identity
from onifast_shared.message import disposition, parsing
from onifast_shared.message.compose import Draft
from onifast_shared.message.disposition import OutgoingDisposition
from onifast_shared.message.parsing import Parsed
from onifast_shared.moving import imported
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values import submitters
from onifast_shared.values.address import Address, AddressError

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import answering, identities, sending
from onifast_web.http.problems import Problem, not_found

_NEVER_ASKED = ("sent", "drafts", "junk")


@dataclass(frozen=True)
class WantedReceipt:
    """A receipt that a sender asks for and that was neither sent nor declined: whom it goes to, and from which address.

    `is_sent_unasked`: the reader wants receipts to be sent always, and this one may be.
    """

    to: Address
    sender: Address
    is_sent_unasked: bool = False


def wanted(tx: Connection, web: Web, owner: str, row: EmailRow, parsed: Parsed) -> WantedReceipt | None:
    """What a message's sender asks of its reader; None for nothing, or where the reader never tells."""
    if row.folder in _NEVER_ASKED or row.owner != owner or disposition.is_receipt(parsed):
        return None
    asked = disposition.request(parsed, row.reverse_path)
    if asked is None or receipt_store.answer(tx, row.id) or imported.is_imported(tx, row.id):
        return None
    choice = preferences.writing(tx, owner).receipts
    if choice == "never":
        return None
    named = [asked.to, *(each.address for name in ("to", "cc") for each in parsed.mailboxes(name) if each.address)]
    delivered = _parsed(row.recipient)
    own = addresses.own_among(tx, owner, [*named, *([delivered] if delivered else [])], web.settings)
    if asked.to.key in own:
        return None
    reached = next((each for each in [*named[1:], delivered] if each is not None and each.key in own), None)
    if reached is None:
        return None
    sender = reached if addresses.owns(tx, owner, reached) else own[reached.key]
    return WantedReceipt(asked.to, sender, choice == "always" and not asked.needs_consent)


def decline(web: Web, owner: str, email_id: int) -> None:
    """Tells nobody, and asks no more. Raises Problem(404)."""
    if not web.database.write(lambda tx: receipt_store.note(tx, owner, email_id, "declined")):
        raise not_found()


def send(web: Web, caller: Caller, email_id: int, *, unasked: bool = False) -> WantedReceipt:
    """Tells the sender that their message was read, once.

    Raises Problem(404) for a message that is not there, Problem(409) for one whose sender asks for nothing that may
    be told or was answered, Problem(429) while a limit on what the reader sends is used up.
    """
    owner = caller.mail_of or ""

    def read(tx: Connection) -> tuple[Parsed, bytes, WantedReceipt | None, Identity | None]:
        row = mailbox.get(tx, owner, email_id) if email_id < 2**63 else None
        if row is None:
            raise not_found()
        raw = mailbox.raw(tx, email_id)
        parsed = parsing.parse(raw)
        found = wanted(tx, web, owner, row, parsed)
        return parsed, raw, found, identity_store.of(tx, owner).get(found.sender.key) if found else None

    parsed, raw, found, identity = web.database.read(read)
    if found is None or (unasked and not found.is_sent_unasked):
        raise Problem(409, "This message asks for no read receipt that can be sent, or it was answered.")
    receipt = _built(web, parsed, raw, found, identity, is_automatic=unasked)
    submission = Submission(
        "",  # no notification ever leads to another one (RFC 8098 section 3)
        origin="web",
        owner=owner,
        submitted_by=submitters.by_user(owner),
        subject=_subject(parsed),
        body_type="7BIT" if receipt.isascii() else "8BITMIME",
    )
    ref = contents.store(web.database, receipt)

    def submit(tx: Connection) -> None:
        if not receipt_store.note(tx, owner, email_id, "sent"):
            raise Problem(409, "This message was answered already.")
        subjects = limit_subjects.counted_for(tx, submission.submitted_by, str(found.sender))
        sending_limits.admit(tx, subjects, 1, web.settings, web.clock())
        accept.submit_in(tx, ref, submission, [QueuedRecipient(str(found.to), "NEVER")])

    try:
        web.database.write(submit)
    except LimitExceeded as exceeded:
        raise Problem(429, f"The {exceeded}.") from None
    return found


def _built(
    web: Web,
    parsed: Parsed,
    raw: bytes,
    found: WantedReceipt,
    identity: Identity | None,
    *,
    is_automatic: bool,
) -> bytes:
    what = f"“{parsed.subject}”" if parsed.subject else "without a subject"
    text = (
        f"Your message {what} to {found.sender.display} was displayed.\n\n"
        "That says neither that it was read nor that it was understood.\n"
    )
    draft = Draft(
        from_=identities.written_from(identity, str(found.sender)),
        to=[str(found.to)],
        subject=_subject(parsed),
        text=text,
        in_reply_to=answering.in_reply_to(parsed) or None,
        references=answering.references(parsed),
        disposition=OutgoingDisposition(
            str(found.sender),
            answering.in_reply_to(parsed),
            f"{web.settings.hostname}; Onifast Mail",
            is_automatic,
            disposition.header_of(raw),
        ),
    )
    return sending.build(web, draft)


def _subject(parsed: Parsed) -> str:
    return f"Read: {parsed.subject}"[:900].rstrip()


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None
