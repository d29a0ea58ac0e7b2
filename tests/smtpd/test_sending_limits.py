"""Limits in SMTP sessions: the client learns which one at the first command that can tell, and when it ends."""

from __future__ import annotations

import os
import pwd
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from onifast_shared.limits import standings as limit_standings
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import PERIODS, Subject
from onifast_smtpd.clients.client import Service

from .conftest import PASSWORDS
from .helpers import HERE, OUTSIDE, SmtpClient, World

Start = Callable[..., Awaitable[World]]

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = b"From: alice@here.test\r\nSubject: s\r\n\r\nx\r\n"


async def login(world: World, user: str = "alice") -> SmtpClient:
    client = await world.client(HERE, Service.SUBMISSION)
    assert (await client.log_in(user, PASSWORDS[user])).startswith("235 2.7.0")
    return client


def at(world: World, seconds: float) -> str:
    """A moment in a reply: rounded up to the minute, with its day unless that is today."""
    when = datetime.fromtimestamp(-(-(world.clock.now + seconds) // 60) * 60, UTC)
    today = datetime.fromtimestamp(world.clock.now, UTC).date()
    return when.strftime("%H:%M UTC" if when.date() == today else "%Y-%m-%d %H:%M UTC")


async def hits(world: World) -> dict[tuple[str, str, str], int]:
    """What administrators will see, once it is written."""
    await world.receiver.deferred_writes.settled()
    found = world.database.read(limit_standings.hits)
    return {(hit.subject.scope, hit.subject.name, hit.counted): hit.times for hit in found}


@pytest.mark.parametrize(("period", "words", "release"), [("hour", "an hour", 1800), ("day", "a day", 43200)])
async def test_a_user_beyond_his_messages_is_told_so_at_mail_until_time_has_passed(
    start: Start, period: str, words: str, release: float
) -> None:
    world = await start(**{f"limit_user_messages_per_{period}": 2})
    async with await login(world) as client:
        for _ in range(2):
            assert (await client.deliver("alice@here.test", "you@remote.test", message=MINE)).startswith("250 2.0.0")
        refusal = await client.say("MAIL FROM:<alice@here.test>")
        text = f"limit of 2 messages {words} for user alice is used up until {at(world, release)}"
        assert refusal == f"450 4.7.1 {text}"
        world.clock.advance(release - 1)
        assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("450 4.7.1")
        world.clock.advance(1)
        assert (await client.deliver("alice@here.test", "you@remote.test", message=MINE)).startswith("250 2.0.0")
    assert await hits(world) == {("user", "alice", f"messages_per_{period}"): 2}
    told = [row["recipient"] for row in world.queue() if row["origin"] == "bounce"]
    assert told == ["alice@here.test", "postmaster@mail.host.test"]


@pytest.mark.parametrize("period", ["hour", "day"])
async def test_recipients_beyond_the_limit_are_refused_one_by_one_and_the_others_get_their_mail(
    start: Start, period: str
) -> None:
    world = await start(**{f"limit_user_recipients_per_{period}": 3})
    async with await login(world) as client:
        await client.deliver("alice@here.test", "first@remote.test", message=MINE)
        await client.say("MAIL FROM:<alice@here.test>")
        rcpt = [await client.say(f"RCPT TO:<{name}@remote.test>") for name in ("a", "b", "a", "c", "d")]
        assert [reply[:9] for reply in rcpt] == ["250 2.1.5", "250 2.1.5", "250 2.1.5", "450 4.7.1", "450 4.7.1"]
        assert "limit of 3 recipients a" in rcpt[3]
        assert " for user alice is used up until " in rcpt[3]
        assert (await client.send_message(MINE)).startswith("250 2.0.0")
        assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("450 4.7.1")
        world.clock.advance(PERIODS[f"recipients_per_{period}"])
        others = ("c@remote.test", "d@remote.test")
        assert (await client.deliver("alice@here.test", *others, message=MINE)).startswith("250 2.0.0")
    submitted = [row["recipient"][0] for row in world.queue() if row["origin"] == "smtp"]
    assert submitted == ["f", "a", "b", "c", "d"]
    assert (await hits(world))["user", "alice", f"recipients_per_{period}"] == 2


async def test_recipients_that_never_fit_into_one_message_are_for_another_one(start: Start) -> None:
    world = await start(limit_user_recipients_per_hour=2)
    async with await login(world) as client:
        await client.say("MAIL FROM:<alice@here.test>", "RCPT TO:<a@remote.test>", "RCPT TO:<b@remote.test>")
        refusal = await client.say("RCPT TO:<c@remote.test>")
    text = "limit of 2 recipients an hour for user alice lets no more than 2 in one message"
    assert refusal == f"452 4.5.3 {text}"


async def test_two_sessions_at_once_do_not_get_more_than_one(start: Start) -> None:
    world = await start(limit_user_messages_per_hour=1)
    async with await login(world) as one, await login(world) as other:
        for client in (one, other):
            assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("250")
            assert (await client.say("RCPT TO:<you@remote.test>")).startswith("250")
        assert (await one.send_message(MINE)).startswith("250 2.0.0")
        refusal = await other.send_message(MINE)
    assert refusal.startswith("450 4.7.1 limit of 1 messages an hour for user alice is used up until ")
    assert [row["origin"] for row in world.queue()].count("smtp") == 1  # what tells of the limit comes when it comes


async def test_a_refused_message_counts_for_nothing(start: Start) -> None:
    world = await start(limit_user_messages_per_hour=1)
    async with await login(world) as client:
        forged = b"From: bob@here.test\r\n\r\n"
        assert (await client.deliver("alice@here.test", "you@remote.test", message=forged)).startswith("553 5.7.1")
        assert (await client.deliver("alice@here.test", "you@remote.test", message=MINE)).startswith("250 2.0.0")


async def test_local_programs_count_for_their_unix_user(start: Start) -> None:
    world = await start(limit_unix_messages_per_hour=1)
    async with await world.client(HERE) as client:
        assert (await client.deliver("a@remote.test", "you@remote.test")).startswith("250 2.0.0")
        refusal = await client.say("MAIL FROM:<b@elsewhere.test>")
    assert refusal.startswith(f"450 4.7.1 limit of 1 messages an hour for Unix user {ME} is used up until ")
    async with await login(world) as client:
        assert (await client.deliver("alice@here.test", "you@remote.test", message=MINE)).startswith("250 2.0.0")
    assert await hits(world) == {("unix", ME, "messages_per_hour"): 1}


@pytest.mark.parametrize("counted", ["messages_per_hour", "messages_per_day"])
async def test_all_who_send_for_a_domain_share_its_limit(start: Start, counted: str) -> None:
    world = await start(**{f"limit_domain_{counted}": 2})
    async with await login(world) as alice, await login(world, "bob") as bob:
        assert (await alice.deliver("alice@here.test", "you@remote.test", message=MINE)).startswith("250")
        message = b"From: bob@here.test\r\n\r\n"
        assert (await bob.deliver("bob@here.test", "you@remote.test", message=message)).startswith("250")
        refusal = await alice.say("MAIL FROM:<alice@here.test>")
        assert " for domain here.test is used up until " in refusal
        message = b"From: bob@second.test\r\n\r\n"
        assert (await bob.deliver("bob@second.test", "you@remote.test", message=message)).startswith("250")


async def test_a_users_own_limit_goes_before_the_settings(start: Start) -> None:
    world = await start(limit_user_messages_per_hour=1)
    world.database.write(lambda tx: sending_limits.put(tx, Subject("user", "alice"), {"messages_per_hour": 0}))
    async with await login(world) as client:
        for _ in range(3):
            assert (await client.deliver("alice@here.test", "you@remote.test", message=MINE)).startswith("250 2.0.0")


async def test_a_reset_lets_him_send_at_once(start: Start) -> None:
    world = await start(limit_user_messages_per_hour=1)
    async with await login(world) as client:
        await client.deliver("alice@here.test", "you@remote.test", message=MINE)
        assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("450 4.7.1")
        world.database.write(lambda tx: sending_limits.reset(tx, Subject("user", "alice")))
        assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("250")


async def test_mail_that_comes_in_is_not_limited(start: Start) -> None:
    world = await start(limit_domain_messages_per_hour=1, limit_unix_messages_per_hour=1)
    async with await world.client(OUTSIDE) as client:
        for _ in range(3):
            assert (await client.deliver("someone@remote.test", "alice@here.test")).startswith("250 2.0.0")


async def test_the_record_of_the_refusal_says_why_too(start: Start) -> None:
    world = await start(limit_user_messages_per_hour=1)
    async with await login(world) as client:
        await client.deliver("alice@here.test", "you@remote.test", message=MINE)
        await client.say("MAIL FROM:<alice@here.test>")
    await world.receiver.deferred_writes.settled()
    rows = world.database.read(lambda tx: tx.execute("SELECT submitted_by, code, reason FROM refusals").fetchall())
    [(submitted_by, code, reason)] = rows
    assert (submitted_by, code) == ("user:alice", 450)
    assert str(reason).startswith("limit of 1 messages an hour for user alice")
