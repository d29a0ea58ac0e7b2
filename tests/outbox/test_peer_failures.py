"""A peer that fails at each stage in each way: what becomes of the message, and how often it arrives."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_outbox.delivering.connections import MAX_TRIES, RouteAttempt
from onifast_shared.machine.log import Secret
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import AttemptRow
from onifast_shared.transport import routes
from onifast_shared.transport.relay import Relay
from onifast_shared.transport.routes import StoredRoute
from onifast_shared.values.reply import STAGES, Failed, Reply

from fakes.certificates import Authority
from fakes.dns import DnsServer
from fakes.smtp_script import DROP, RESET, STALL, Action, Pieces, Say, Script
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox, patience

GARBAGE = b"\x00\xff not SMTP at all\r\n"
ENDLESS = b"250-" + b"x" * 20_000 + b"\r\n"
PIPELINING = ("PIPELINING", "8BITMIME", "SIZE 1000000")
LOCKSTEP = ("8BITMIME",)

TRANSIENT = "451 4.7.1 come back later"
PERMANENT = "550 5.7.1 we do not want it"

CLOSING = "421 4.3.2 closing"
HALF = Say(b"250-2.0.0 and then", hang_up=True)
HALF_A_LINE = Say(b"250 2.0", hang_up=True)
MIXED = b"550-5.1.1 first no\r\nthen nothing\n451 4.7.1 then perhaps\r\n"
BARE = b"250-2.0.0 one\n250\n"
IN_PIECES = Pieces("250-2.0.0 one\r\n250 2.0.0 two")

# Stage, what the peer does there, the row's state after one attempt, messages that arrived by then.
Case = tuple[str, Action, str, int]
SPEAKING = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA")
CASES: list[Case] = [
    *((stage, TRANSIENT, "deferred", 0) for stage in (*SPEAKING, ".")),
    *((stage, PERMANENT, "failed", 0) for stage in ("CONNECT", "MAIL", "RCPT", "DATA", ".")),
    *((stage, way, "deferred", 0) for stage in (*SPEAKING, "BODY", ".") for way in (DROP, RESET)),
    *((stage, STALL, "deferred", 0) for stage in SPEAKING),
    *((stage, way, "deferred", 0) for stage in SPEAKING for way in (GARBAGE, ENDLESS, CLOSING)),
    *((stage, way, "deferred", 0) for stage in SPEAKING for way in (HALF, HALF_A_LINE)),
    *((stage, "354 what", "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT")),
    *((stage, way, "deferred", 0) for stage in (*SPEAKING, ".") for way in (MIXED, "150 wait", "650 what")),
    *((stage, BARE, "sent", 1) for stage in ("EHLO", "MAIL", "RCPT", ".")),
    *((stage, "550", "failed", 0) for stage in ("MAIL", "RCPT", "DATA", ".")),
    *((stage, "552 5.2.2 full", "failed", 0) for stage in ("MAIL", "DATA", ".")),
    ("CONNECT", "554", "failed", 0),
    ("RCPT", "552 5.2.2 full", "deferred", 0),
    ("RCPT", "552 5.2.3 too large", "failed", 0),
    *((".", way, "deferred", 0) for way in (GARBAGE, CLOSING)),
    # The peer has taken it and nobody can know: the duplicates that RFC 5321 cannot avoid.
    *((".", way, "deferred", 1) for way in (STALL, ENDLESS, "354 what", HALF, HALF_A_LINE)),
    ("DATA", "250 2.0.0 already", "deferred", 0),
    ("EHLO", PERMANENT, "sent", 1),  # then HELO, as before ESMTP
    *((stage, IN_PIECES, "sent", 1) for stage in ("EHLO", "MAIL", "RCPT", ".")),
    ("DATA", Pieces("354-go\r\n354 on"), "sent", 1),
    ("CONNECT", Pieces("220-mx\r\n220 ready"), "sent", 1),
    *(("QUIT", way, "sent", 1) for way in (TRANSIENT, PERMANENT, DROP, RESET, STALL, GARBAGE, CLOSING, HALF)),
]


@pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP], ids=["pipelining", "lockstep"])
@pytest.mark.parametrize("stage", sorted({case[0] for case in CASES}))
async def test_one_attempt_leaves_the_row_in_the_right_state_and_the_next_ends_well(
    outbox: Outbox, stage: str, extensions: tuple[str, ...]
) -> None:
    for _, action, state, arrived in (case for case in CASES if case[0] == stage):
        await _begin_anew(outbox, stage, action)
        with _peer(outbox, {stage: action}, extensions) as peer:
            await outbox.submit("bob@remote.test", sender="")
            await outbox.round()
            await outbox.program.connections.close()
            assert _states(outbox) == [state], action
            assert len(peer.messages) == arrived, action
            assert bool(_errors(outbox)[0]) == (state != "sent"), action
            if state != "deferred":
                continue
            peer.set(stage, None)
            await _try_again(outbox, action)
            assert _states(outbox) == ["sent"], action
            assert len(peer.messages) == arrived + 1, action


async def test_a_server_where_nobody_listens_defers(outbox: Outbox) -> None:
    await outbox.submit("bob@remote.test")
    await outbox.round()
    assert outbox.states() == {"bob@remote.test": "deferred"}
    assert outbox.error("bob@remote.test").endswith("connection refused")


# What happens at one of three recipients, and the states that this leaves behind: theirs, and the others'.
AT_ONE: list[tuple[Action, str, str]] = [
    (TRANSIENT, "deferred", "sent"),
    (PERMANENT, "failed", "sent"),
    *((way, "deferred", "deferred") for way in (DROP, RESET, STALL, GARBAGE, ENDLESS, CLOSING, HALF, "354 what")),
    (IN_PIECES, "sent", "sent"),
]
NAMES = ("a", "b", "c")


@pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP], ids=["pipelining", "lockstep"])
@pytest.mark.parametrize("at", NAMES)
async def test_what_happens_at_one_recipient_leaves_each_in_the_right_state(
    outbox: Outbox, at: str, extensions: tuple[str, ...]
) -> None:
    addresses = [f"{name}@remote.test" for name in NAMES]
    for action, ours, theirs in AT_ONE:
        await _begin_anew(outbox, "RCPT", action)
        with _peer(outbox, {f"RCPT {at}@remote.test": action}, extensions) as peer:
            await outbox.submit(*addresses, sender="")
            await outbox.round()
            assert _states(outbox) == [ours if name == at else theirs for name in NAMES], action
            peer.set(f"RCPT {at}@remote.test", None)
            await _try_again(outbox, action)
            received = sorted(recipient for message in peer.messages for recipient in message.rcpt_to)
            assert received == [each for each in addresses if ours != "failed" or each[0] != at], action


@pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP], ids=["pipelining", "lockstep"])
async def test_whatever_rset_brings_the_next_message_goes_out(outbox: Outbox, extensions: tuple[str, ...]) -> None:
    for action in (TRANSIENT, PERMANENT, DROP, RESET, STALL, GARBAGE, CLOSING):
        await _begin_anew(outbox, "RSET", action)
        with _peer(outbox, {"RCPT gone@remote.test": PERMANENT, "RSET": action}, extensions) as peer:
            await outbox.submit("gone@remote.test", sender="")
            await outbox.round()
            await outbox.submit("bob@remote.test", sender="")
            await outbox.round()
            assert [message.rcpt_to for message in peer.messages] == [("bob@remote.test",)], action
        # That everybody was refused is known, whatever becomes of the connection afterwards.
        assert _states(outbox) == ["failed", "sent"], action


async def test_a_deferred_message_arrives_at_the_next_attempt_exactly_once(outbox: Outbox) -> None:
    with _peer(outbox, {"RCPT": [TRANSIENT, "250 ok"]}) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        assert outbox.sql("SELECT next_attempt_ts > unixepoch() + 200 FROM outbox") == ["1"]
        outbox.sql("UPDATE outbox SET next_attempt_ts = 0")
        await outbox.round()
        assert outbox.states() == {"bob@remote.test": "sent"}
        assert [message.rcpt_to for message in peer.messages] == [("bob@remote.test",)]


async def test_the_words_of_the_remote_server_are_kept(outbox: Outbox) -> None:
    with _peer(outbox, {"RCPT": "450-4.2.1 first line\r\n450 4.2.1 second line"}):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    assert outbox.error("bob@remote.test") == "450 4.2.1 first line second line"
    (attempt,) = outbox.sql("SELECT outcome, host, address, code, enhanced FROM delivery_attempts")
    assert attempt == "deferred|mx.remote.test|127.0.0.25|450|4.2.1"


async def test_words_are_kept_though_the_lines_have_different_codes(outbox: Outbox) -> None:
    with _peer(outbox, {"RCPT": "550-5.1.1 unknown\r\nor so\r\n450 4.2.1 ask again"}):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    assert outbox.error("bob@remote.test") == "450 4.2.1 5.1.1 unknown or so ask again"


async def test_552_to_a_recipient_is_tried_again_and_in_the_same_session_if_others_were_taken(outbox: Outbox) -> None:
    too_many = "552 5.5.3 too many recipients"
    with _peer(outbox, {"RCPT": ["250 ok", too_many, "250 ok"], "RCPT full@remote.test": "552 mailbox full"}) as peer:
        await outbox.submit("a@remote.test", "b@remote.test", "full@remote.test")
        await outbox.round()
        assert [message.rcpt_to for message in peer.messages] == [("a@remote.test",), ("b@remote.test",)]
        assert len(peer.sessions) == 1
    assert list(outbox.states().values()) == ["sent", "sent", "deferred"]
    assert outbox.error("full@remote.test") == "452 mailbox full (the server said 552)"


async def test_no_message_comes_back_while_a_server_is_untried(outbox: Outbox) -> None:
    hosts = [f"mx{number:02}.remote.test" for number in range(MAX_TRIES + 3)]
    outbox.dns.set("remote.test", "MX", *(f"{10 + place} {host}" for place, host in enumerate(hosts)))
    for place, host in enumerate(hosts):
        outbox.dns.set(host, "A", f"127.0.0.{40 + place}")
    with ScriptedSmtpServer(host=f"127.0.0.{40 + len(hosts) - 1}", port=outbox.settings.outbound_port) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        assert outbox.states() == {"bob@remote.test": "deferred"} and not peer.sessions
        # Those that were left out come first then, though all are dead that are better.
        await _try_again(outbox, "")
        assert len(peer.messages) == 1
    tried = [attempt.host for attempt in _history(outbox)]
    assert tried == hosts


async def test_servers_that_all_refuse_are_all_asked_before_the_message_comes_back(outbox: Outbox) -> None:
    hosts = [f"mx{number:02}.remote.test" for number in range(MAX_TRIES * 2)]
    outbox.dns.set("remote.test", "MX", *(f"{10 + place} {host}" for place, host in enumerate(hosts)))
    for host in hosts[:-1]:
        outbox.dns.set(host, "A", "127.0.0.25")
    outbox.dns.set(hosts[-1], "A", "127.0.0.26")
    last = ScriptedSmtpServer(host="127.0.0.26", port=outbox.settings.outbound_port)
    with _peer(outbox, {"CONNECT": "554 5.7.1 go away"}), last:
        await outbox.submit("bob@remote.test", sender="")
        await outbox.round()
        assert len(last.messages) == 1
        last.set("CONNECT", "554 5.7.1 go away too")
        await outbox.program.connections.close()
        await outbox.submit("ann@remote.test", sender="")
        await outbox.round()
    assert outbox.states() == {"bob@remote.test": "sent", "ann@remote.test": "failed"}


def test_refusals_that_take_too_long_leave_servers_untried_and_the_message_in_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("onifast_outbox.delivering.connections.MAX_SECONDS", -1.0)
    tour = RouteAttempt()
    tour.add(Failed(Reply(554, "5.7.1", "go away")))
    assert tour.is_over
    tour.untried = 1
    said = "servers not tried yet: 1; the last one said: 554 5.7.1 go away"
    assert tour.verdict().reply == Reply(451, "4.4.0", said)


async def test_a_lost_connection_after_the_final_dot_says_that_the_message_may_come_twice(outbox: Outbox) -> None:
    with _peer(outbox, {".": DROP}):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    assert "it may arrive twice" in outbox.error("bob@remote.test")


async def test_a_server_that_was_passed_over_shows_in_the_history(outbox: Outbox, dns: DnsServer) -> None:
    dns.load({"remote.test": {"MX": ["10 dead.remote.test", "20 mx.remote.test"]}})
    dns.load({"dead.remote.test": {"A": "127.0.0.26"}})
    with _peer(outbox, {}):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    dead, alive = _history(outbox)
    assert (dead.outcome, dead.host, dead.address) == ("passed_over", "dead.remote.test", "127.0.0.26")
    assert list(dead.stages) == ["dns", "connect"] and "refused" in dead.reply
    assert (alive.outcome, alive.host) == ("delivered", "mx.remote.test")
    assert outbox.sql("SELECT attempts FROM outbox") == ["1"]


async def test_each_stage_of_a_delivery_has_its_time(outbox: Outbox, authority: Authority) -> None:
    with _peer(outbox, {}, authority=authority):
        await outbox.submit("bob@remote.test")
        await outbox.round()
        await outbox.submit("ann@remote.test")
        await outbox.round()
    first, second = outbox.db.read(lambda tx: [queue_view.get(tx, None, row_id) for row_id in (1, 2)])
    assert first and second
    assert list(first.history[0].stages) == [stage for stage in STAGES if stage != "login"]
    # The second message found the connection open.
    assert list(second.history[0].stages) == ["mail", "rcpt", "data", "body", "end"]
    assert first.history[0].tls_level == second.history[0].tls_level == "encrypted"


async def test_the_last_stage_is_where_the_attempt_ended(outbox: Outbox) -> None:
    with _peer(outbox, {"DATA": TRANSIENT}, LOCKSTEP):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    (attempt,) = _history(outbox)
    assert list(attempt.stages)[-1] == "data" and attempt.tls_level == "none"


async def test_encryption_that_failed_shows_before_the_delivery_in_the_clear(
    outbox: Outbox, authority: Authority
) -> None:
    with _peer(outbox, {"STARTTLS": DROP}, authority=authority):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    failed, clear = _history(outbox)
    assert (failed.outcome, list(failed.stages)[-1]) == ("passed_over", "tls")
    assert (clear.outcome, clear.tls_level) == ("delivered", "none")


async def test_each_recipient_has_his_own_result(outbox: Outbox) -> None:
    script: Script = {"RCPT full@remote.test": "452 4.2.2 full", "RCPT gone@remote.test": "550 5.1.1 gone"}
    with _peer(outbox, script) as peer:
        await outbox.submit("full@remote.test", "gone@remote.test", "bob@remote.test", sender="")
        await outbox.round()
        assert [message.rcpt_to for message in peer.messages] == [("bob@remote.test",)]
    assert outbox.states() == {
        "full@remote.test": "deferred",
        "gone@remote.test": "failed",
        "bob@remote.test": "sent",
    }


async def test_refused_recipients_stay_refused_when_the_connection_breaks_afterwards(outbox: Outbox) -> None:
    script: Script = {"RCPT gone@remote.test": "550 5.1.1 gone", "RCPT bob@remote.test": DROP}
    with _peer(outbox, script):
        await outbox.submit("gone@remote.test", "bob@remote.test", sender="")
        await outbox.round()
    assert outbox.states() == {"gone@remote.test": "failed", "bob@remote.test": "deferred"}


async def test_recipients_beyond_the_servers_limit_go_into_the_next_transaction(outbox: Outbox) -> None:
    too_many = "452 4.5.3 too many recipients"
    with _peer(outbox, {"RCPT": ["250 ok", "250 ok", too_many, "250 ok"]}) as peer:
        await outbox.submit("a@remote.test", "b@remote.test", "c@remote.test")
        await outbox.round()
        assert [message.rcpt_to for message in peer.messages] == [
            ("a@remote.test", "b@remote.test"),
            ("c@remote.test",),
        ]
        assert len(peer.sessions) == 1
    assert set(outbox.states().values()) == {"sent"}


async def test_a_server_that_takes_data_for_nobody_gets_an_empty_message(outbox: Outbox) -> None:
    with _peer(outbox, {"RCPT": PERMANENT, "DATA": "354 go on"}) as peer:
        await outbox.submit("bob@remote.test", sender="")
        await outbox.round()
        assert [message.data for session in peer.sessions for message in session.messages] in ([b""], [])
    assert outbox.states() == {"bob@remote.test": "failed"}


WAYS = (TRANSIENT, PERMANENT, DROP, RESET, STALL, GARBAGE, HALF, CLOSING)

# Encryption: stage, what happens there, and the row's state where TLS is taken as it comes, and where it is a must.
TLS_CASES: list[tuple[str, Action, str, str]] = [
    *(("STARTTLS", way, "sent", "deferred") for way in WAYS),
    *(("TLS", way, "sent", "deferred") for way in (DROP, RESET, STALL, GARBAGE, b"\x16\x03\x01\x00\x02")),
    *(("EHLO tls", way, "deferred", "deferred") for way in WAYS if way != PERMANENT),
    ("EHLO tls", PERMANENT, "sent", "sent"),
    ("EHLO tls", Pieces("250-mx\r\n250 8BITMIME"), "sent", "sent"),
]


@pytest.mark.parametrize("must", [False, True], ids=["opportunistic", "required"])
@pytest.mark.parametrize("stage", ["STARTTLS", "TLS", "EHLO tls"])
async def test_a_failing_encryption_is_followed_by_delivery_in_the_clear_only_where_it_may(
    outbox: Outbox, stage: str, authority: Authority, *, must: bool
) -> None:
    for _, action, taken, required in (case for case in TLS_CASES if case[0] == stage):
        await _begin_anew(outbox, stage, action)
        with _peer(outbox, {stage: action}, authority=authority) as peer:
            if must:
                _route_to(outbox, Relay(peer.host, peer.port, "", Secret(""), "starttls"))
            await outbox.submit("bob@remote.test", sender="")
            await outbox.round()
            assert _states(outbox) == [required if must else taken], action
            in_clear = [session for session in peer.sessions if session.messages and not session.tls]
            assert not (must and in_clear), action


@pytest.mark.parametrize("offered", ["PLAIN", "LOGIN"])
async def test_a_login_that_fails_in_whatever_way_defers(outbox: Outbox, offered: str) -> None:
    hello = f"250-mx.remote.test\r\n250 AUTH {offered}"
    for action in (*WAYS, "334 more"):
        await _begin_anew(outbox, "AUTH", action)
        with ScriptedSmtpServer({"EHLO": hello, "AUTH": action}, logins={"us": "secret"}) as peer:
            _route_to(outbox, Relay(peer.host, peer.port, "us", Secret("secret"), "none"))
            await outbox.submit("bob@remote.test", sender="")
            await outbox.round()
            assert _states(outbox) == ["deferred"], action
            peer.set("AUTH", None)
            await _try_again(outbox, action)
            assert (_states(outbox), len(peer.messages)) == (["sent"], 1), action


async def test_starttls_is_used_where_it_is_offered_whatever_the_certificate(
    outbox: Outbox, authority: Authority
) -> None:
    with _peer(outbox, {}, authority=authority) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        assert [session.tls for session in peer.sessions] == [True]
    (tls,) = outbox.sql("SELECT tls FROM delivery_attempts")
    assert tls.startswith("TLSv1.")


async def test_what_a_peer_says_before_the_handshake_is_no_reply_after_it(outbox: Outbox, authority: Authority) -> None:
    injected = "220 go ahead\r\n250-mx.evil.test\r\n250 SIZE 1"
    with _peer(outbox, {"STARTTLS": injected}, authority=authority):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    # Had the injected EHLO reply counted, the message would have failed as too large.
    assert outbox.states() == {"bob@remote.test": "sent"}


# The wait that a stalling peer makes run out, by the stage where it stalls; elsewhere it is the one of all else.
WAITS = {"CONNECT": "greeting", "MAIL": "mail", "RCPT": "rcpt", "DATA": "data", ".": "end"}


async def _begin_anew(outbox: Outbox, stage: str, action: Action) -> None:
    """An empty queue, and a deliverer that knows no server yet.

    The wait that is to run out is short; the others are long, for load alone could make them.
    """
    outbox.db.write(lambda tx: tx.execute("DELETE FROM outbox"))
    waits = patience(20)
    if action is STALL:
        name = WAITS.get(stage.partition(" ")[0])
        waits |= {f"smtp_{name}_timeout": 0.3} if name else {"smtp_timeout": 1.0}
    await _deliver_anew(outbox, waits)


async def _deliver_anew(outbox: Outbox, waits: dict[str, Any]) -> None:
    await outbox.program.connections.close()
    outbox.reassemble(**waits)


async def _try_again(outbox: Outbox, action: Action) -> None:
    if action is STALL:  # nothing stalls any more
        await _deliver_anew(outbox, patience(20))
    outbox.db.write(lambda tx: tx.execute("UPDATE outbox SET status = 'pending' WHERE status = 'deferred'"))
    await outbox.round()


def _states(outbox: Outbox) -> list[str]:
    found = outbox.db.read(lambda tx: tx.execute("SELECT status FROM outbox ORDER BY id").fetchall())
    return [str(row) for (row,) in found]


def _errors(outbox: Outbox) -> list[str]:
    found = outbox.db.read(lambda tx: tx.execute("SELECT last_error FROM outbox ORDER BY id").fetchall())
    return [str(row) for (row,) in found]


def _route_to(outbox: Outbox, server: Relay) -> None:
    route = StoredRoute("recipient_domain", "remote.test", server)
    outbox.db.write(lambda tx: routes.put(tx, route))


def _history(outbox: Outbox) -> tuple[AttemptRow, ...]:
    row = outbox.db.read(lambda tx: queue_view.get(tx, None, 1))
    assert row
    return row.history


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Nobody trusts it."""
    return Authority(tmp_path_factory.mktemp("authority"))


def _peer(
    outbox: Outbox,
    script: Script,
    extensions: tuple[str, ...] = PIPELINING,
    authority: Authority | None = None,
) -> ScriptedSmtpServer:
    return ScriptedSmtpServer(
        script,
        host="127.0.0.25",
        port=outbox.settings.outbound_port,
        extensions=extensions,
        tls=authority.issue("other.test").server_context() if authority else None,
    )
