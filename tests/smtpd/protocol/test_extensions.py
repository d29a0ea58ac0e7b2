"""What the extensions' parameters leave in the queue and in mailboxes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from smtpd.conftest import PASSWORDS
from smtpd.helpers import HERE, SmtpClient, World

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_smtpd.clients.client import Service
from onifast_smtpd.protocol.parameters import RcptOptions, mail_options, parse_parameters, rcpt_options
from onifast_smtpd.protocol.replies import Refused

from fakes.certificates import Certificate

Start = Callable[..., Awaitable[World]]

MINE = b"Subject: s\r\n\r\nText.\r\n"
BINARY = b"From: alice@here.test\r\nSubject: b\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\n\r\xff.\r\n.\r\nno end"


async def login(world: World, user: str = "alice") -> SmtpClient:
    client = await world.client(HERE, Service.SUBMISSION)
    assert (await client.log_in(user, PASSWORDS[user])).startswith("235 2.7.0")
    return client


async def send_chunks(client: SmtpClient, *chunks: bytes) -> str:
    """BDAT for each, the last one with LAST; the reply to it."""
    for number, chunk in enumerate(chunks, 1):
        client.send(f"BDAT {len(chunk)}{' LAST' if number == len(chunks) else ''}\r\n".encode() + chunk)
    replies = [await client.reply() for _ in chunks]
    return replies[-1][0]


async def test_dsn_parameters_lie_in_the_queue_with_each_recipient(world: World) -> None:
    async with await login(world) as client:
        await client.say("MAIL FROM:<alice@here.test> RET=hdrs ENVID=QQ+3D1")
        await client.say("RCPT TO:<you@remote.test> NOTIFY=success,failure ORCPT=rfc822;you+2Bx@remote.test")
        await client.say("RCPT TO:<bob@here.test>")
        assert (await client.send_message(MINE)).startswith("250 2.0.0")
    rows = world.queue("dsn_ret", "dsn_envid", "dsn_notify", "dsn_orcpt")
    assert [row["dsn_ret"] for row in rows] == ["HDRS", "HDRS"]
    assert [row["dsn_envid"] for row in rows] == ["QQ+3D1", "QQ+3D1"]
    assert [row["dsn_notify"] for row in rows] == ["SUCCESS,FAILURE", None]
    assert [row["dsn_orcpt"] for row in rows] == ["rfc822;you+2Bx@remote.test", None]


async def test_a_held_message_is_queued_for_its_time_and_its_age_counts_from_then(world: World) -> None:
    before = int(time.time())
    async with await login(world) as client:
        await client.say("MAIL FROM:<alice@here.test> HOLDFOR=3600", "RCPT TO:<you@remote.test>")
        assert (await client.send_message(MINE)).startswith("250 2.0.0")
    [row] = world.queue("next_attempt_ts", "queued_ts")
    assert before + 3600 <= row["next_attempt_ts"] <= time.time() + 3600
    assert row["queued_ts"] == row["next_attempt_ts"]


async def test_hold_until_is_a_moment_in_any_zone(world: World) -> None:
    moment = int(time.time()) + 7200
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment + 5400)) + "+01:30"
    async with await login(world) as client:
        await client.say(f"MAIL FROM:<alice@here.test> HOLDUNTIL={text}", "RCPT TO:<you@remote.test>")
        assert (await client.send_message(MINE)).startswith("250 2.0.0")
    [row] = world.queue("next_attempt_ts")
    assert row["next_attempt_ts"] == moment


async def test_requiretls_lies_in_the_queue(start: Start, certificate: Certificate) -> None:
    world = await start()
    async with await world.client(HERE, Service.SUBMISSIONS, tls=True) as client:
        await client.log_in("alice", PASSWORDS["alice"])
        await client.say("MAIL FROM:<alice@here.test> REQUIRETLS", "RCPT TO:<you@remote.test>")
        assert (await client.send_message(MINE)).startswith("250 2.0.0")
    [row] = world.queue("requiretls")
    assert row["requiretls"] == 1


async def test_chunks_make_one_message_whose_dots_are_only_dots(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>")
        reply = await send_chunks(client, b"From: a@remote.test\r\nSubject: c\r\n\r\n.\r", b"\n..x\r\n", b".\r\n")
        assert reply.startswith("250 2.0.0 message accepted")
    [message] = world.inbox("alice")
    assert message.endswith(b"Subject: c\r\n\r\n.\r\n..x\r\n.\r\n")


async def test_a_binary_message_for_a_mailbox_is_stored_as_it_is(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test> BODY=BINARYMIME", "RCPT TO:<alice@here.test>")
        assert (await send_chunks(client, BINARY)).startswith("250 2.0.0")
    [message] = world.inbox("alice")
    assert message.endswith(BINARY)


async def test_a_binary_submission_is_queued_as_one(world: World) -> None:
    async with await login(world) as client:
        await client.say("MAIL FROM:<alice@here.test> BODY=BINARYMIME", "RCPT TO:<you@remote.test>")
        assert (await send_chunks(client, BINARY)).startswith("250 2.0.0")
    [row] = world.queue()
    assert row["body_type"] == "BINARYMIME"
    assert row["raw"].endswith(BINARY.partition(b"\r\n\r\n")[2])


async def test_a_chunked_message_that_is_given_up_gives_its_room_back(start: Start) -> None:
    world = await start(bytes_in_flight=3000)
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>")
        client.send(b"BDAT 900\r\n" + b"x" * 900)
        assert (await client.reply())[0].startswith("250 ")
        assert world.receiver.octets.left == 300
        await client.say("RSET")
        assert world.receiver.octets.left == 3000
        await client.say("MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>")
        client.send(b"BDAT 900\r\n" + b"x" * 900)
        await client.reply()
    await _ended(world)
    assert world.receiver.octets.left == 3000


async def test_chunks_beyond_all_room_are_refused_for_now(start: Start) -> None:
    world = await start(bytes_in_flight=3000)
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>")
        assert (await send_chunks(client, b"x" * 1001)).startswith("452 4.3.1")
        assert (await client.say("NOOP")).startswith("250")


async def test_a_message_that_trickles_in_is_cut_off(start: Start) -> None:
    world = await start(session_timeout=0.3, min_data_rate=1000)
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        assert await _trickle(client) == ["421 4.4.2 timed out waiting for the client"]


async def test_chunks_that_trickle_in_are_cut_off(start: Start) -> None:
    world = await start(session_timeout=0.3, min_data_rate=1000)
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>")
        client.send(b"BDAT 100000 LAST\r\n")
        assert await _trickle(client) == ["421 4.4.2 timed out waiting for the client"]


async def test_a_slow_message_comes_through_where_any_rate_will_do(start: Start) -> None:
    world = await start(session_timeout=0.3, min_data_rate=0)
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        for _ in range(10):
            client.send(b"x\r\n")
            await asyncio.sleep(0.05)
        client.send(b".\r\n")
        assert (await client.reply())[0].startswith("250 ")


def test_an_original_recipient_in_another_script_is_kept_in_its_7_bit_form() -> None:
    options = rcpt_options(parse_parameters("ORCPT=utf-8;jörg@remote.test"))
    assert options == RcptOptions(orcpt="utf-8;j\\x{F6}rg@remote.test")


@given(st.text(max_size=60))
def test_any_parameters_are_understood_or_refused(text: str) -> None:
    for read in (mail_options, rcpt_options):
        try:
            read(parse_parameters(text))
        except Refused as refusal:
            assert refusal.reply.code in (501, 555)


@pytest.mark.parametrize("keyword", ["HOLDUNTIL", "HOLDFOR", "ENVID", "RET", "BODY", "SIZE"])
@given(value=st.text(st.characters(codec="ascii", exclude_characters=" ="), min_size=1, max_size=40))
def test_any_value_is_understood_or_refused(keyword: str, value: str) -> None:
    try:
        mail_options({keyword: value})
    except Refused as refusal:
        assert refusal.reply.code == 501


async def _trickle(client: SmtpClient) -> list[str]:
    """Sends an octet at a time, each well within the client's time, until there is a reply."""
    reply = asyncio.create_task(client.reply())
    while not reply.done():
        client.send(b"x")
        await asyncio.sleep(0.05)
    return await reply


async def _ended(world: World) -> None:
    """Returns when all sessions are over."""
    await asyncio.gather(*(session.ended for session in list(world.receiver.sessions)))
