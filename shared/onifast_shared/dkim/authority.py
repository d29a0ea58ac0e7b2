"""Whose mail a domain's key may sign: that of who owns the author's address or its domain, and of nobody else.

A signature says that the domain stands for the message. What comes from a network that may relay, or from a user whom
`sender_ownership = warn` lets use a foreign address, is delivered, but signed with no one's key but their own.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from onifast_shared.accounts.panel_users import AccountError, UserDirectory
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import Submission
from onifast_shared.recipients import addresses
from onifast_shared.recipients.addresses import ROLES, Local
from onifast_shared.values import stored_forms, submitters
from onifast_shared.values.address import Address


@dataclass(frozen=True)
class MessageWriter:
    """Who wrote a message, as its queue rows tell; `who` is for the log.

    `trusted`: the panel or a script with access to the database, or a program of ours. `account` is the user, if
    anybody knows; `is_local` a program on this machine.
    """

    who: str
    account: str | None = None
    trusted: bool = False
    is_local: bool = False
    logged_in: bool = False


class Authority:
    """Judges by the settings and the panel's users, whose files are read only where nothing else allows a message."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._users = UserDirectory(settings)

    def writer_of(self, submission: Submission) -> MessageWriter:
        """Who wrote a message. The author of a forwarded one is in `written_by`: its forwarder did not write it."""
        if submission.origin == "forward":
            return self._writer(submission.written_by or "somebody elsewhere", None)
        if submission.submitted_by is None:
            # Neither smtpd nor web queues anything without saying whose it is: the row is ours, or a script's.
            account = submission.owner or None
            return MessageWriter(account or "this server", account, trusted=account is None)
        return self._writer(submission.submitted_by, submission.owner)

    def allows(self, tx: Connection, submission: Submission, author: Address, domain: str) -> bool:
        """Whether the key of `domain`, the author's or one above it, may sign a message with this From."""
        writer, settings = self.writer_of(submission), self._settings
        if writer.trusted:
            return True
        if author.domain == domain == settings.hostname and writer.is_local and _is_own_name(author, writer):
            return True
        if writer.account is None:
            return False
        if domain == author.domain:
            owned = _has(tx, writer.account, author, settings)
        else:
            owned = _has_whole_domain(tx, writer.account, domain)
        if owned:
            return True
        return writer.logged_in and self._is_administrator(writer.account)

    def _writer(self, submitted_by: str, owner: str | None) -> MessageWriter:
        if submitted_by == submitters.PANEL:
            return MessageWriter("the panel", trusted=True)
        if (account := submitters.user_of(submitted_by)) is not None:
            return MessageWriter(submitted_by, account, logged_in=True)
        if (account := submitters.unix_user_of(submitted_by)) is not None:
            trusted = account == "root" or account in self._settings.dkim_shared_users
            return MessageWriter(submitted_by, account, trusted=trusted, is_local=True)
        return MessageWriter(submitted_by, owner, is_local=_is_loopback(submitted_by, self._settings))

    def _is_administrator(self, username: str) -> bool:
        try:
            user = self._users.get(username)
        except AccountError:
            return False
        return user is not None and user.is_admin


def _is_own_name(author: Address, writer: MessageWriter) -> bool:
    """Whether a local program sends as its own Unix user, or as one of the names that those use who have no other."""
    local = author.local.lower()
    return local in ROLES or local == (writer.account or "").lower()


def _has(tx: Connection, username: str, author: Address, settings: Settings) -> bool:
    if addresses.owns(tx, username, author) or addresses.domain_owner(tx, author.domain) == username:
        return True
    resolution = addresses.resolve(tx, author, settings)
    return isinstance(resolution, Local) and resolution.owner == username


def _has_whole_domain(tx: Connection, username: str, domain: str) -> bool:
    """Whether a domain is a user's: by the table of domains, or since all addresses that there are in it are theirs."""
    owner = addresses.domain_owner(tx, domain)
    if owner is not None:
        return owner == username
    sql = "SELECT DISTINCT owner FROM mail_addresses WHERE lower(substr(address, instr(address, '@') + 1)) IN (?, ?)"
    return [row[0] for row in tx.execute(sql, stored_forms.of_domain(domain))] == [username]


def _is_loopback(text: str, settings: Settings) -> bool:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(ip in network for network in settings.loopback_networks)
