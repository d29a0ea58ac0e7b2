"""What panel users do with their mailbox users, and these with their own password, in webmail and API."""

from __future__ import annotations

from collections.abc import Callable

from onifast_shared.accounts import mailbox_users, passwords
from onifast_shared.accounts.mailbox_users import MailboxUser, NotTheirAddress
from onifast_shared.db.database import Connection
from onifast_shared.departed import moving
from onifast_shared.machine import log
from onifast_shared.recipients import addresses, mailbox_changes
from onifast_shared.recipients.mailbox_changes import Change, Fate
from onifast_shared.values.address import Address

from onifast_web.access import auth
from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import audited
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _

_logger = log.get("web")
_PATIENCE = 2.0
"""Seconds that a request waits for mail to be moved; outbox does the rest."""


def find(web: Web, caller: Caller, address: Address) -> MailboxUser:
    """One of the caller's mailbox users, of everybody's for administrators; raises Problem(404)."""
    return web.database.read(lambda tx: find_in(tx, caller, address))


def find_in(tx: Connection, caller: Caller, address: Address) -> MailboxUser:
    """The same within a transaction; raises Problem(404)."""
    found = mailbox_users.find_for(tx, address, caller.manages)
    if found is None:
        raise not_found("mailbox user")
    return found


def create(
    web: Web, caller: Caller, address: Address, password: str | None, *, move_mail: bool
) -> tuple[MailboxUser, int]:
    """Makes an address a mailbox user; also how many earlier messages went to them.

    Raises NotTheirAddress, another MailboxUserError, or ValueError for a password that cannot be.
    """
    hashed, made_by = hash_of(web, password), _change(web, caller)

    def make(tx: Connection) -> MailboxUser:
        owner = caller.manages or next(iter(addresses.owners_of(tx, address)), None)
        if owner is None:
            raise NotTheirAddress(_("%(address)s is nobody's address", address=address))
        return mailbox_changes.create(tx, made_by, address, owner, hashed)

    made = web.database.write(make)
    log.event(_logger, "mailbox-user-created", address=made.address, owner=made.owner, by=caller.on_record)
    return made, mailbox_changes.move_earlier_mail(web.database, made) if move_mail else 0


def change(
    web: Web, caller: Caller, address: Address, fn: Callable[[Connection, Change, MailboxUser], None]
) -> MailboxUser:
    """Changes one of the caller's mailbox users in one transaction; raises Problem(404), and what `fn` raises."""
    made_by = _change(web, caller)

    def write(tx: Connection) -> MailboxUser:
        found = find_in(tx, caller, address)
        fn(tx, made_by, found)
        return mailbox_users.find(tx, found.account) or found

    found = web.database.write(write)
    log.event(_logger, "mailbox-user-changed", address=found.address, owner=found.owner, by=caller.on_record)
    return found


def remove(web: Web, caller: Caller, address: Address, fate: Fate) -> None:
    """Ends one of the caller's mailbox users; raises Problem(404)."""
    made_by = _change(web, caller)

    def write(tx: Connection) -> MailboxUser:
        found = find_in(tx, caller, address)
        mailbox_changes.remove(tx, made_by, found, fate)
        return found

    found = web.database.write(write)
    log.event(_logger, "mailbox-user-removed", address=found.address, owner=found.owner, mail=fate)
    moving.finish(web.database, _PATIENCE)


def choose_password(web: Web, caller: Caller, current: str, new: str) -> None:
    """Another password of the caller's own choice, who is a mailbox user and says the one that they have.

    Raises ValueError where that is wrong, or the new one cannot be; Problem(403) for who is no mailbox user.
    """
    account = caller.username
    found = web.database.read(lambda tx: mailbox_users.find(tx, account)) if account and caller.belongs_to else None
    if found is None:
        raise Problem(403, _("Your password is changed in the panel."))
    passwords.check_new(new)
    if found.has_password and web.directory.opened_by(web.directory.named(found.address), current) is None:
        raise ValueError(_("that is not your password"))
    hashed, made_by = hash_of(web, new), _change(web, caller)
    web.database.write(lambda tx: mailbox_changes.choose_password(tx, made_by, found, hashed or ""))
    log.event(_logger, "mailbox-user-password", address=found.address, by=caller.on_record)


def visit(web: Web, caller: Caller, address: Address) -> None:
    """Opens the mailbox of one of the caller's mailbox users, to be read in this session; it is written down.

    Raises Problem(403) where the setting does not let them, and Problem(404).
    """
    if not web.settings.owners_read_mailboxes or caller.username is None or caller.acts_with != "session":
        raise Problem(403, _("Mailbox users' mail is theirs alone on this server."))
    found = web.database.read(lambda tx: mailbox_users.by_address(tx, address, caller.username or ""))
    if found is None:
        raise not_found("mailbox user")
    visited_by = _change(web, caller)
    web.database.write(lambda tx: visited_by.note(tx, found, "mailbox-user.visit"))
    auth.visit(found.account)


def hash_of(web: Web, password: str | None) -> str | None:
    """A password's hash, made in a turn as checks are; None for none. Raises ValueError."""
    if password is None:
        return None
    passwords.check_new(password)
    with web.password_checks:
        return passwords.hashed(password)


def _change(web: Web, caller: Caller) -> Change:
    return Change(audited.actor(caller), web.clock())
