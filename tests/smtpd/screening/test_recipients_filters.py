"""A message is refused as it is offered where the filters of all its recipients say so, and taken in otherwise."""

from __future__ import annotations

from smtpd.helpers import MESSAGE, World

import sqlite_shell
from onifast_shared.filters import rules, store
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

SENDER = "someone@remote.test"


def reject(world: World, owner: str, text: str = "", **more: object) -> int:
    """A user refuses what comes from remote.test, or as is said."""
    found = {
        "conditions": [{"field": "header", "header": "X-Shop", "test": "present"}],
        "acts": [{"do": "reject", "text": text}],
    } | more
    return world.database.write(lambda tx: store.add(tx, owner, "No shops", rules.parse(found), now=1)).id


def users(world: World, *names: str) -> None:
    for name in names:
        address = Address.parse(f"{name}@here.test")
        world.database.write(lambda tx, address=address, name=name: addresses.add(tx, address, name))  # type: ignore[misc]


SHOP = b"X-Shop: yes\r\n" + MESSAGE


async def test_it_is_refused_with_the_owners_words_and_stands_in_their_log(world: World) -> None:
    reject(world, "alice", "Not here, thank you")
    async with await world.client() as client:
        refused = await client.deliver(SENDER, "alice@here.test", message=SHOP)
        taken = await client.deliver(SENDER, "alice@here.test", message=MESSAGE)
    assert refused.startswith("550 5.7.1 Not here, thank you") and taken.startswith("250 ")
    assert len(world.inbox("alice")) == 1
    await world.receiver.deferred_writes.settled()
    (line,) = world.database.read(lambda tx: store.log_page(tx, "alice")).rows
    assert (line.filter_name, line.deeds[0].do, line.email_id) == ("No shops", "reject", None)


async def test_a_filter_counts_as_soon_as_it_is_made_changed_or_gone(world: World) -> None:
    async with await world.client() as client:
        replies = [await client.deliver(SENDER, "alice@here.test", message=SHOP)]
        filter_id = reject(world, "alice")
        replies.append(await client.deliver(SENDER, "alice@here.test", message=SHOP))
        sqlite_shell.run(world.database.path, f"UPDATE mail_filters SET is_on = 0, rejects = 0 WHERE id = {filter_id}")
        replies.append(await client.deliver(SENDER, "alice@here.test", message=SHOP))
        sqlite_shell.run(world.database.path, f"UPDATE mail_filters SET is_on = 1, rejects = 1 WHERE id = {filter_id}")
        replies.append(await client.deliver(SENDER, "alice@here.test", message=SHOP))
        world.database.write(lambda tx: store.remove(tx, "alice", filter_id))
        replies.append(await client.deliver(SENDER, "alice@here.test", message=SHOP))
    assert [reply[:3] for reply in replies] == ["250", "550", "250", "550", "250"]


async def test_one_recipient_who_takes_it_is_enough(world: World) -> None:
    users(world, "bert")
    reject(world, "alice")
    async with await world.client() as client:
        reply = await client.deliver(SENDER, "alice@here.test", "bert@here.test", message=SHOP)
    assert reply.startswith("250 ") and world.inbox("alice") and world.inbox("bert")
    reject(world, "bert")
    async with await world.client() as client:
        reply = await client.deliver(SENDER, "alice@here.test", "bert@here.test", message=SHOP)
    assert reply.startswith("550 5.7.1 The recipient does not take this message")


async def test_what_hangs_on_being_junk_refuses_nothing(world: World) -> None:
    reject(world, "alice", conditions=[{"field": "junk", "test": "present", "negated": True}])
    async with await world.client() as client:
        assert (await client.deliver(SENDER, "alice@here.test", message=SHOP)).startswith("250 ")


async def test_what_is_forwarded_elsewhere_is_taken(world: World) -> None:
    reject(world, "alice")
    sqlite_shell.run(
        world.database.path,
        "INSERT INTO mail_forwards (address, target, owner) VALUES ('alice@here.test', 'alice@here.test', 'alice'),"
        " ('alice@here.test', 'a@elsewhere.test', 'alice')",
    )
    async with await world.client() as client:
        assert (await client.deliver(SENDER, "alice@here.test", message=SHOP)).startswith("250 ")
