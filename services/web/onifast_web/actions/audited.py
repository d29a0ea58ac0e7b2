"""What the audit trail is told of those who look into others' mail: the service token, and who visits a mailbox."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request
from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import Actor
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.values import mailbox_accounts
from onifast_shared.webhooks import telling

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web

_LONGEST_BROWSER = 300


@dataclass(frozen=True)
class ServiceAct:
    """A request of the service token's; `acting_for` is the user that it named, None for none."""

    actor: Actor
    acting_for: str | None

    def note(self, tx: Connection, action: str, row: EmailRow, now: float) -> None:
        """Records what is done to a message."""
        details = {"for": self.acting_for} if self.acting_for else {}
        audit.record(tx, self.actor, action, owner=row.owner, object=f"email:{row.id}", details=details, now=now)


def actor(caller: Caller) -> Actor:
    """Who makes this request, with what, and from where. What the service token does for a user, the panel does."""
    name = "panel" if caller.is_service else caller.on_record
    return Actor(name, caller.acts_with, request.remote_addr or "")


def visible_to(caller: Caller, owner: str | None) -> str | None:
    """Whose lines a caller sees who asks for those about `owner`: their own; of everybody's for administrators."""
    return owner if caller.manages is None else caller.manages


def note_login(web: Web, username: str, by: str) -> None:
    """Records that a user logged in, by `password` or `sso`."""
    _note_about(web, username, by, "login")


def note_lockout(web: Web, username: str) -> None:
    """Records that wrong passwords for a user shut their client out for a while."""
    _note_about(web, username, "password", "login.lockout")


def _note_about(web: Web, username: str, by: str, action: str) -> None:
    name = mailbox_accounts.shown(username)
    who = Actor(f"user:{name}" if action == "login" else "", by, request.remote_addr or "")
    browser, now = request.headers.get("User-Agent", "")[:_LONGEST_BROWSER], web.clock()

    def write(tx: Connection) -> None:
        audit.record(tx, who, action, owner=username, now=now)
        if action == "login":
            data = {"owner": name, "by": by, "ip": who.ip, "user_agent": browser}
            telling.tell(tx, username, "login", data, now)

    web.database.write(write)


def service_act(caller: Caller) -> ServiceAct | None:
    """This request, if it is the service token's, or that of a panel user who looks into a mailbox user's mailbox.

    What users do with their own mail is nobody's but theirs.
    """
    if caller.visited_by is not None:
        return ServiceAct(actor(caller), None)
    return ServiceAct(actor(caller), caller.username) if caller.is_service else None


def note_reading(web: Web, caller: Caller, action: str, row: EmailRow) -> None:
    """Records that a message is read, before it is shown: what cannot be recorded is not shown."""
    if (act := service_act(caller)) is not None:
        web.database.write(lambda tx: act.note(tx, action, row, web.clock()))
