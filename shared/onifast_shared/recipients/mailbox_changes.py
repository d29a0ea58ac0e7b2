"""What panel users do to their mailbox users, the same for webmail, API and command line: each is written down in the
audit trail, where both see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from onifast_shared.accounts import audit, mailbox_users
from onifast_shared.accounts.audit import Actor
from onifast_shared.accounts.mailbox_users import MailboxUser
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import deleting, moving
from onifast_shared.mailboxes import mailbox
from onifast_shared.values.address import Address

Fate = Literal["owner", "delete"]
"""What becomes of the mail of a mailbox user who is removed: it goes to the panel user, or is deleted."""

AT_ONCE = 500
"""Messages that one transaction gives to a mailbox user."""

_LOGINS = (
    ("app_passwords", "username"),
    ("api_tokens", "username"),
    ("web_sessions", "username"),
    ("sso_tokens", "username"),
    ("scram_verifiers", "username"),
    ("login_places", "username"),
    ("totp_secrets", "username"),
    ("pending_logins", "username"),
    ("remembered_devices", "username"),
)


@dataclass(frozen=True)
class Change:
    """Who changes something, and when."""

    by: Actor
    now: float

    def note(self, tx: Connection, user: MailboxUser, action: str, **details: object) -> None:
        """Writes it down for the panel user, and for the mailbox user."""
        for owner in (user.owner, user.account):
            told = {"address": user.address, **details}
            audit.record(
                tx, self.by, action, owner=owner, object=f"mailbox-user:{user.address}", details=told, now=self.now
            )


def create(tx: Connection, change: Change, address: Address, owner: str, password_hash: str | None) -> MailboxUser:
    """Makes an address of a panel user's a mailbox user; raises MailboxUserError. Mail that came before stays."""
    made = mailbox_users.create(tx, address, owner, password_hash, change.now)
    change.note(tx, made, "mailbox-user.create", password=password_hash is not None)
    return made


def reset_password(tx: Connection, change: Change, user: MailboxUser, password_hash: str | None) -> None:
    """Gives another password, or none. All that let them in before ends: somebody may have to be shut out."""
    mailbox_users.set_password(tx, user.account, password_hash)
    end_logins(tx, user.account)
    change.note(tx, user, "mailbox-user.password", password=password_hash is not None)


def choose_password(tx: Connection, change: Change, user: MailboxUser, password_hash: str) -> None:
    """Another password by their own choice: other logins to the webmail end with the former one, programs go on."""
    mailbox_users.set_password(tx, user.account, password_hash)
    audit.record(tx, change.by, "mailbox-user.password", owner=user.account, now=change.now)


def set_disabled(tx: Connection, change: Change, user: MailboxUser, *, disabled: bool) -> None:
    """Shuts them out, or lets them in again; their mail comes in all the same."""
    mailbox_users.set_disabled(tx, user.account, disabled=disabled)
    change.note(tx, user, "mailbox-user.disable" if disabled else "mailbox-user.enable")


def set_senders(tx: Connection, change: Change, user: MailboxUser, some: Iterable[Address]) -> None:
    """Which further addresses they may send from; raises MailboxUserError."""
    mailbox_users.set_senders(tx, user.account, some)
    change.note(tx, user, "mailbox-user.senders", addresses=mailbox_users.senders_of(tx, user.account))


def remove(tx: Connection, change: Change, user: MailboxUser, fate: Fate) -> None:
    """Ends a mailbox user. What there is much of follows some rows at a time (`moving.finish`, `deleting.finish`)."""
    change.note(tx, user, "mailbox-user.remove", mail=fate)
    if fate == "owner":
        moving.hand_over(tx, user.account, user.owner, change.now)
    else:
        departure_id = moving.end_mailbox_user(tx, user.account, change.by.name, change.now)
        deleting.delete_soon(tx, departure_id)


def move_earlier_mail(database: Database, user: MailboxUser) -> int:
    """Gives them the mail that came to the address before and is still their panel user's; how many messages.

    Some at a time, so that no writer waits; who is interrupted begins anew. Blocks; raises DatabaseError.
    """
    address, moved = Address.parse(user.address), 0
    while ids := database.read(lambda tx: mailbox.received_by(tx, user.owner, address, AT_ONCE)):
        moved += database.write(lambda tx, ids=ids: mailbox.give(tx, ids, user.owner, user.account))  # type: ignore[misc]
    return moved


def end_logins(tx: Connection, account: str) -> None:
    """Ends sessions, app passwords and tokens, used or not."""
    for table, column in _LOGINS:
        tx.execute(f"DELETE FROM {table} WHERE {column} = ?", (account,))
