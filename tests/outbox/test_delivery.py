"""What the deliverer does with a queued message: mailboxes, other domains, bounces, the sandbox."""

from __future__ import annotations

import asyncio
import email
import re
from dataclasses import replace

import pytest
from onifast_outbox.delivering.connections import MAX_TRIES
from onifast_outbox.program import assemble
from onifast_shared.queue.store import QueuedRecipient

from fakes.dns import Failure
from fakes.smtp_script import DROP, STALL
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import MESSAGE, Outbox, patience

TO_BOB = ("bob@remote.test",)


def exchanger(outbox: Outbox, script: dict[str, object] | None = None, **more: object) -> ScriptedSmtpServer:
    """The mail exchanger of remote.test."""
    return ScriptedSmtpServer(
        script,  # type: ignore[arg-type]
        host="127.0.0.25",
        port=outbox.settings.outbound_port,
        **more,  # type: ignore[arg-type]
    )


async def test_a_local_recipient_gets_the_message_with_its_trace(outbox: Outbox) -> None:
    await outbox.submit("carol@here.test")
    await outbox.round()
    assert outbox.mail_of("carol") == [b"Return-Path: <alice@here.test>\r\nDelivered-To: carol@here.test\r\n" + MESSAGE]
    assert outbox.states() == {"carol@here.test": "sent"}
    assert outbox.sql("SELECT folder, is_read, reverse_path FROM emails") == ["inbox|0|alice@here.test"]


async def test_a_remote_recipient_gets_the_same_bytes(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        (message,) = peer.messages
    assert (message.mail_from, message.rcpt_to, message.data) == ("alice@here.test", TO_BOB, MESSAGE)


async def test_one_local_one_remote_one_refused_are_three_results_and_a_bounce(outbox: Outbox) -> None:
    with exchanger(outbox, {"RCPT eve@remote.test": "550 5.1.1 no Eve here"}) as peer:
        await outbox.submit("carol@here.test", "bob@remote.test", "eve@remote.test")
        await outbox.deliver_all()
        assert [message.rcpt_to for message in peer.messages] == [TO_BOB]
    assert outbox.states() == {
        "carol@here.test": "sent",
        "bob@remote.test": "sent",
        "eve@remote.test": "failed",
        "alice@here.test": "sent",  # the bounce
    }
    (bounce,) = outbox.mail_of("alice")
    assert b"no Eve here" in bounce
    assert bounce.startswith(b"Return-Path: <>\r\n")


async def test_siblings_go_in_one_transaction_and_destinations_apart(outbox: Outbox) -> None:
    outbox.dns.set("other.test", "MX", "10 mx.other.test")
    outbox.dns.set("mx.other.test", "A", "127.0.0.26")
    with (
        exchanger(outbox) as peer,
        ScriptedSmtpServer(host="127.0.0.26", port=outbox.settings.outbound_port) as other,
    ):
        await outbox.submit("bob@remote.test", "ann@remote.test", "joe@other.test")
        await outbox.round()
        assert [message.rcpt_to for message in peer.messages] == [("bob@remote.test", "ann@remote.test")]
        assert [message.rcpt_to for message in other.messages] == [("joe@other.test",)]


async def test_domains_with_the_same_exchangers_are_destinations_of_their_own(outbox: Outbox) -> None:
    outbox.dns.set("twin.test", "MX", "10 mx.remote.test")
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", "bob@twin.test")
        await outbox.round()
        assert {message.rcpt_to for message in peer.messages} == {TO_BOB, ("bob@twin.test",)}


async def test_a_connection_carries_the_next_message_too(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        for _ in range(3):
            await outbox.submit("bob@remote.test")
            await outbox.round()
        assert (len(peer.messages), len(peer.sessions)) == (3, 1)


async def test_a_kept_connection_that_has_died_costs_nothing(outbox: Outbox) -> None:
    with exchanger(outbox, {"MAIL": ["250 ok", DROP, "250 ok"]}) as peer:
        for _ in range(2):
            await outbox.submit("bob@remote.test")
            await outbox.round()
        assert (len(peer.messages), len(peer.sessions)) == (2, 2)
    assert outbox.states() == {"bob@remote.test": "sent"}


async def test_the_next_exchanger_is_tried_where_the_first_cannot_be_reached(outbox: Outbox) -> None:
    outbox.dns.set("remote.test", "MX", "10 dead.remote.test", "20 mx.remote.test", "30 worse.remote.test")
    outbox.dns.set("dead.remote.test", "A", "127.0.0.99")
    with exchanger(outbox):
        await outbox.submit("bob@remote.test")
        await outbox.round()
    assert outbox.states() == {"bob@remote.test": "sent"}


async def test_an_exchanger_without_any_address_fails_for_good(outbox: Outbox) -> None:
    outbox.dns.remove("mx.remote.test")
    await outbox.submit("bob@remote.test", sender="")
    await outbox.round()
    assert outbox.states() == {"bob@remote.test": "failed"}
    assert "5.4.4" in outbox.error("bob@remote.test")


async def test_an_exchanger_that_greets_with_our_name_is_ourselves(outbox: Outbox) -> None:
    with exchanger(outbox, hostname=outbox.settings.hostname) as peer:
        await outbox.submit("bob@remote.test", sender="")
        await outbox.round()
        assert peer.messages == []
    assert "5.4.6" in outbox.error("bob@remote.test")


@pytest.mark.parametrize(("failure", "state"), [(Failure.SERVFAIL, "deferred"), (None, "failed")])
async def test_a_failing_dns_defers_and_a_missing_domain_fails(
    outbox: Outbox, failure: Failure | None, state: str
) -> None:
    outbox.dns.fail("gone.test", failure)
    await outbox.submit("bob@gone.test", sender="")
    await outbox.round()
    assert outbox.states() == {"bob@gone.test": state}


async def test_an_unknown_local_recipient_fails(outbox: Outbox) -> None:
    await outbox.submit("nobody-here@here.test", sender="")
    await outbox.round()
    assert outbox.error("nobody-here@here.test").startswith("550 5.1.1")


async def test_a_message_that_was_in_the_mailbox_before_fails(outbox: Outbox) -> None:
    await outbox.submit("carol@here.test", raw=b"Delivered-To: Carol@here.test\r\n" + MESSAGE, sender="")
    await outbox.round()
    assert outbox.states() == {"carol@here.test": "failed"}
    assert outbox.mail_of("carol") == []


async def test_a_message_that_went_through_too_many_servers_fails(outbox: Outbox) -> None:
    await outbox.submit("bob@remote.test", raw=b"Received: from a by b\r\n" * 51 + MESSAGE, sender="")
    await outbox.round()
    assert "5.4.6" in outbox.error("bob@remote.test")


async def test_the_sandbox_keeps_foreign_mail_and_delivers_local_mail(outbox: Outbox) -> None:
    outbox.reassemble(delivery="sandbox")
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", "carol@here.test")
        await outbox.round()
        assert peer.sessions == []
    assert outbox.states() == {"bob@remote.test": "sandboxed", "carol@here.test": "sent"}
    assert "sandboxed" in outbox.sql("SELECT outcome FROM delivery_attempts")


async def test_a_message_too_old_for_another_attempt_comes_back_with_the_last_answer(outbox: Outbox) -> None:
    with exchanger(outbox, {"RCPT": "450 4.2.1 greylisted for ever"}):
        await outbox.submit("bob@remote.test")
        outbox.sql("UPDATE outbox SET queued_ts = unixepoch() - 5 * 86400 - 1")
        await outbox.deliver_all()
    assert outbox.states()["bob@remote.test"] == "failed"
    (bounce,) = outbox.mail_of("alice")
    assert b"greylisted for ever" in bounce
    assert b"Status: 5.4.7" in bounce


async def test_a_bounce_is_never_bounced(outbox: Outbox) -> None:
    with exchanger(outbox, {"RCPT": "550 5.1.1 gone"}):
        await outbox.submit("bob@remote.test", sender="")
        await outbox.deliver_all()
    assert outbox.states() == {"bob@remote.test": "failed"}


async def test_notify_never_is_obeyed(outbox: Outbox) -> None:
    with exchanger(outbox, {"RCPT": "550 5.1.1 gone"}):
        await outbox.submit(QueuedRecipient("bob@remote.test", notify="NEVER"))
        await outbox.deliver_all()
    assert outbox.states() == {"bob@remote.test": "failed"}


async def test_notify_success_is_answered_where_the_next_server_does_not(outbox: Outbox) -> None:
    with exchanger(outbox):
        await outbox.submit(
            QueuedRecipient("bob@remote.test", notify="SUCCESS"), QueuedRecipient("carol@here.test", notify="SUCCESS")
        )
        await outbox.deliver_all()
    actions = sorted(
        line for mail in outbox.mail_of("alice") for line in mail.split(b"\r\n") if line.startswith(b"Action:")
    )
    assert actions == [b"Action: delivered", b"Action: relayed"]


async def test_dsn_parameters_are_passed_on_and_success_is_the_next_servers_to_tell(outbox: Outbox) -> None:
    with exchanger(outbox, extensions=("DSN",)) as peer:
        await outbox.submit(
            QueuedRecipient("bob@remote.test", notify="SUCCESS,FAILURE", orcpt="rfc822;bob@remote.test"),
            ret="HDRS",
            envid="QQ314159",
        )
        await outbox.deliver_all()
        (message,) = peer.messages
    assert message.mail_parameters == "RET=HDRS ENVID=QQ314159"
    assert message.rcpt_parameters == ("NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@remote.test",)
    assert outbox.states() == {"bob@remote.test": "sent"}


async def test_a_parameter_in_the_database_cannot_become_a_command(outbox: Outbox) -> None:
    with exchanger(outbox, extensions=("DSN",)) as peer:
        await outbox.submit(QueuedRecipient("bob@remote.test", orcpt="x\r\nRCPT TO:<eve@remote.test>"), envid="a b")
        await outbox.round()
        (message,) = peer.messages
    assert (message.rcpt_to, message.rcpt_parameters) == (TO_BOB, ("",))
    assert re.fullmatch(r"ENVID=[0-9a-z]{12}\.[a-z2-7]{16}", message.mail_parameters)  # one of ours instead


@pytest.mark.parametrize("recipient", ["bob", "bob@remote.test\r\nRCPT TO:<eve@remote.test>", "", "@", "a@b@"])
async def test_a_row_without_a_usable_address_fails_with_a_clear_reason(outbox: Outbox, recipient: str) -> None:
    await outbox.submit(recipient)
    await outbox.deliver_all()
    assert outbox.sql("SELECT status FROM outbox WHERE id = 1") == ["failed"]
    assert "5.1.3 recipient" in outbox.sql("SELECT last_error FROM outbox WHERE id = 1")[0]


async def test_two_rows_for_one_recipient_are_one_delivery(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", "bob@remote.test")
        await outbox.round()
        assert [message.rcpt_to for message in peer.messages] == [TO_BOB]
    assert outbox.sql("SELECT status FROM outbox") == ["sent", "sent"]


async def test_a_message_larger_than_the_server_takes_fails_without_being_sent(outbox: Outbox) -> None:
    with exchanger(outbox, extensions=("SIZE 100",)) as peer:
        await outbox.submit("bob@remote.test", sender="")
        await outbox.round()
        assert not any(line.startswith("MAIL") for line in peer.sessions[0].commands)
    assert "5.3.4" in outbox.error("bob@remote.test")


async def test_8_bit_text_says_so_where_it_is_taken(outbox: Outbox) -> None:
    raw = MESSAGE + "Grüße\r\n".encode()
    with exchanger(outbox, extensions=("8BITMIME",)) as peer:
        await outbox.submit("bob@remote.test", raw=raw)
        await outbox.round()
        assert peer.messages[0].mail_parameters == "BODY=8BITMIME"


async def test_an_internationalised_address_needs_smtputf8(outbox: Outbox) -> None:
    with exchanger(outbox, extensions=("8BITMIME", "SMTPUTF8")) as peer:
        await outbox.submit("jürgen@remote.test")
        await outbox.round()
        (message,) = peer.messages
    assert (message.rcpt_to, message.mail_parameters) == (("jürgen@remote.test",), "SMTPUTF8")
    await outbox.program.connections.close()
    with exchanger(outbox, extensions=("8BITMIME",)) as peer:
        await outbox.submit("jürgen@remote.test", "bob@remote.test", sender="")
        await outbox.round()
        assert peer.messages[0].rcpt_to == TO_BOB
    assert "553 5.6.7" in outbox.sql("SELECT last_error FROM outbox WHERE recipient LIKE 'j%' AND status = 'failed'")[0]


@pytest.mark.parametrize(
    ("field", "submitted_so", "state"),
    [("X: ü", True, "sent"), ("Cc: Jürgen <j@x.test>", True, "sent"), ("Cc: ü@x.test", True, "failed"),
     ("Cc: ü@x.test", False, "sent")],
)  # fmt: skip
async def test_a_header_needs_smtputf8_only_for_an_address_that_was_submitted_so(
    outbox: Outbox, field: str, submitted_so: bool, state: str
) -> None:
    with exchanger(outbox, extensions=("8BITMIME",)):
        raw = f"{field}\r\n".encode() + MESSAGE
        await outbox.submit("bob@remote.test", raw=raw, sender="", smtputf8=submitted_so)
        await outbox.round()
    assert outbox.states() == {"bob@remote.test": state}


async def test_bare_line_ends_never_leave(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", raw=MESSAGE + b"a\n.\nMAIL FROM:<x@y>\rb\r\n.\r\nend")
        await outbox.round()
        (message,) = peer.messages
    assert message.data == MESSAGE + b"a\r\n.\r\nMAIL FROM:<x@y>\r\nb\r\n.\r\nend\r\n"


async def test_a_large_message_arrives_whole(outbox: Outbox) -> None:
    raw = MESSAGE + (b"." * 70 + b"\r\n") * 100_000
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", "carol@here.test", raw=raw)
        await outbox.round()
        assert peer.messages[0].data == raw
    assert outbox.mail_of("carol")[0].endswith(raw)


async def test_two_deliverers_on_one_database_deliver_each_message_once(outbox: Outbox) -> None:
    second = assemble(replace(outbox.settings, outbox_concurrency=3), outbox.db)
    with exchanger(outbox) as peer:
        for _ in range(30):
            await outbox.submit("bob@remote.test")
        for program in (outbox.program, second) * 10:
            await program.dispatcher.drain()
        for program in (outbox.program, second):
            await program.dispatcher.finish(30)
        await outbox.deliver_all()
        assert len(peer.messages) == 30
        await second.connections.close()
    assert outbox.sql("SELECT DISTINCT status, attempts FROM outbox") == ["sent|1"]


async def test_a_claim_that_was_taken_over_sends_no_final_dot(outbox: Outbox) -> None:
    outbox.reassemble(**patience(30.0))
    with exchanger(outbox, {"DATA": STALL}) as peer:
        await outbox.submit("bob@remote.test")
        delivering = asyncio.create_task(outbox.round())
        await asyncio.to_thread(peer.wait_for_command, "DATA")
        # What another deliverer does when this one's lease has run out.
        outbox.sql("UPDATE outbox SET lease_token = 'another'")
        peer.release()
        await delivering
        (session,) = await asyncio.to_thread(peer.wait_for_sessions, 1)
        assert session.messages == []
    assert outbox.sql("SELECT status, lease_token, attempts FROM outbox") == ["sending|another|0"]


async def test_rows_of_a_dead_deliverer_go_back_and_are_delivered(outbox: Outbox) -> None:
    await outbox.submit("carol@here.test")
    outbox.sql("UPDATE outbox SET status = 'sending', lease_token = 'dead', lease_boot = 'earlier', lease_until = 0")
    await outbox.round()
    assert outbox.states() == {"carol@here.test": "sending"}
    await outbox.program.janitor.tidy(0)
    await outbox.round()
    assert outbox.states() == {"carol@here.test": "sent"}


async def test_a_claim_is_renewed_for_as_long_as_its_delivery_lives(outbox: Outbox) -> None:
    outbox.reassemble(**patience(30.0), lease_seconds=0.6)
    renewing = asyncio.create_task(outbox.program.leases.run())
    with exchanger(outbox, {"DATA": STALL}) as peer:
        await outbox.submit("bob@remote.test")
        delivering = asyncio.create_task(outbox.round())
        await asyncio.to_thread(peer.wait_for_command, "DATA")
        await asyncio.sleep(1.2)  # two leases
        await outbox.program.janitor.tidy(0)
        assert outbox.states() == {"bob@remote.test": "sending"}
        peer.release()
        await delivering
        assert len(peer.messages) == 1
    renewing.cancel()
    assert outbox.states() == {"bob@remote.test": "sent"}


async def test_what_does_not_end_in_time_at_a_stop_is_given_back_untried(outbox: Outbox) -> None:
    outbox.reassemble(**patience(30.0))
    with exchanger(outbox, {"DATA": STALL}) as peer:
        await outbox.submit("bob@remote.test", "carol@here.test")
        await outbox.program.dispatcher.drain()
        await asyncio.to_thread(peer.wait_for_command, "DATA")
        assert await outbox.program.dispatcher.finish(0.05) == 1
        peer.release()
        await asyncio.to_thread(peer.wait_for_sessions, 1)
        assert peer.messages == []
    assert outbox.sql("SELECT status, attempts, lease_token FROM outbox ORDER BY id") == ["pending|0|", "sent|1|"]


async def test_a_domain_with_many_dead_servers_costs_a_few_tries(outbox: Outbox) -> None:
    names = [f"mx{number}.dead.test" for number in range(9)]
    outbox.dns.set("dead.test", "MX", *(f"10 {name}" for name in names))
    for name in names:
        outbox.dns.set(name, "A", "127.0.0.99")
    await outbox.submit("bob@dead.test")
    await outbox.round()
    assert outbox.states() == {"bob@dead.test": "deferred"}
    assert sum(outbox.dns.asked(name, "A") for name in names) <= MAX_TRIES + 1


async def test_an_unforeseen_error_defers_and_stops_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("onifast_outbox.delivering.courier.deliver_here", fail)
    await outbox.submit("carol@here.test")
    await outbox.round()
    assert outbox.states() == {"carol@here.test": "deferred"}
    assert "a bug" not in outbox.error("carol@here.test")
    assert "a bug" in caplog.text


async def test_a_bounce_is_read_by_the_standard_librarys_parser(outbox: Outbox) -> None:
    with exchanger(outbox, {"RCPT": "550 5.7.1 not from you"}):
        await outbox.submit("bob@remote.test", "joe@remote.test")
        await outbox.deliver_all()
    (raw,) = outbox.mail_of("alice")
    bounce = email.message_from_bytes(raw)
    groups = [part for part in bounce.walk() if part["Final-Recipient"]]
    assert [group["Final-Recipient"] for group in groups] == [
        "rfc822; bob@remote.test",
        "rfc822; joe@remote.test",
    ]


async def test_addresses_beside_the_grammar_are_written_by_it(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        outbox.sql(
            "INSERT INTO outbox (sender, recipient, subject, body)"
            " VALUES ('.alice@here.test', 'bob..x@remote.test.', 's', 'b')"
        )
        await outbox.deliver_all()
        (message,) = peer.messages
    assert (message.mail_from, message.rcpt_to) == ('".alice"@here.test', ('"bob..x"@remote.test',))
    assert b'\r\nTo: "bob..x"@remote.test\r\n' in message.data
