"""MTA-STS (RFC 8461): finds out a domain's policy, and keeps it for as long as it says."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.dns import DNSError, Resolver
from onifast_shared.tls import sts_policies
from onifast_shared.tls.sts_policies import StoredPolicy

from onifast_outbox import maillog
from onifast_outbox.http_client import BadCertificate, HttpClient, HttpError
from onifast_outbox.tls_policy.requirement import ResultType, TlsTrouble
from onifast_outbox.tls_policy.sts_policy import PolicyError, StsPolicy, parse_policy, parse_record

MOST_BYTES = 64 * 1024
"""The largest policy that is read (RFC 8461 section 3.3)."""

# After a failed fetch the next one waits this long (RFC 8461 section 3.3), in seconds.
RETRY_AFTER = 300

# Domains whose failures are remembered at one time.
_MOST_FAILURES = 10_000


@dataclass(frozen=True)
class StsFinding:
    """The policy that holds, and what was wrong with finding it out. Both may be had: then the kept one holds."""

    policy: StsPolicy | None = None
    trouble: TlsTrouble | None = None


class FetchFailed(Exception):
    """The policy that the DNS announces cannot be had."""

    def __init__(self, trouble: TlsTrouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


class StsPolicies:
    """The policies of all domains, through the database's cache. `port` is where policy servers listen."""

    def __init__(
        self,
        db: Database,
        resolver: Resolver,
        client: HttpClient,
        *,
        port: int = 443,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._resolver = resolver
        self._client = client
        self._port = port
        self._now = now
        self._fetching: dict[str, asyncio.Task[StsPolicy]] = {}
        self._failures: dict[str, tuple[float, TlsTrouble]] = {}

    async def of(self, domain: str) -> StsFinding:
        """The policy that holds for mail to `domain` now. Raises DatabaseError.

        A kept policy holds until it expires, whatever the DNS and the policy's server say or do not say: who can block
        them must not be able to switch it off (RFC 8461 section 3.3).
        """
        now = self._now()
        kept, announced = await asyncio.gather(
            self._db.aread(lambda tx: sts_policies.get(tx, domain, now)), self._announced(domain)
        )
        if announced is None or (kept and kept.policy_id == announced):
            await self._note_use(kept, now)
            return StsFinding(_parsed(kept))
        try:
            return StsFinding(await self._fetch_once(domain, announced))
        except FetchFailed as failed:
            return StsFinding(_parsed(kept), failed.trouble)

    async def refresh(self) -> int:
        """Fetches anew what was not confirmed for a while; how many policies were tried. Raises DatabaseError."""
        now, after, tried = self._now(), "", 0
        while due := await self._db.aread(lambda tx, last=after: sts_policies.due(tx, now, last)):  # type: ignore[misc]
            await asyncio.gather(*map(self._refresh, due))
            tried, after = tried + len(due), due[-1].domain
        await self._db.awrite(lambda tx: sts_policies.sweep(tx, now))
        return tried

    async def _refresh(self, policy: StoredPolicy) -> None:
        announced = await self._announced(policy.domain)
        with contextlib.suppress(FetchFailed):
            await self._fetch_once(policy.domain, announced or policy.policy_id)

    async def _announced(self, domain: str) -> str | None:
        try:
            return parse_record(await self._resolver.txt(f"_mta-sts.{domain}"))
        except DNSError:
            return None

    async def _note_use(self, kept: StoredPolicy | None, now: float) -> None:
        if kept and kept.used_ts < now - sts_policies.DAY:
            await self._db.awrite(lambda tx: sts_policies.note_use(tx, kept.domain, now))

    async def _fetch_once(self, domain: str, policy_id: str) -> StsPolicy:
        """The policy as it is fetched now; many who ask at one time share the fetch. Raises FetchFailed."""
        failed_at, trouble = self._failures.get(domain, (0.0, None))
        if trouble and self._now() - failed_at < RETRY_AFTER:
            raise FetchFailed(trouble)
        task = self._fetching.get(domain)
        if task is None:
            task = asyncio.create_task(self._fetch(domain, policy_id))
            self._fetching[domain] = task
            task.add_done_callback(lambda _: self._fetching.pop(domain, None))
        return await asyncio.shield(task)

    async def _fetch(self, domain: str, policy_id: str) -> StsPolicy:
        try:
            body, policy = await self._download(domain)
        except FetchFailed as failed:
            if len(self._failures) >= _MOST_FAILURES:
                self._failures.clear()
            self._failures[domain] = self._now(), failed.trouble
            maillog.policy_not_fetched(domain, failed.trouble.text)
            raise
        self._failures.pop(domain, None)
        now = self._now()

        def keep(tx: Connection) -> None:
            sts_policies.put(tx, domain, policy_id, policy.mode, body, max_age=policy.max_age, now=now)

        try:
            await self._db.awrite(keep)
        except DatabaseError as error:
            maillog.trouble(f"keeping the MTA-STS policy of {domain}", error)  # it holds all the same, for this time
        return policy

    async def _download(self, domain: str) -> tuple[bytes, StsPolicy]:
        port = "" if self._port == 443 else f":{self._port}"
        url = f"https://mta-sts.{domain}{port}/.well-known/mta-sts.txt"
        try:
            answer = await self._client.get(url, limit=MOST_BYTES)
        except BadCertificate as error:
            raise _failed(ResultType.STS_WEBPKI_INVALID, url, str(error)) from error
        except HttpError as error:
            raise _failed(ResultType.STS_FETCH_ERROR, url, str(error)) from error
        if answer.status != 200:
            # Redirects are not followed (RFC 8461 section 3.3).
            raise _failed(ResultType.STS_FETCH_ERROR, url, f"the server answered with the status {answer.status}")
        if answer.media_type != "text/plain":
            raise _failed(ResultType.STS_INVALID, url, f"the type is {answer.media_type[:80]!r}, not text/plain")
        try:
            return answer.body, parse_policy(answer.body)
        except PolicyError as error:
            raise _failed(ResultType.STS_INVALID, url, str(error)) from error


def _failed(kind: ResultType, url: str, why: str) -> FetchFailed:
    return FetchFailed(TlsTrouble(kind, f"{url}: {why}"))


def _parsed(kept: StoredPolicy | None) -> StsPolicy | None:
    try:
        return parse_policy(kept.body) if kept else None
    except PolicyError:
        return None  # other programs can write the table too
