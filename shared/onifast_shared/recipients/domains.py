"""Domains of this server and their owners: the store of `domains`, as administrators change it.

A row comes with a domain's first address, whoever writes that, and stays when its last address is gone: mail for it is
then still this server's, and refused. Only who removes the domain gives its mail back to its MX hosts.
"""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.machine.config import Settings
from onifast_shared.values import stored_forms
from onifast_shared.values.paging import MOST_ROWS, Page, cut_by_name
from onifast_shared.values.set_aside import LIVE


@dataclass(frozen=True)
class DomainRow:
    """A row of `domains`; `owner` is "" where nobody owns it, and `created_at` the text that stands there.

    `addresses` is their number; `alias_of` the domain whose addresses it has as well, "" for none; `mta_sts` the mode
    of its MTA-STS policy, "" for the setting's. `dns` is what its DNS came to when somebody looked last (`good`,
    `wrong`, `unknown`), "" where nobody did, and `dns_checked_ts` when that was.
    """

    domain: str
    owner: str
    created_at: str
    addresses: int
    alias_of: str
    mta_sts: str
    dns: str
    dns_checked_ts: int | None


MTA_STS_MODES = ("off", "none", "testing", "enforce")
"""What a domain's MTA-STS policy may say (RFC 8461 section 3.2), and `off` for no policy at all."""


@dataclass(frozen=True)
class DomainFilter:
    """Which domains a list has: an owner's, and those that `q` is a part of, or of whose owner's name."""

    owner: str | None = None
    q: str = ""


def list_page(
    tx: Connection, username: str | None, wanted: DomainFilter, limit: int = MOST_ROWS, cursor: str | None = None
) -> Page[DomainRow]:
    """A page of the domains that a user owns (all for None), by name; `cursor` is the last one of the page before."""
    where, bind = ["domain > ?", LIVE], list[SqlValue]([cursor or ""])
    for owner in {username, wanted.owner} - {None}:
        where.append("owner = ?")
        bind.append(owner)
    if wanted.q:
        parts = stored_forms.searched(f"@{wanted.q}")
        where.append(f"({' OR '.join(['instr(lower(domain), lower(?))'] * len(parts))} OR instr(owner, ?))")
        bind += [*(part.removeprefix("@") for part in parts), wanted.q]
    sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY domain LIMIT ?"
    return cut_by_name([DomainRow(*row) for row in tx.execute(sql, [*bind, limit + 1])], limit, lambda row: row.domain)


def find(tx: Connection, domain: str) -> DomainRow | None:
    """A domain's row."""
    row = tx.execute(f"{_SELECT} WHERE domain IN (?, ?)", stored_forms.of_domain(domain)).fetchone()
    return None if row is None else DomainRow(*row)


def add(tx: Connection, domain: str, owner: str) -> bool:
    """Makes a domain this server's, without any address yet; False if it is already."""
    if find(tx, domain) is not None:
        return False
    tx.execute("INSERT INTO domains (domain, owner) VALUES (?, ?)", (domain, owner))
    return True


def set_owner(tx: Connection, domain: str, owner: str) -> bool:
    """Gives a domain to another user: its keys, its catch-all and what nobody has of it. Its addresses stay whose they
    are. False if there is none.
    """
    tx.execute("UPDATE domains SET owner = ? WHERE domain IN (?, ?)", (owner, *stored_forms.of_domain(domain)))
    return tx.changes() > 0


def set_mta_sts(tx: Connection, domain: str, mode: str) -> bool:
    """Gives a domain an MTA-STS policy, one of MTA_STS_MODES, or "" for the setting's; False if there is no domain."""
    tx.execute("UPDATE domains SET mta_sts = ? WHERE domain IN (?, ?)", (mode, *stored_forms.of_domain(domain)))
    return tx.changes() > 0


def mta_sts_mode(tx: Connection, domain: str, settings: Settings) -> str:
    """The mode of the MTA-STS policy that web serves for a domain; `off` for none."""
    own = tx.execute("SELECT mta_sts FROM domains WHERE domain IN (?, ?)", stored_forms.of_domain(domain)).get
    return str(own) if own in MTA_STS_MODES else settings.mta_sts_mode


def remove(tx: Connection, domain: str) -> bool:
    """Takes a domain away with its addresses, their forwards, its aliases, and what was set for it; its mail stays.

    False if there is none. Its keys are files, and stay.
    """
    forms = stored_forms.of_domain(domain)
    found = tx.execute("SELECT 1 FROM domains WHERE domain IN (?, ?)", forms).fetchone() is not None
    for table, condition in _BELONGINGS:
        tx.execute(f"DELETE FROM {table} WHERE {condition}", forms)
    return found


_AT = "lower(substr({0}, instr({0}, '@') + 1)) IN (?1, ?2)"
_BELONGINGS = (
    ("mail_quotas", f"scope = 'address' AND {_AT.format('name')}"),
    ("mail_forwards", _AT.format("address")),
    ("mail_addresses", _AT.format("address")),
    ("domain_aliases", "lower(alias) IN (?1, ?2) OR lower(domain) IN (?1, ?2)"),
    ("sandbox_domains", "lower(domain) IN (?1, ?2)"),
    ("sending_limits", "scope = 'domain' AND name IN (?1, ?2)"),
    ("source_addresses", "domain IN (?1, ?2)"),
    ("domains", "domain IN (?1, ?2)"),
)
_SELECT = """
    SELECT domain, coalesce(owner, ''), coalesce(created_at, ''),
        (SELECT count(*) FROM mail_addresses a
         WHERE lower(substr(a.address, instr(a.address, '@') + 1)) = lower(domains.domain)),
        coalesce((SELECT d.domain FROM domain_aliases d WHERE lower(d.alias) = lower(domains.domain)), ''),
        mta_sts,
        coalesce((SELECT c.standing FROM domain_checks c WHERE c.domain = domains.domain), ''),
        (SELECT c.checked_ts FROM domain_checks c WHERE c.domain = domains.domain)
    FROM domains
"""
