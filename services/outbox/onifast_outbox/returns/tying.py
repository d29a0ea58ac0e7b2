"""Which of the recipients that mail was sent to a notification speaks of, and whether it is believed.

Anybody can write a notification, and a Message-ID is no secret: each recipient has it, with the others' addresses, and
so does everybody to whom an answer goes (References). So it is believed only where it brings back the envelope id that
only the recipient's servers were given; where it is proven to come from the recipient's domain, or from the server that
took the message or another of its organisation; or where all recipients are of one domain and it sends back the header
section, by whose Received fields only who got the message itself knows its queue id. The last proves less, since a
mailing list's readers get it too. Where a domain is everybody's, a mail provider's, its users are strangers to each
other: there the only recipient is meant, or the provider's own programs have to be proven to write.
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
    """What is said of one recipient, the row that it is about (None for none), and whether that is believed.

    `proven` says that the recipient's side wrote it, and nobody else who has the message.
    """

    said: RecipientReport
    row: SentRow | None
    believed: bool
    proven: bool = False


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
        proven = arrived.is_ours or returns.proves(key, report.envid, row) or _is_proven(arrived, row, suffixes)
        believed = proven or (row.queue_id in report.queue_ids and _knows_alone(row, rows, suffixes))
        can_be = arrived.folder != "junk"
        tied.append(TiedReport(said, row, believed=believed and can_be, proven=proven and can_be))
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
    if not arrived.reverse_path and _client(arrived)[0] == row.address != "":
        return True
    if not _proven(arrived, suffixes) & expected:
        return False
    if not _is_everybodys(row, suffixes) or not arrived.reverse_path:
        return True
    local, _, domain = arrived.author.lower().rpartition("@")
    return local in _ROLES and suffixes.organizational(domain) in expected


def _is_everybodys(row: SentRow, suffixes: Suffixes) -> bool:
    return suffixes.organizational(row.domain.lower()) in WELL_KNOWN


def _proven(arrived: ArrivedNotification, suffixes: Suffixes) -> set[str]:
    """The organisations that the notification is proven to come from: by DMARC, DKIM, or SPF or iprev of the client."""
    found, authentication = list[object](), arrived.authentication
    if not arrived.reverse_path:  # what a server's users send has one
        found.append(_client(arrived)[1])
    if authentication.get("dmarc") == "pass":
        found.append(arrived.author.rpartition("@")[2])
    signers = authentication.get("dkim_domains")
    found += signers if isinstance(signers, list) else []
    if authentication.get("spf") == "pass":
        found.append(authentication.get("spf_domain"))
    return {suffixes.organizational(each.lower()) for each in found if isinstance(each, str) and each}


def _client(arrived: ArrivedNotification) -> tuple[str, str]:
    """The address of the server that brought it, and the name that leads to it and back (RFC 8601 section 3)."""
    details = arrived.authentication.get("details")
    iprev = details.get("iprev") if isinstance(details, dict) else None
    if not isinstance(iprev, dict):
        return "", ""
    passes = arrived.authentication.get("iprev") == "pass"
    return str(iprev.get("ip") or ""), str(iprev.get("name") or "").rstrip(".") if passes else ""


def _expected(row: SentRow, suffixes: Suffixes) -> set[str]:
    """The organisations that may speak of a recipient: their domain's, and that of the server that took the message."""
    host = row.host.partition("[")[0]
    return {suffixes.organizational(each.lower()) for each in (row.domain, host) if each}
