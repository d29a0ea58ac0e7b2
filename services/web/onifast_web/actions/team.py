"""What members of a shared mailbox do there, in webmail and API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onifast_shared.accounts import shared_mailboxes
from onifast_shared.accounts.shared_mailboxes import SharedMailbox
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import team_marks
from onifast_shared.mailboxes.team_marks import TeamMark
from onifast_shared.values import mailbox_accounts

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _

KEEP = "\0"
"""Stands for an assignment that stays as it is: no account is called so."""


@dataclass(frozen=True)
class TeamChange:
    """What becomes of marks: `assigned_to` an account, None for nobody; the others None to stay as they are."""

    assigned_to: str | None = KEEP
    done: bool | None = None
    answering: bool | None = None


def mailbox_of(tx: Connection, caller: Caller) -> SharedMailbox:
    """The shared mailbox that the caller has opened; raises Problem(403)."""
    found = shared_mailboxes.find(tx, caller.username or "") if caller.member else None
    if found is None:
        raise Problem(403, _("Only in a shared mailbox."))
    return found


def member_named(mailbox: SharedMailbox, name: str) -> str:
    """The account of a member, by user name or address; raises ValueError."""
    for each in mailbox.members:
        if mailbox_accounts.shown(each).lower() == name.strip().lower():
            return each
    raise ValueError(_("%(name)s is no member of %(address)s", name=f"{name[:80]!r}", address=mailbox.address))


def change(web: Web, caller: Caller, ids: Iterable[int], wanted: TeamChange) -> dict[int, TeamMark]:
    """Changes the marks of messages, all or none; raises Problem(403), and Problem(404) for an id that is not there."""
    numbers, now, member = list(ids), web.clock(), caller.member or ""

    def write(tx: Connection) -> dict[int, TeamMark]:
        account = mailbox_of(tx, caller).account
        found = team_marks.of(tx, account, numbers, now)
        if len(found) < len(numbers):
            raise not_found()
        for number in numbers:
            if wanted.assigned_to != KEEP:
                team_marks.assign(tx, account, number, wanted.assigned_to)
            if wanted.done is not None:
                team_marks.set_done(tx, account, number, member if wanted.done else None, now)
            if wanted.answering:
                team_marks.begin_answer(tx, account, number, member, now)
        if wanted.answering is False:
            team_marks.end_answers(tx, account, member)
        return team_marks.of(tx, account, numbers, now)

    return web.database.write(write)


def of(web: Web, caller: Caller, email_id: int) -> TeamMark | None:
    """The marks of a message in the shared mailbox that the caller has opened; None where they are in their own."""
    if caller.member is None:
        return None
    account = caller.username or ""
    found: Mapping[int, TeamMark] = web.database.read(lambda tx: team_marks.of(tx, account, [email_id], web.clock()))
    return found.get(email_id)
