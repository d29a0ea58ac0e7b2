"""What is known here of a domain's mail, gathered from settings, database and keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onifast_shared.db.database import Connection, Database
from onifast_shared.dkim import report
from onifast_shared.dkim.rotation import Rotations
from onifast_shared.dkim.selectors import RETIRED
from onifast_shared.domain_dns.records import MailFacts, MailService
from onifast_shared.machine import own_addresses
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_shared.recipients import addresses, domains
from onifast_shared.transport import relay, sources
from onifast_shared.values import submitters


def facts_of(database: Database, settings: Settings, domain: str) -> MailFacts:
    """What DNS is held against; raises DkimKeyError for a key of no use."""
    keys = report.of(Rotations(database, settings).standing(domain))
    leaving, has_relay = database.read(lambda tx: _way_out(tx, settings, domain))
    sts_mode = database.read(lambda tx: domains.mta_sts_mode(tx, domain, settings))
    return MailFacts(
        domain,
        settings.hostname,
        leaving,
        has_relay,
        tuple(key.record for key in keys.keys if key.state != RETIRED),
        tuple(_services(settings)),
        sts_mode,
        own_addresses.public(),
    )


def _way_out(tx: Connection, settings: Settings, domain: str) -> tuple[tuple[str, ...], bool]:
    """The addresses that a domain's mail leaves from, if they are set, and whether it leaves by a relay."""
    owner = addresses.domain_owner(tx, domain)
    by = submitters.by_user(owner) if owner else None
    chosen = sources.sources_for(tx, f"postmaster@{domain}", by, settings.source_addresses)
    try:
        has_relay = relay.get(tx) is not None
    except relay.RelayError:
        has_relay = True
    return tuple(source.address for source in chosen.by_family.values()), has_relay


def _services(settings: Settings) -> Iterator[MailService]:
    """What mail programs use here: sending, and reading where a setting says that there is an IMAP server."""
    for name, listens in (("submissions", settings.submissions_listen), ("submission", settings.submission_listen)):
        if port := _port(listens):
            yield MailService(name, settings.hostname, port)
    if settings.imap_host:
        name = "imaps" if settings.imap_security == "tls" else "imap"
        yield MailService(name, settings.imap_host, settings.imap_port)


def _port(listens: Iterable[Listen]) -> int:
    """The TCP port that a service listens on, 0 for none."""
    return next((listen.port for listen in listens if listen.port), 0)
