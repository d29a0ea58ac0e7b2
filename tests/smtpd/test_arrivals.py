"""Which senders from outside are to be told that their mail has arrived (NOTIFY=SUCCESS)."""

from __future__ import annotations

import pytest
import sqlite_shell
from onifast_shared.accepting import arrivals
from onifast_shared.accepting.arrivals import Arrival

from .helpers import MESSAGE, World


async def send(world: World, *rcpt: str, sender: str = "someone@remote.test", message: bytes = MESSAGE) -> None:
    """A message from outside, with DSN parameters after its recipients."""
    async with await world.client() as client:
        await client.say("EHLO remote.test", f"MAIL FROM:<{sender}> RET=HDRS ENVID=QQ7")
        for each in rcpt:
            assert (await client.say(f"RCPT TO:{each}")).startswith("250 ")
        assert (await client.send_message(message)).startswith("250 ")


def noted(world: World) -> Arrival | None:
    """What outbox will find."""
    return world.database.read(arrivals.oldest)


async def test_who_asked_is_noted_with_the_message_that_arrived(world: World) -> None:
    await send(world, "<alice@here.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Alice@here.test", "<bob@here.test>")
    found = noted(world)
    assert found is not None
    assert (found.sender, found.envid) == ("someone@remote.test", "QQ7")
    assert [(each.address, each.orcpt) for each in found.recipients] == [("alice@here.test", "rfc822;Alice@here.test")]
    assert len(world.inbox("alice")) == len(world.inbox("bob")) == 1


@pytest.mark.parametrize(
    "rcpt", ["<alice@here.test>", "<alice@here.test> NOTIFY=DELAY", "<alice@here.test> NOTIFY=NEVER"]
)
async def test_who_did_not_ask_is_not(world: World, rcpt: str) -> None:
    await send(world, rcpt)
    assert noted(world) is None


async def test_a_bounce_is_never_acknowledged(world: World) -> None:
    await send(world, "<alice@here.test> NOTIFY=SUCCESS", sender="")
    assert noted(world) is None


async def test_a_sender_that_seems_forged_is_left_in_peace(world: World) -> None:
    await send(world, "<alice@here.test> NOTIFY=SUCCESS", sender="boss@forged.test")
    assert len(world.inbox("alice")) == 1
    assert noted(world) is None


async def test_what_goes_on_elsewhere_is_acknowledged_there(world: World) -> None:
    sqlite_shell.run(
        world.database.path,
        "INSERT INTO mail_forwards (address, target, owner) VALUES ('alice@here.test', 'alice@else.test', 'alice')",
    )
    await send(world, "<alice@here.test> NOTIFY=SUCCESS")
    assert noted(world) is None
    assert [row["dsn_notify"] for row in world.queue("dsn_notify")] == ["SUCCESS"]
