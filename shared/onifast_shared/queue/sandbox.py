"""The sandbox: domains whose mail is captured instead of sent, and what may become of captured mail.

Beside it stands the setting `delivery = sandbox`, which captures all mail of the installation to foreign domains. A
domain's sandbox captures what the domain sends, whoever it is for, in this host's mailboxes too; what the domain's
addresses forward is not its own mail, and a notice of the mail system belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

_NOT_THE_DOMAINS = ("forward", "bounce")


@dataclass(frozen=True)
class SandboxedDomain:
    """A domain in the sandbox, since when, by whom ('' for an administrator's command), and how much was captured."""

    domain: str
    since_ts: int
    set_by: str
    captured: int


def put(tx: Connection, domain: str, set_by: str, now: float) -> bool:
    """Has the domain's mail captured from now on; False if it was so before."""
    sql = "INSERT OR IGNORE INTO sandbox_domains (domain, since_ts, set_by) VALUES (?, ?, ?)"
    tx.execute(sql, (domain, int(now), set_by))
    return tx.changes() > 0


def remove(tx: Connection, domain: str) -> bool:
    """Lets the domain's mail out from now on; what was captured stays captured. False if it was not in the sandbox."""
    tx.execute("DELETE FROM sandbox_domains WHERE domain = ?", (domain,))
    return tx.changes() > 0


def list_all(tx: Connection) -> list[SandboxedDomain]:
    """Every domain in the sandbox, by name."""
    rows: list[tuple[Any, ...]] = tx.execute(
        "SELECT domain, since_ts, coalesce(set_by, '') FROM sandbox_domains ORDER BY domain"
    ).fetchall()
    return [SandboxedDomain(domain, since, by, captured(tx, domain)) for domain, since, by in rows]


def captured(tx: Connection, domain: str) -> int:
    """How many recipients' copies a domain's sandbox holds."""
    sql = "SELECT count(*) FROM outbox WHERE sandbox_domain = ? AND status = 'sandboxed'"
    return int(tx.execute(sql, (domain,)).get)


def captures(tx: Connection, origin: str, senders: Iterable[str]) -> str | None:
    """The domain whose sandbox captures a message: `senders` are the domains of its envelope's sender and its From."""
    if origin in _NOT_THE_DOMAINS:
        return None
    for domain in senders:
        if tx.execute("SELECT 1 FROM sandbox_domains WHERE domain = ?", (domain.lower(),)).get:
            return domain.lower()
    return None


def mark(tx: Connection, outbox_id: int, domain: str | None) -> None:
    """Notes whose sandbox captured a row; None for the installation's."""
    tx.execute("UPDATE outbox SET sandbox_domain = ? WHERE id = ?", (domain, outbox_id))


def let_out(tx: Connection, ids: Iterable[int]) -> set[int]:
    """Those of the rows that somebody let out: no sandbox captures them again."""
    sql = "SELECT 1 FROM outbox WHERE id = ? AND let_out = 1"
    return {row_id for row_id in ids if tx.execute(sql, (row_id,)).get}


def may_let_out(tx: Connection, owner: str | None, outbox_id: int) -> bool:
    """Whether a user may have a captured row sent after all; None stands for an administrator.

    It has to be their mail, captured by the sandbox of their domain: an installation that is one keeps what it captures
    until an administrator says otherwise, and so does a domain of somebody else for those who have addresses in it.
    """
    row = tx.execute("SELECT owner, sandbox_domain FROM outbox WHERE id = ?", (outbox_id,)).fetchone()
    if row is None or owner is None:
        return row is not None
    return row[0] == owner and bool(row[1]) and addresses.domain_owner(tx, row[1]) == owner


def release(tx: Connection, owner: str | None, ids: Iterable[int], now: float) -> list[int]:
    """Has captured rows sent to those whom they are for; returns the ids of those that it changed."""
    return [row_id for row_id in ids if _let_out(tx, owner, row_id, now)]


def redirect(tx: Connection, owner: str | None, ids: Iterable[int], to: Address, now: float) -> list[int]:
    """Has captured rows sent to another address instead; returns the ids of those that it changed."""
    return [row_id for row_id in release(tx, owner, ids, now) if _readdress(tx, row_id, to)]


def _let_out(tx: Connection, owner: str | None, row_id: int, now: float) -> bool:
    if not may_let_out(tx, owner, row_id):
        return False
    tx.execute(
        """
        UPDATE outbox SET status = 'pending', let_out = 1, attempts = 0, last_error = '', release_ts = 0,
                          next_attempt_ts = 0, queued_ts = ?
        WHERE id = ? AND status = 'sandboxed'
        """,
        (int(now), row_id),
    )
    return tx.changes() > 0


def _readdress(tx: Connection, row_id: int, to: Address) -> bool:
    """Who the message was for stays on record; their sender's wishes about notices (RFC 3461) were about them."""
    bind: tuple[Any, ...] = (str(to), int(to.needs_smtputf8), row_id)
    tx.execute(
        """
        UPDATE outbox SET original_recipient = coalesce(original_recipient, recipient), recipient = ?,
                          smtputf8 = max(smtputf8, ?), dsn_orcpt = NULL, dsn_notify = NULL
        WHERE id = ?
        """,
        bind,
    )
    return tx.changes() > 0
