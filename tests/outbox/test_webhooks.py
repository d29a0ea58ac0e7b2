"""What webhooks are told of deliveries, and how: over real TLS, to a server whose answers a test chooses."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from onifast_outbox.webhooks.poster import LARGEST_ANSWER, Poster
from onifast_shared.machine import dns as resolving
from onifast_shared.webhooks import calls, store, targets
from onifast_shared.webhooks.calls import PastCall
from onifast_shared.webhooks.store import Webhook

from fakes.certificates import Authority
from fakes.https_server import HttpsServer, Page
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox, patience


class Clock:
    """Epoch seconds that pass when a test says so."""

    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Hooks:
    """A receiver at https://hooks.test/, and the part that calls it."""

    outbox: Outbox
    server: HttpsServer
    poster: Poster
    clock: Clock

    def subscribe(self, *events: str, owner: str | None = None, path: str = "/mail", url: str = "") -> Webhook:
        target = url or f"https://hooks.test:{self.server.port}{path}"
        return self.outbox.db.write(lambda tx: store.create(tx, owner, target, events or store.EVENTS, self.clock.now))

    def current(self, webhook: Webhook) -> Webhook:
        found = self.outbox.db.read(lambda tx: store.get(tx, webhook.id))
        assert found is not None
        return found

    async def happen(self, webhook: Webhook, *payloads: str) -> None:
        for payload in payloads or ("{}",):
            await self.outbox.db.awrite(
                lambda tx, payload=payload: store.add_event(tx, webhook.id, payload, self.clock.now)  # type: ignore[misc]
            )

    async def tell(self, later: float = 0) -> None:
        self.clock.now += later
        await self.poster.run_once()
        await self.poster.finish()

    def bodies(self) -> list[Any]:
        return [json.loads(asked.body) for asked in self.server.asked]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority) -> Iterator[HttpsServer]:
    with HttpsServer(authority.issue("hooks.test", "127.0.0.1").server_context()) as running:
        running.pages["/mail"] = Page(b"thank you")
        yield running


@pytest.fixture
async def hooks(outbox: Outbox, authority: Authority, server: HttpsServer) -> AsyncIterator[Hooks]:
    outbox.reassemble(**patience(60.0), connect_timeout=60.0, dns_timeout=60.0)
    outbox.dns.set("hooks.test", "A", "127.0.0.1")
    context, clock = authority.issue("any.test").client_context(), Clock()
    poster = Poster(outbox.db, resolving.resolver(outbox.settings), context, now=clock)
    yield Hooks(outbox, server, poster, clock)


def is_signed(webhook: Webhook, headers: Any, body: bytes) -> bool:
    """The receiver's side, as the specification of Standard Webhooks has it."""
    key = base64.b64decode(webhook.secret.reveal().removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return bool(headers["webhook-signature"] == f"v1,{expected}")


async def test_deliveries_are_told_with_a_signature(hooks: Hooks) -> None:
    webhook = hooks.subscribe(owner=None)
    outbox = hooks.outbox
    script = {"RCPT nobody@remote.test": "550 5.1.1 no such user", "RCPT later@remote.test": "450 4.2.0 come back"}
    with ScriptedSmtpServer(script, host="127.0.0.25", port=outbox.settings.outbound_port):
        await outbox.submit("bob@remote.test", "nobody@remote.test", "later@remote.test", owner="alice")
        await outbox.round()
    hooks.clock.now = 2_000_000_000
    await hooks.tell()
    told = {body["data"]["recipient"]: body for body in hooks.bodies()}
    assert {recipient: body["type"] for recipient, body in told.items()} == {
        "bob@remote.test": "mail.delivered",
        "nobody@remote.test": "mail.bounced",
        "later@remote.test": "mail.deferred",
    }
    bounced = told["nobody@remote.test"]["data"]
    assert (bounced["host"], bounced["tls"]) == ("mx.remote.test", "")
    assert bounced["reply"] == {"code": 550, "enhanced": "5.1.1", "text": "no such user"}
    assert (bounced["owner"], bounced["sender"], bounced["attempts"]) == ("alice", "alice@here.test", 1)
    assert bounced["explanation"] and bounced["next_attempt_at"] is None
    assert told["later@remote.test"]["data"]["next_attempt_at"].endswith("Z")
    for asked in hooks.server.asked:
        assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", "/mail", "application/json")
        assert is_signed(webhook, asked.headers, asked.body)
        assert not is_signed(webhook, asked.headers, asked.body + b" ")
    assert hooks.current(webhook).waiting == 0


async def test_each_hears_what_he_asked_for_of_his_own_mail(hooks: Hooks) -> None:
    alices, carols = hooks.subscribe("bounced", owner="alice"), hooks.subscribe("bounced", owner="carol")
    outbox = hooks.outbox
    with ScriptedSmtpServer(
        {"RCPT nobody@remote.test": "550 5.1.1 no"}, host="127.0.0.25", port=outbox.settings.outbound_port
    ):
        await outbox.submit("bob@remote.test", "nobody@remote.test", owner="alice")
        await outbox.round()
    assert (hooks.current(alices).waiting, hooks.current(carols).waiting) == (1, 0)


async def test_without_a_webhook_nothing_is_written(hooks: Hooks) -> None:
    outbox = hooks.outbox
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    assert outbox.sql("SELECT count(*) FROM webhook_events") == ["0"]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (Page(status=500), "answered 500"),
        (Page(status=404), "answered 404"),
        (Page(status=301, headers={"Location": "https://hooks.test/other"}), "redirects are not followed"),
        (Page(raw=b"nonsense\r\n\r\n"), "Not HTTP"),
        (Page(raw=b"\0"), "closed|broke|Not HTTP"),
    ],
)
async def test_a_failure_is_shown_and_tried_again_with_the_same_id(hooks: Hooks, page: Page, words: str) -> None:
    webhook = hooks.subscribe()
    hooks.server.pages["/mail"] = page
    await hooks.happen(webhook, "{}", "[1]")
    await hooks.tell()
    found = hooks.current(webhook)
    assert found.waiting == 2 and found.failing_since_ts == hooks.clock.now
    assert any(word in found.problem for word in words.split("|")), found.problem
    assert len(hooks.server.asked) == 1, "the second event waits with the first"
    hooks.server.pages["/mail"] = Page()
    await hooks.tell(later=store.RETRY_AFTER[0] - 1)
    assert len(hooks.server.asked) == 1
    await hooks.tell(later=1)
    first, *later = (asked.headers["webhook-id"] for asked in hooks.server.asked)
    assert first in later and len(later) == 2
    assert (hooks.current(webhook).waiting, hooks.current(webhook).problem) == (0, "")


async def test_an_answer_without_end_is_not_read_and_its_status_counts(hooks: Hooks) -> None:
    webhook = hooks.subscribe()
    hooks.server.pages["/mail"] = Page(b"x" * (LARGEST_ANSWER * 100))
    await hooks.happen(webhook)
    await hooks.tell()
    assert hooks.current(webhook).waiting == 0


async def test_gone_is_for_good(hooks: Hooks) -> None:
    webhook = hooks.subscribe()
    hooks.server.pages["/mail"] = Page(status=410)
    await hooks.happen(webhook, "{}", "[1]")
    await hooks.tell()
    found = hooks.current(webhook)
    assert found.disabled_ts is not None and "410" in found.problem and found.waiting == 0


async def test_a_receiver_that_stalls_holds_up_nobody_else(hooks: Hooks) -> None:
    stalling, other = hooks.subscribe(path="/stall"), hooks.subscribe()
    hooks.server.pages["/stall"] = Page(stall=True)
    await hooks.happen(stalling)
    await hooks.happen(other)
    await hooks.poster.run_once()
    _, waiting = await asyncio.wait(hooks.poster._turns, return_when=asyncio.FIRST_COMPLETED)
    assert (hooks.current(stalling).waiting, hooks.current(other).waiting) == (1, 0)
    for turn in waiting:
        turn.cancel()
    await hooks.poster.finish()


async def test_a_receiver_that_stalls_is_given_up(hooks: Hooks) -> None:
    stalling = hooks.subscribe(path="/stall")
    hooks.server.pages["/stall"] = Page(stall=True)
    hooks.poster._for_administrators._timeout = 0.2
    await hooks.happen(stalling)
    await hooks.tell()
    assert "No answer within 0.2 s" in hooks.current(stalling).problem


async def test_a_certificate_of_somebody_else_is_refused(hooks: Hooks) -> None:
    hooks.outbox.dns.set("other.test", "A", "127.0.0.1")
    webhook = hooks.subscribe(url=f"https://other.test:{hooks.server.port}/mail")
    await hooks.happen(webhook)
    await hooks.tell()
    assert "certificate" in hooks.current(webhook).problem and not hooks.server.asked


async def test_a_users_webhook_never_reaches_this_network(hooks: Hooks) -> None:
    webhook = hooks.subscribe(owner="alice")
    await hooks.happen(webhook)
    await hooks.tell()
    assert "no address that may be asked" in hooks.current(webhook).problem
    assert not hooks.server.asked


async def test_the_address_that_was_judged_is_the_one_that_is_called(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def judge(address: str, port: int) -> bool:
        judged.append(address)
        hooks.outbox.dns.set("hooks.test", "A", "127.0.0.99")  # a name that changes its mind (DNS rebinding)
        return True

    monkeypatch.setattr(hooks.poster._for_users, "_may_ask", judge)
    webhook = hooks.subscribe(owner="alice")
    await hooks.happen(webhook)
    await hooks.tell()
    assert judged == ["127.0.0.1"] and hooks.current(webhook).waiting == 0
    assert targets.is_public("127.0.0.1") is False


async def test_administrators_may_have_a_program_on_this_machine_told_in_the_clear(hooks: Hooks) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 Fine\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        webhook = hooks.subscribe(url=f"http://localhost:{port}/hook?a=b")
        await hooks.happen(webhook)
        await hooks.tell()
    assert asked[0].startswith(b"POST /hook?a=b HTTP/1.1\r\nHost: localhost:%d\r\n" % port)
    assert hooks.current(webhook).waiting == 0


async def test_two_deliverers_tell_an_event_once(hooks: Hooks) -> None:
    context = hooks.poster._for_users._context
    other = Poster(hooks.outbox.db, resolving.resolver(hooks.outbox.settings), context, now=hooks.clock)
    await hooks.happen(hooks.subscribe())
    await asyncio.gather(hooks.poster.run_once(), other.run_once())
    await asyncio.gather(hooks.poster.finish(), other.finish())
    assert len(hooks.server.asked) + len(other._turns) <= 1


async def test_who_stops_ends_his_call_and_leaves_the_rest_to_others(hooks: Hooks) -> None:
    webhook = hooks.subscribe()
    await hooks.happen(webhook, "[1]", "[2]", "[3]")
    await hooks.poster.run_once()
    await hooks.poster.stop()
    await hooks.tell()
    assert (hooks.bodies(), hooks.current(webhook).waiting) == ([[1]], 2)
    context, resolver = hooks.poster._for_users._context, resolving.resolver(hooks.outbox.settings)
    hooks.poster = Poster(hooks.outbox.db, resolver, context, now=hooks.clock)
    await hooks.tell()
    assert (hooks.bodies(), hooks.current(webhook).waiting) == ([[1], [2], [3]], 0)


async def test_what_a_receiver_answered_is_kept_and_told_again_with_the_same_id(hooks: Hooks) -> None:
    webhook = hooks.subscribe()
    hooks.server.pages["/mail"] = Page(b"no such\r\norder " * 200, status=404)
    await hooks.happen(webhook, '{"type": "mail.test"}')
    await hooks.tell()
    (failing,) = past(hooks, webhook)
    assert (failing.state, failing.status, failing.next_ts) == ("failing", 404, hooks.clock.now + store.RETRY_AFTER[0])
    assert failing.response.startswith("no such order") and len(failing.response) <= calls.LONGEST_EXCERPT
    hooks.server.pages["/mail"] = Page(b"thanks")
    await hooks.tell(later=store.RETRY_AFTER[0])
    (told,) = past(hooks, webhook)
    assert (told.state, told.status, told.attempts, told.response, told.problem) == ("told", 200, 2, "thanks", "")
    hooks.outbox.db.write(lambda tx: calls.replay(tx, webhook, [told.id], hooks.clock.now))
    await hooks.tell()
    assert len({asked.headers["webhook-id"] for asked in hooks.server.asked}) == 1
    assert len(hooks.server.asked) == 3 and past(hooks, webhook)[0].attempts == 3


async def test_without_an_answer_there_is_no_status(hooks: Hooks) -> None:
    webhook = hooks.subscribe(url="https://nobody.test/")
    await hooks.happen(webhook, '{"type": "mail.test"}')
    await hooks.tell()
    (found,) = past(hooks, webhook)
    assert (found.status, found.response) == (None, "") and "has no address" in found.problem


async def test_a_receiver_that_is_gone_is_shown_as_such(hooks: Hooks) -> None:
    webhook = hooks.subscribe()
    hooks.server.pages["/mail"] = Page(status=410)
    await hooks.happen(webhook, '{"type": "mail.test"}')
    await hooks.tell()
    assert [(each.state, each.status) for each in past(hooks, webhook)] == [("dropped", 410)]


async def test_where_calls_are_not_kept_there_are_none(hooks: Hooks) -> None:
    context, resolver = hooks.poster._for_users._context, resolving.resolver(hooks.outbox.settings)
    hooks.poster = Poster(hooks.outbox.db, resolver, context, keeps_calls=False, now=hooks.clock)
    webhook = hooks.subscribe()
    await hooks.happen(webhook)
    await hooks.tell()
    assert len(hooks.server.asked) == 1 and past(hooks, webhook) == []


def past(hooks: Hooks, webhook: Webhook) -> list[PastCall]:
    return hooks.outbox.db.read(lambda tx: calls.list_page(tx, webhook.id)).rows
