"""Posts what webhooks are to be told: signed, with patience, and never where only this server could reach."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.dns import Resolver
from onifast_shared.webhooks import calls, signing, store, targets
from onifast_shared.webhooks.calls import CallResult
from onifast_shared.webhooks.store import WaitingEvent, Webhook

from onifast_outbox import maillog
from onifast_outbox.http_client import HttpClient, HttpError, HttpResponse
from onifast_outbox.poller import Wakeup

ROUND_SECONDS = 3.0
"""How often `run_once` is called: what it costs without webhooks is one look into an empty table."""

CALL_SECONDS = 15.0
"""For one call, from looking up the name to the end of the answer."""

BATCH = 20
"""Events told to one webhook at a time, one after the other."""

LONGEST_TURN = 30.0
"""Seconds after which a webhook's turn ends, though more waits for it."""

AT_ONCE = 8
"""Webhooks that are called at one time."""

LARGEST_ANSWER = 4096
"""Octets; of an answer its status counts, and its beginning is kept for people to see."""

_GONE = 410  # the receiver wants no more of them
_LEASE = int(LONGEST_TURN + 2 * CALL_SECONDS) + 30


class Poster:
    """One for a program. Of several deliverers on one database, whichever comes first takes a webhook's events.

    `wakeup` is what its loop waits on.
    """

    def __init__(
        self,
        db: Database,
        resolver: Resolver,
        context: ssl.SSLContext,
        *,
        keeps_calls: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.wakeup = Wakeup(ROUND_SECONDS)
        self._db = db
        self._now = now
        self._keeps_calls = keeps_calls
        self._for_users = HttpClient(resolver, context, timeout=CALL_SECONDS, may_ask=targets.may_be_asked)
        self._for_administrators = HttpClient(resolver, context, timeout=CALL_SECONDS, plain_to=targets.is_loopback)
        self._turns: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def run_once(self) -> None:
        """Begins to tell what is due. A slow receiver holds up nobody else. Raises DatabaseError."""
        room = 0 if self._is_stopping else AT_ONCE - len(self._turns)
        if not room or not await self._db.aread(store.anything_waits):
            return
        taken = await self._db.awrite(lambda tx: store.take(tx, self._now(), _LEASE, room, BATCH))
        for webhook, events in taken:
            turn = asyncio.create_task(self._take_turn(webhook, events))
            self._turns.add(turn)
            turn.add_done_callback(self._turns.discard)

    async def stop(self) -> None:
        """Begins no further call, and waits for those under way, so that the next process tells nothing twice."""
        self._is_stopping = True
        await self.finish()

    async def finish(self) -> None:
        """Waits for the turns under way."""
        if self._turns:
            await asyncio.wait(self._turns)

    async def _take_turn(self, webhook: Webhook, events: list[WaitingEvent]) -> None:
        """Raises nothing: where the database fails, the lease ends by itself, and the events are told again."""
        try:
            await self._tell(webhook, events)
        except DatabaseError as error:
            maillog.trouble("telling webhooks", error)
        except Exception:
            maillog.unforeseen("telling webhooks")

    async def _tell(self, webhook: Webhook, events: list[WaitingEvent]) -> None:
        end = time.monotonic() + LONGEST_TURN
        for event in events:
            result = await self._call(webhook, event)
            if result.status == _GONE:
                await self._disable(webhook, event, result)
                return
            if result.problem:
                await self._note_failure(webhook, event, result)
                await self._release(webhook, store.PAUSE)
                return
            await self._db.awrite(lambda tx, event=event, result=result: self._told(tx, webhook, event, result))  # type: ignore[misc]
            if self._is_stopping or time.monotonic() > end:
                break
        await self._release(webhook, 0)
        self.wakeup.wake()

    async def _release(self, webhook: Webhook, pause: int) -> None:
        await self._db.awrite(lambda tx: store.release(tx, webhook.id, self._now() + pause))

    async def _call(self, webhook: Webhook, event: WaitingEvent) -> CallResult:
        """What one attempt came to; its problem is "" where the event was taken."""
        began = time.monotonic()

        def result(problem: str, answer: HttpResponse | None = None) -> CallResult:
            took = round((time.monotonic() - began) * 1000)
            if answer is None:
                return CallResult(None, took, "", problem)
            return CallResult(answer.status, took, calls.excerpt(answer.body), problem)

        client = self._for_administrators if webhook.owner is None else self._for_users
        body = event.payload.encode()
        headers = signing.headers(webhook.secret, event.message_id, int(self._now()), body)
        try:
            answer = await client.post(webhook.url, "application/json", body, headers=headers, limit=LARGEST_ANSWER)
        except HttpError as error:
            text = str(error)
            return result(f"{text[0].upper()}{text[1:]}.")
        return result(_problem(answer.status), answer)

    def _told(self, tx: Connection, webhook: Webhook, event: WaitingEvent, result: CallResult) -> None:
        store.told(tx, webhook, event, self._now())
        self._record(tx, webhook, event, result, None)

    async def _note_failure(self, webhook: Webhook, event: WaitingEvent, result: CallResult) -> None:
        def write(tx: Connection) -> bool:
            self._record(tx, webhook, event, result, store.next_attempt(event, self._now()))
            return store.failed(tx, webhook, event, result.problem, self._now())

        disabled = await self._db.awrite(write)
        maillog.webhook_failed(webhook.id, webhook.url, result.problem, disabled=disabled)

    async def _disable(self, webhook: Webhook, event: WaitingEvent, result: CallResult) -> None:
        def write(tx: Connection) -> None:
            self._record(tx, webhook, event, result, None)
            store.disable(tx, webhook.id, result.problem, self._now())

        await self._db.awrite(write)
        maillog.webhook_failed(webhook.id, webhook.url, result.problem, disabled=True)

    def _record(
        self, tx: Connection, webhook: Webhook, event: WaitingEvent, result: CallResult, next_ts: int | None
    ) -> None:
        if self._keeps_calls:
            calls.record(tx, event, webhook.id, result, next_ts=next_ts, now=self._now())


def _problem(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"The receiver answered {status}, but redirects are not followed."
    return f"The receiver answered {status}."
