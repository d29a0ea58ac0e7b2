"""Mail from outside."""

from __future__ import annotations

from .helpers import MESSAGE, World


async def test_mail_to_a_local_address_lies_in_the_inbox_when_250_is_said(world: World) -> None:
    async with await world.client() as client:
        reply = await client.deliver("someone@remote.test", "alice@here.test")
    assert reply.startswith("250 2.0.0 message accepted, queued as ")
    [message] = world.inbox("alice")
    assert message.endswith(MESSAGE)
