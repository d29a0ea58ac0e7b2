"""Which of the recipients that mail was sent to a notification speaks of, and whether it is believed.

Anybody can write a notification, and each recipient of a message knows its Message-ID and the others' addresses. So it
is believed only where none of the other recipients can have written it: it brings back the envelope id that only the
recipient's servers were given; all recipients are of one domain; or it is proven to come from the recipient's domain,
or from that of the server that took the message. Where a domain is everybody's, a mail provider's, its users are
strangers to each other: there the only recipient is meant, or the provider's own programs have to be proven to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onifast_shared.queue import returns
from onifast_shared.queue.returns import SentRow
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.suffixes import Suffixes
from onifast_shared.values.well_known import WELL_KNOWN

from onifast_outbox.returns.values import ArrivedNotification, RecipientReport, ReturnReport

# Who reports for a provider, when it gives a reverse-path: complaints have one, as a rule.
_ROLES = frozenset(("abuse", "complaints", "fbl", "feedback", "mailer-daemon", "postmaster", "scomp", "staff"))


class TiedReport(NamedTuple):
    """What is said of one recipient, the row that it is about (None for none), and whether that is believed."""

    said: RecipientReport
    row: SentRow | None
    believed: bool


def tie(
    report: ReturnReport, rows: Sequence[SentRow], arrived: ArrivedNotification, key: bytes | None, suffixes: Suffixes
) -> list[TiedReport]:
    """The report's parts, each with its row. No row is taken twice."""
    tied, taken = list[TiedReport](), set[int]()
    for said in report.recipients or (RecipientReport(""),):
        row = _row(said, [each for each in rows if each.is_theirs and each.id not in taken], report, key)
        if row is None:
            tied.append(TiedReport(said, None, believed=False))
            continue
        taken.add(row.id)
        believed = arrived.folder != "junk" and (
            arrived.is_ours
            or returns.proves(key, report.envid, row)
            or _knows_alone(row, rows, suffixes)
            or _is_proven(arrived, row, suffixes)
        )
        tied.append(TiedReport(said, row, believed=believed))
    return tied


def _row(said: RecipientReport, rows: Sequence[SentRow], report: ReturnReport, key: bytes | None) -> SentRow | None:
    """The row of a recipient; where the address is another one, beyond a forward, the only one that it can be."""
    for name in (said.original, said.address):
        for row in sorted(rows, key=lambda each: each.status != "sent"):
            if name and _folded(name) == _folded(row.recipient):
                return row
    if len(rows) == 1:
        return rows[0]
    proven = [row for row in rows if returns.proves(key, report.envid, row)]
    return proven[0] if len(proven) == 1 else None


def _folded(address: str) -> str:
    try:
        return Address.parse(address).key.lower()
    except AddressError:
        return address.lower()


def _knows_alone(row: SentRow, rows: Sequence[SentRow], suffixes: Suffixes) -> bool:
    """Whether nobody but the recipient's side was sent the message."""
    if {each.domain for each in rows} != {row.domain}:
        return False
    return not _is_everybodys(row, suffixes) or {_folded(each.recipient) for each in rows} == {_folded(row.recipient)}


def _is_proven(arrived: ArrivedNotification, row: SentRow, suffixes: Suffixes) -> bool:
    """Whether it comes from the recipient's side; of a provider, from its own programs rather than from a user."""
    expected = _expected(row, suffixes)
    if not _proven(arrived, suffixes) & expected:
        return False
    if not _is_everybodys(row, suffixes) or not arrived.reverse_path:
        return True
    local, _, domain = arrived.author.lower().rpartition("@")
    return local in _ROLES and suffixes.organizational(domain) in expected


def _is_everybodys(row: SentRow, suffixes: Suffixes) -> bool:
    return suffixes.organizational(row.domain.lower()) in WELL_KNOWN


def _proven(arrived: ArrivedNotification, suffixes: Suffixes) -> set[str]:
    """The organisations that the notification is proven to come from: by DMARC, DKIM, or SPF of the client's name."""
    found, authentication = list[object](), arrived.authentication
    if authentication.get("dmarc") == "pass":
        found.append(arrived.author.rpartition("@")[2])
    signers = authentication.get("dkim_domains")
    found += signers if isinstance(signers, list) else []
    if authentication.get("spf") == "pass":
        found.append(authentication.get("spf_domain"))
    return {suffixes.organizational(each.lower()) for each in found if isinstance(each, str) and each}


def _expected(row: SentRow, suffixes: Suffixes) -> set[str]:
    """The organisations that may speak of a recipient: their domain's, and that of the server that took the message."""
    host = row.host.partition("[")[0]
    return {suffixes.organizational(each.lower()) for each in (row.domain, host) if each}
