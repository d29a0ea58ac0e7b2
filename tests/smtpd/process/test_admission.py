"""Who gets a session: slots of each group, shares of each peer, who is sent away for others, and pressure."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from smtpd.helpers import HERE, OUTSIDE, World
from typing import Any

import pytest
from onifast_shared.machine.config import Settings
from onifast_shared.machine.shared_counts import SharedTally
from onifast_smtpd.clients.client import Client, Service, identify
from onifast_smtpd.clients.limits import Budget
from onifast_smtpd.process import admission
from onifast_smtpd.process.admission import PRESSED_WAIT, Admission, SessionRank
from onifast_smtpd.process.descriptors import SPARE
from onifast_smtpd.process.processes import ProcessPlace, Shared, alone
from onifast_smtpd.protocol import replies

Start = Callable[..., Awaitable[World]]

SETTINGS = Settings(
    hostname="mail.host.test",
    max_connections=100,
    max_connections_per_address=10,
    trusted_networks=(ip_network("10.0.0.0/8"),),
)
MOST = 100  # of which each group has ten alone
ONE_GROUP = 70  # the most that one group can have


class FakeSession:
    """A session that waits for its client, or does not, as the test says."""

    ended: asyncio.Task[None]

    def __init__(self, silent: float | None = None, standing: SessionRank = SessionRank.NOTHING) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.silent_since = None if silent is None else asyncio.get_running_loop().time() - silent
        self.standing = standing
        self.was_sent_away = False
        self.hurried: float | None = None

    def stop(self) -> None:
        """Nobody stops it."""

    abort = cut_short = stop

    def send_away(self) -> None:
        self.was_sent_away = True
        self.closed.set_result(None)

    def hurry(self, seconds: float, rate: int) -> None:
        self.hurried = seconds


def make(place: ProcessPlace | None = None, **changes: Any) -> Admission:
    place = place or alone()
    return Admission(replace(SETTINGS, **changes), place, Budget(100, place.octets))


def client(address: str, service: Service = Service.MX, user: str | None = None) -> Client:
    return replace(identify(service, (address, 4711), SETTINGS), unix_user=user)


def addresses() -> list[str]:
    return [f"192.0.2.{number}" for number in range(1, 250)]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what will not happen, and no two peers happen to share a bucket."""
    monkeypatch.setattr(admission, "PATIENCE", 0.0)
    numbers: dict[object, int] = {}
    monkeypatch.setattr(SharedTally, "bucket", lambda _, key: numbers.setdefault(key, len(numbers)))


async def enter(where: Admission, who: Client, silent: float | None = None, **more: SessionRank) -> FakeSession | None:
    """A session of that client; None where it is turned away."""
    session = FakeSession(silent, **more)
    return session if await where.admit(session, who) is None else None


async def fill(where: Admission, service: Service = Service.MX, count: int = ONE_GROUP) -> list[FakeSession]:
    """So many sessions that are being served, each from another address, or as many as get one."""
    found = [await enter(where, client(address, service)) for address in addresses()[:count]]
    return [session for session in found if session is not None]


@pytest.mark.parametrize("flooded", list(Service))
async def test_each_listener_and_this_machine_have_slots_that_nobody_else_gets(flooded: Service) -> None:
    where = make()
    assert len(await fill(where, flooded, MOST)) == ONE_GROUP
    for service in set(Service) - {flooded}:
        assert len(await fill(where, service, MOST)) == MOST // 10
    here = [await enter(where, client(HERE, user=f"user{number}")) for number in range(20)]
    assert len([session for session in here if session is not None]) == MOST // 10


async def test_this_machine_gets_all_but_what_others_have_alone() -> None:
    where = make(max_connections_per_address=100)
    here = [await enter(where, client(HERE, user="site")) for _ in range(90)]
    assert sum(session is not None for session in here) == ONE_GROUP


async def test_who_has_done_nothing_is_sent_away_for_a_newcomer() -> None:
    where = make()
    idle = [await enter(where, client(address), 1.0) for address in addresses()[:ONE_GROUP]]
    assert all(idle)
    assert await enter(where, client("198.51.100.1"))
    assert [session.was_sent_away for session in idle if session] == [True] + [False] * (ONE_GROUP - 1)


async def test_who_has_most_to_show_is_sent_away_last() -> None:
    where = make()
    standings = [SessionRank.MESSAGE, SessionRank.SERVED, SessionRank.TRANSACTION, SessionRank.NOTHING]
    sessions = [
        await enter(where, client(address), 9.0, standing=standing)
        for address, standing in zip(addresses(), standings, strict=False)
    ]
    await fill(where, count=ONE_GROUP - 4)
    gone = []
    for number in range(4):
        assert await enter(where, client(f"198.51.100.{number}"))
        gone.append([session.was_sent_away for session in sessions if session])
    assert gone == [[number >= 3 - turn for number in range(4)] for turn in range(4)]


async def test_a_crowd_from_one_address_is_thinned_before_others() -> None:
    where = make()
    alone_and_longest = await enter(where, client("192.0.2.200"), 100.0)
    crowd = [await enter(where, client("192.0.2.201"), 1.0) for _ in range(10)]
    await fill(where, count=ONE_GROUP - 11)
    assert await enter(where, client("198.51.100.1"))
    assert alone_and_longest and not alone_and_longest.was_sent_away
    assert sum(session.was_sent_away for session in crowd if session) == 1


@pytest.mark.parametrize(("silent", "standing"), [(0.1, 0), (1.0, 1), (1.0, 2), (3.0, 3), (None, 0)])
async def test_who_has_just_spoken_or_is_being_served_stays(silent: float | None, standing: int) -> None:
    where = make()
    sessions = [
        await enter(where, client(address), silent, standing=SessionRank(standing))
        for address in addresses()[:ONE_GROUP]
    ]
    assert await refusal(where, client("198.51.100.1")) == replies.TOO_BUSY
    assert not any(session.was_sent_away for session in sessions if session)


async def test_no_other_group_is_thinned_where_that_would_not_help() -> None:
    where = make()
    idle = [await enter(where, client(address, Service.SUBMISSION), 9.0) for address in addresses()[:10]]
    await fill(where)
    assert await refusal(where, client("198.51.100.1")) == replies.TOO_BUSY
    assert not any(session.was_sent_away for session in idle if session)


async def refusal(where: Admission, who: Client) -> object:
    """What a client is turned away with."""
    return await where.admit(FakeSession(), who)


async def admitted(where: Admission, who: list[Client]) -> int:
    """How many of them get a session, one after the other."""
    return sum([await enter(where, each) is not None for each in who])


async def test_an_ipv4_address_has_one_share() -> None:
    where = make()
    assert await admitted(where, [client("192.0.2.1")] * 30) == 10
    assert await admitted(where, [client("192.0.2.2")] * 30) == 10
    assert await admitted(where, [client("::ffff:192.0.2.2")]) == 0


@pytest.mark.parametrize(
    ("network", "share"),
    [
        ("2001:db8:1:2:{0:x}::1", 10),  # one /64
        ("2001:db8:1:{0:02x}::1", 20),  # /64 of one /56
        ("2001:db8:1:{0:02x}00::1", 40),  # /56 of one /48
        ("2001:db8:{0:x}::1", 70),  # one /48 each: as many as there are slots
    ],
)
async def test_ipv6_is_counted_by_its_networks(network: str, share: int) -> None:
    where = make()
    assert await admitted(where, [client(network.format(number)) for number in range(90)]) == share


async def test_a_unix_user_has_one_share_whatever_address_it_takes() -> None:
    where = make(max_connections_per_address=5)
    addresses = [f"127.0.{number}.1" for number in range(90)]
    assert await admitted(where, [client(address, user="site") for address in addresses]) == 20
    assert await admitted(where, [client(address) for address in addresses]) == 20  # whose user nobody knows
    assert await admitted(where, [client(HERE, user="other")]) == 1


async def test_who_has_his_share_gets_a_session_for_one_that_he_left_idle() -> None:
    where = make()
    idle = [await enter(where, client("192.0.2.1"), 1.0) for _ in range(10)]
    others = await enter(where, client("192.0.2.2"), 9.0)
    assert await enter(where, client("192.0.2.1"))
    assert sum(session.was_sent_away for session in idle if session) == 1
    assert others and not others.was_sent_away


async def test_trusted_networks_have_no_share() -> None:
    where = make()
    assert await admitted(where, [client("10.1.2.3")] * 50) == 50


async def test_what_a_session_gives_back_can_be_taken_again() -> None:
    where = make()
    for _ in range(3):
        sessions = [await enter(where, client("2001:db8::1")) for _ in range(10)]
        assert all(sessions)
        for session in sessions:
            assert session
            where.release(session)
            where.release(session)


async def test_other_settings_count_the_same_sessions() -> None:
    where = make()
    sessions = await fill(where, count=10)
    octets = Budget(100, alone().octets)
    where = where.renewed(replace(SETTINGS, max_connections=50, max_connections_per_address=1), octets)
    assert await admitted(where, [client("198.51.100.1")] * 3) == 1
    assert len(await fill(where)) == 35 - 10 - 1  # none where one of an address is there already
    for session in sessions:
        where.release(session)
    assert await admitted(where, [client(f"198.51.100.{number}") for number in range(2, 90)]) == 10


async def test_a_newcomer_waits_for_a_slot_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    where = make()
    sessions = await fill(where)
    waiting = asyncio.create_task(enter(where, client("198.51.100.1")))
    await asyncio.sleep(0)
    where.release(sessions[0])
    assert await waiting


async def test_few_of_one_peer_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    where = make()
    await fill(where)
    waiting = [asyncio.create_task(enter(where, client("198.51.100.1"))) for _ in range(admission.WAITING_EACH)]
    await asyncio.sleep(0)
    assert await enter(where, client("198.51.100.1")) is None  # at once
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_of_a_group_few_wait_and_those_who_came_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    where = make()
    sessions = await fill(where)
    local, *crowd = [FakeSession() for _ in range(MOST + 1)]
    where.knock(local, 0)
    for each in crowd:
        where.knock(each, 1)
    assert [each.was_sent_away for each in (local, *crowd)] == [False] + [True] * (MOST * 3 // 4) + [False] * (
        MOST // 4
    )
    newcomer = FakeSession()
    where.knock(newcomer, 1)
    waiting = asyncio.create_task(where.admit(newcomer, client("198.51.100.1")))
    await asyncio.sleep(0)
    where.release(sessions[0])
    assert await waiting is None


async def test_nobody_is_ended_for_a_newcomer_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    where = make()
    sessions = await fill(where)
    gone = FakeSession()
    where.knock(gone, 1)
    waiting = asyncio.create_task(where.admit(gone, client("198.51.100.1")))
    await asyncio.sleep(0)
    gone.closed.set_result(None)
    where.release(sessions[0])
    assert await waiting is not None


async def test_another_process_sends_somebody_away_for_a_newcomer_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    shared = Shared(2)
    one, two = (make(shared.place(number, lambda: None)) for number in range(2))
    for where in (one, two):
        where.open()
    idle = [await enter(one, client(address), 1.0) for address in addresses()[:ONE_GROUP]]
    assert await enter(two, client("198.51.100.1"))
    mine = [await enter(one, client("2001:db8::1"), 1.0) for _ in range(10)]
    assert await enter(two, client("2001:db8::2"))
    for where in (one, two):
        where.close()
    shared.close()
    assert any(session.was_sent_away for session in idle if session)
    assert any(session.was_sent_away for session in mine if session)


async def test_everybody_is_hurried_while_slots_run_short(caplog: pytest.LogCaptureFixture) -> None:
    where = make()
    taken = await fill(where)
    where._look()
    assert where.pressed
    assert {session.hurried for session in taken} == {PRESSED_WAIT}
    where._look()
    assert caplog.text.count("under-pressure") == 1  # once a minute
    for each in taken:
        where.release(each)
    where._look()
    assert not where.pressed
    where.close()


async def test_everybody_is_hurried_while_memory_runs_short() -> None:
    place = alone()
    where = make(place)
    session = await enter(where, client(HERE))
    where._look()
    assert session and session.hurried is None
    place.octets.add(80)
    where._look()
    assert session.hurried == PRESSED_WAIT
    where.close()


async def test_a_flood_from_one_address_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "TICK", 1000.0)
    where = make()
    await admitted(where, [client("192.0.2.1")] * 30)
    where._look()
    assert caplog.text.count("turned-away") == 1
    assert "turned_away=20" in caplog.text


@pytest.mark.parametrize(
    ("limit", "wanted", "allowed"),
    [(128, 500, 32), (SPARE + 100, 500, (SPARE + 100) // 4), (SPARE + 500, 500, 500), (SPARE + 300, 500, 300)],
)
def test_descriptors_bound_the_sessions(limit: int, wanted: int, allowed: int) -> None:
    code = f"from onifast_smtpd.process.descriptors import sessions_allowed; print(sessions_allowed({wanted}))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, limit)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == allowed


# Over real sockets


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is silent in no message may be sent away at once, and a newcomer waits as long as it takes."""
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    monkeypatch.setattr(admission, "SPARED", dict.fromkeys(SessionRank, 0.0) | {SessionRank.MESSAGE: 1000.0})


@pytest.mark.usefixtures("strict")
async def test_the_idle_client_hears_why_and_the_newcomer_is_greeted(start: Start) -> None:
    world = await start(max_connections=1)
    async with await world.client() as idle, await world.client("127.0.0.10") as newcomer:
        assert (await idle.reply())[0].startswith("421 4.3.2 others need this connection")
        assert await idle.hung_up()
        assert (await newcomer.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")


@pytest.mark.usefixtures("strict", "certificate")
@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_who_never_ends_a_handshake_makes_room(start: Start, begun: bytes) -> None:
    world = await start(max_connections=1)
    _, writer = await world.connect(service=Service.SUBMISSIONS)
    writer.write(begun)
    async with await world.client("127.0.0.10", Service.SUBMISSIONS, tls=True) as newcomer:
        assert (await newcomer.say("NOOP")).startswith("250 ")
    writer.close()


@pytest.mark.usefixtures("strict")
async def test_who_leaves_a_login_unfinished_makes_room(start: Start) -> None:
    world = await start(max_connections=1)
    async with await world.client(HERE, Service.SUBMISSION) as idle:
        assert (await idle.say("EHLO x", "AUTH LOGIN")).startswith("334 ")
        async with await world.client(OUTSIDE):
            assert (await idle.reply())[0].startswith("421 4.3.2 ")


@pytest.mark.usefixtures("strict")
async def test_who_is_sending_a_message_is_not_sent_away(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 0.1)
    world = await start(max_connections=1)
    async with await world.client() as busy:
        assert (await busy.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA"))[:3] == "354"
        reader, writer = await world.connect("127.0.0.10")
        assert (await reader.read()) == b"421 4.3.2 too many connections, try again later\r\n"
        writer.close()
        busy.send(b"From: a@remote.test\r\n\r\nText.\r\n.\r\n")
        assert (await busy.reply())[0].startswith("250 2.0.0 ")


async def test_who_stops_in_the_middle_of_a_message_makes_room_in_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    monkeypatch.setattr(admission, "SPARED", {SessionRank.MESSAGE: 0.1})
    world = await start(max_connections=1)
    async with await world.client() as stalled:
        await stalled.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        stalled.send(b"From: a@remote.test\r\n")
        async with await world.client("127.0.0.10"):
            assert (await stalled.reply())[0].startswith("421 4.3.2 ")
    assert world.inbox("alice") == []


async def test_waits_are_short_while_slots_are(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "TICK", 0.02)
    monkeypatch.setattr(admission, "PRESSED_WAIT", 0.1)
    world = await start(max_connections=1)
    async with await world.client() as client:
        assert await client.reply() == ["421 4.4.2 timed out waiting for the client"]


async def test_a_message_that_comes_slowly_is_cut_off_while_slots_run_short(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "TICK", 0.05)
    monkeypatch.setattr(admission, "PRESSED_WAIT", 1.0)
    world = await start(max_connections=1, min_data_rate=0)
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        client.send(b"x" * 100_000)
        reply = asyncio.create_task(client.reply())
        while not reply.done():
            client.send(b"x")
            await asyncio.sleep(0.05)
        assert (await reply) == ["421 4.4.2 timed out waiting for the client"]
    assert world.inbox("alice") == []


async def test_a_stranger_may_do_less_that_brings_no_mail_while_slots_run_short(start: Start) -> None:
    world = await start()
    world.receiver.admission.crowded = True
    async with await world.client() as client:
        replies = [await client.say("BREW") for _ in range(4)]
        client.send("BREW\r\n")
        replies += (await client.reply()) + (await client.reply())
    assert [reply[:3] for reply in replies] == ["500"] * 5 + ["421"]
    async with await world.client(HERE) as client:
        assert [(await client.say("BREW"))[:3] for _ in range(19)] == ["500"] * 19


async def test_strangers_leave_memory_to_local_programs(start: Start) -> None:
    world = await start(bytes_in_flight=3_000, max_message_size=100)
    world.receiver.octets.take(2_750)
    async with await world.client() as client:
        assert (await client.say("EHLO x", "MAIL FROM:<a@remote.test> SIZE=50")).startswith("452 4.3.1")
    async with await world.client(HERE) as client:
        assert (await client.say("EHLO x", "MAIL FROM:<a@remote.test> SIZE=50")).startswith("250 ")
    world.receiver.octets.give(2_750)
