"""TLS outwards: domains whose servers once proved who they are, kept MTA-STS policies, TLS reports that were sent."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.tls import history as tls_history
from onifast_shared.tls import results as tls_results
from onifast_shared.tls import sts_policies
from onifast_shared.tls.history import TlsMemory
from onifast_shared.tls.results import TlsReport
from onifast_shared.tls.sts_policies import StoredPolicy
from onifast_shared.values import times
from onifast_shared.values.address import AddressError, parse_domain
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found


class TlsQuery(Model):
    """With `downgraded` only domains that have less now than they had."""

    downgraded: bool = False


class DomainQuery(Model):
    """Which domain."""

    domain: Annotated[str, Field(max_length=255)]


class Downgrade(Model):
    """So many `connections` had less since the domain was last good, the last of them `at` that time."""

    connections: int
    at: Moment
    level: str
    host: str
    why: str


class DomainTls(Model):
    """A domain's best: `level` is one of verified, mta-sts, dane, requiretls. `good_at` is exact to the day."""

    domain: str
    level: str
    host: str
    good_at: Moment
    downgrade: Downgrade | None


class KeptPolicy(Model):
    """An MTA-STS policy: `mode` is enforce, testing or none."""

    domain: str
    mode: str
    policy: str
    fetched_at: Moment
    expires_at: Moment


class SentReport(Model):
    """A day's TLS report: `state` is sent (queued, if by mail), posting (it will be tried again) or failed."""

    day: str
    domain: str
    place: str
    state: str
    detail: str


class TlsState(Model):
    """What is known of other sites' TLS, and the reports that they were sent."""

    domains: list[DomainTls]
    policies: list[KeptPolicy]
    reports: list[SentReport]


def show(call: Call) -> TlsState:
    """What is known, the newest downgrade first; at most 500 of each."""
    query: TlsQuery = call.query

    def look(tx: Connection) -> TlsState:
        return TlsState(
            domains=[_domain(item) for item in tls_history.list_all(tx, downgraded=query.downgraded)],
            policies=[_policy(item) for item in sts_policies.list_all(tx)],
            reports=[_report(item) for item in tls_results.list_reports(tx)],
        )

    return call.web.database.read(look)


def forget(call: Call) -> None:
    """Forgets that a domain had good TLS: somebody knows why it has less now."""
    query: DomainQuery = call.query
    try:
        domain = parse_domain(query.domain)
    except AddressError:
        raise not_found("domain") from None
    if not call.web.database.write(lambda tx: tls_history.forget(tx, domain)):
        raise not_found("domain")


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/tls",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "How well connections to other sites are protected, and where they are less so than they were",
        show,
        TlsQuery,
        answer=TlsState,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/tls",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Forget that a domain had good TLS",
        forget,
        DomainQuery,
        status=204,
        failures={404: "Nothing is remembered of this domain."},
    ),
)


def _domain(item: TlsMemory) -> DomainTls:
    return DomainTls(
        domain=item.domain,
        level=item.level,
        host=item.host,
        good_at=times.rfc3339(item.good_ts),
        downgrade=_downgrade(item),
    )


def _downgrade(item: TlsMemory) -> Downgrade | None:
    if not item.is_downgraded or item.downgraded_ts is None:
        return None
    return Downgrade(
        connections=item.downgrades,
        at=times.rfc3339(item.downgraded_ts),
        level=item.downgraded_level,
        host=item.downgraded_host,
        why=item.downgraded_why,
    )


def _policy(item: StoredPolicy) -> KeptPolicy:
    return KeptPolicy(
        domain=item.domain,
        mode=item.mode,
        policy=item.body.decode("utf-8", "replace"),
        fetched_at=times.rfc3339(item.fetched_ts),
        expires_at=times.rfc3339(item.expires_ts),
    )


def _report(item: TlsReport) -> SentReport:
    return SentReport(day=item.day, domain=item.policy_domain, place=item.uri, state=item.state, detail=item.detail)
