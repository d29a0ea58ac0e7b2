"""Recipients that do not exist: mail to them fails at once, until that is lifted, ends, or mail arrives after all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from onifast_shared.queue import suppressions
from onifast_shared.values.address import Address
from outbox.helpers import Outbox

from fakes.smtp_server import STALL, ScriptedSmtpServer

BOB = Address.parse("bob@remote.test")
UNKNOWN = "550 5.1.1 <bob@remote.test>: user unknown"


@pytest.fixture
def server(outbox: Outbox) -> Iterator[ScriptedSmtpServer]:
    """remote.test's mail exchanger, which knows no bob."""
    script = {"RCPT bob@remote.test": UNKNOWN}
    with ScriptedSmtpServer(script, host="127.0.0.25", port=outbox.settings.outbound_port) as running:
        yield running


async def send(outbox: Outbox, recipient: str = "bob@remote.test", owner: str | None = "alice") -> str:
    """One message of a user's, tried: the state of its row."""
    accepted = await outbox.submit(recipient, owner=owner)
    await outbox.round()
    return outbox.sql(f"SELECT status FROM outbox WHERE id = {accepted.outbox_ids[0]}")[0]


def asked(server: ScriptedSmtpServer) -> int:
    """How often the server was asked about bob."""
    return sum(line.startswith("RCPT TO:<bob@") for session in server.sessions for line in session.commands)


async def test_a_recipient_that_bounced_is_not_tried_again(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    assert [await send(outbox), await send(outbox)] == ["failed", "failed"]
    assert asked(server) == 1
    assert "not sent, since mail to bob@remote.test came back on" in outbox.error("bob@remote.test")


async def test_the_sender_is_told_at_once_and_how_to_lift_it(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    await send(outbox)
    await send(outbox)
    await outbox.deliver_all()
    first, second = (raw.decode() for raw in outbox.mail_of("alice"))
    assert "your mail to this address is returned at once" in first
    assert "It was not sent, since an earlier message of yours to this address came back." in second
    assert "lift its suppression: the page Suppressed addresses of the webmail." in second
    assert "It was not tried." in second
    assert "Diagnostic-Code: x-onifast; 550 5.1.1 not sent, since" in second


async def test_one_users_bounce_does_not_concern_another(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    await send(outbox)
    await send(outbox, owner="carol")
    await send(outbox, owner=None)
    await send(outbox, owner=None)
    assert asked(server) == 4


async def test_a_scripts_row_of_the_same_owner_is_returned_too(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    await send(outbox)
    outbox.sql(
        "INSERT INTO outbox (sender, recipient, subject, body)"
        " VALUES ('alice@here.test', 'bob@remote.test, eve@remote.test', 'Hi', 'Hi')"
    )
    await outbox.round()
    assert asked(server) == 1
    assert outbox.sql("SELECT recipient, status FROM outbox WHERE origin = 'script' ORDER BY id") == [
        "bob@remote.test|failed",
        "eve@remote.test|sent",
    ]


async def test_lifting_lets_the_next_one_through(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    await send(outbox)
    assert outbox.db.write(lambda tx: suppressions.lift(tx, "alice", BOB))
    server.set("RCPT bob@remote.test", None)
    assert await send(outbox) == "sent"


async def test_a_retry_by_hand_lifts_it(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    await send(outbox)
    server.set("RCPT bob@remote.test", None)
    outbox.sql("UPDATE outbox SET status = 'pending' WHERE status = 'failed'")
    await outbox.round()
    assert outbox.states()["bob@remote.test"] == "sent"
    assert await send(outbox) == "sent"


async def test_a_later_success_lifts_it(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    server.set("RCPT bob@remote.test", STALL)
    under_way = asyncio.create_task(send(outbox))
    await asyncio.to_thread(server.wait_for_command, "RCPT")
    now = time.time()
    outbox.db.write(lambda tx: suppressions.note_bounce(tx, "alice", BOB, UNKNOWN, now, until=now + 1000))
    server.release()
    assert await under_way == "sent"
    assert outbox.sql("SELECT * FROM suppressions") == []


async def test_it_ends_by_itself(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    await send(outbox)
    outbox.sql(f"UPDATE suppressions SET expires_ts = {int(time.time())}")
    await send(outbox)
    assert asked(server) == 2


async def test_zero_switches_it_off(outbox: Outbox, server: ScriptedSmtpServer) -> None:
    outbox.reassemble(suppression_time=0.0)
    await send(outbox)
    await send(outbox)
    assert asked(server) == 2


@pytest.mark.parametrize("reply", ["550 5.7.1 blocked by policy", "552 5.2.2 mailbox full", "451 4.2.1 later"])
async def test_other_refusals_suppress_nobody(outbox: Outbox, server: ScriptedSmtpServer, reply: str) -> None:
    server.set("RCPT bob@remote.test", reply)
    await send(outbox)
    assert outbox.sql("SELECT * FROM suppressions") == []


async def test_what_a_user_suppressed_himself_stays_until_he_lifts_it(
    outbox: Outbox, server: ScriptedSmtpServer
) -> None:
    outbox.db.write(lambda tx: suppressions.add(tx, "alice", BOB, "asked not to be written to", time.time()))
    assert await send(outbox) == "failed"
    outbox.sql("UPDATE outbox SET status = 'pending' WHERE status = 'failed'")
    await outbox.round()
    assert outbox.states()["bob@remote.test"] == "failed"
    assert asked(server) == 0
    assert "asked not to be written to" in outbox.error("bob@remote.test")


async def test_a_mailbox_that_is_missing_here_suppresses_nothing(outbox: Outbox) -> None:
    assert await send(outbox, "nobody@here.test") == "failed"
    assert outbox.sql("SELECT * FROM suppressions") == []
