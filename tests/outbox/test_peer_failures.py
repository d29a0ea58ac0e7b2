"""A peer that fails at each stage in each way: what becomes of the message, and how often it arrives."""

from __future__ import annotations

import pytest
from onifast_shared import queue_view
from onifast_shared.queue_view import AttemptRow
from onifast_shared.reply import STAGES

from fakes.certificates import Authority
from fakes.dns import DnsServer
from fakes.smtp_script import DROP, RESET, STALL, Action, Script
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox

GARBAGE = b"\x00\xff not SMTP at all\r\n"
ENDLESS = b"250-" + b"x" * 20_000 + b"\r\n"
PIPELINING = ("PIPELINING", "8BITMIME", "SIZE 1000000")
LOCKSTEP = ("8BITMIME",)

TRANSIENT = "451 4.7.1 come back later"
PERMANENT = "550 5.7.1 we do not want it"

# Stage, what the peer does there, the row's state after one attempt, messages that arrived.
Case = tuple[str, Action, str, int]
CASES: list[Case] = [
    *((stage, TRANSIENT, "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")),
    *((stage, PERMANENT, "failed", 0) for stage in ("CONNECT", "MAIL", "RCPT", "DATA", ".")),
    *((stage, DROP, "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY", ".")),
    *((stage, RESET, "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY", ".")),
    *((stage, STALL, "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA")),
    (".", STALL, "deferred", 1),  # the peer has taken it: the duplicate that RFC 5321 cannot avoid
    *((stage, GARBAGE, "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")),
    *((stage, ENDLESS, "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA")),
    *((stage, "421 4.3.2 closing", "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")),
    *((stage, "354 what", "deferred", 0) for stage in ("CONNECT", "EHLO", "MAIL", "RCPT")),
    *((".", action, "deferred", 1) for action in (ENDLESS, "354 what")),  # the same
    ("DATA", "250 2.0.0 already", "deferred", 0),
    ("EHLO", PERMANENT, "sent", 1),  # then HELO, as before ESMTP
    *(("QUIT", action, "sent", 1) for action in (TRANSIENT, PERMANENT, DROP, STALL, GARBAGE)),
]


@pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP], ids=["pipelining", "lockstep"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {str(case[1])[:20]}")
async def test_one_attempt_leaves_the_row_in_the_right_state(
    outbox: Outbox, case: Case, extensions: tuple[str, ...]
) -> None:
    stage, action, state, arrived = case
    with _peer(outbox, {stage: action}, extensions) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        await outbox.program.connections.close()
        assert outbox.states()["bob@remote.test"] == state
        assert len(peer.messages) == arrived
    assert bool(outbox.error("bob@remote.test")) == (state != "sent")


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


@pytest.mark.parametrize("action", [TRANSIENT, PERMANENT, DROP, STALL, GARBAGE], ids=lambda value: str(value)[:20])
async def test_a_failing_starttls_is_followed_by_delivery_in_the_clear(
    outbox: Outbox, action: Action, authority: Authority
) -> None:
    with _peer(outbox, {"STARTTLS": action}, authority=authority) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        assert [session.tls for session in peer.sessions if session.messages] == [False]
    assert outbox.states() == {"bob@remote.test": "sent"}


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


def _history(outbox: Outbox) -> tuple[AttemptRow, ...]:
    row = outbox.db.read(lambda tx: queue_view.get(tx, None, 1))
    assert row
    return row.history


@pytest.fixture
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
