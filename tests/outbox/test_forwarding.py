"""What the deliverer does with recipients that lead elsewhere, and with what is forwarded."""

from __future__ import annotations

from typing import Any

import dkim
import pytest
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, ForwardedRecipient, IncomingMessage
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.keys import DkimKeyError, dns_record
from onifast_shared.message.authentication_results import parse_arc
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address

from fakes.smtp_server import ScriptedSmtpServer

from .helpers import MESSAGE, Outbox

RESULTS = b"Authentication-Results: mail.host.test;\r\n\tspf=pass smtp.mailfrom=eve@remote.test;\r\n\tdkim=none (x)"
RECEIVED = RESULTS + b";\r\n\tarc=none\r\nReceived: from x\r\n" + MESSAGE


def exchanger(outbox: Outbox, script: dict[str, Any] | None = None) -> ScriptedSmtpServer:
    """The mail exchanger of remote.test."""
    return ScriptedSmtpServer(script, host="127.0.0.25", port=outbox.settings.outbound_port)


def panel(outbox: Outbox, *forwards: tuple[str, str]) -> None:
    for address, target in forwards:
        outbox.sql(f"INSERT INTO mail_forwards (address, target, owner) VALUES ('{address}', '{target}', 'carol');")


async def receive(outbox: Outbox, raw: bytes = RECEIVED, sender: str = "eve@remote.test") -> None:
    """A message that carol@here.test forwards to bob@remote.test, as smtpd takes it."""
    passing = ForwardedRecipient(QueuedRecipient("bob@remote.test"), Address.parse("carol@here.test"), "carol")
    onward = ForwardedMessage([passing], outbox.settings, Submission("", "forward"))
    await accept.deliver(outbox.db, raw, IncomingMessage(sender, [], onward=onward))


def publish(outbox: Outbox, domain: str = "here.test") -> None:
    record = dns_record(dkim_keys.generate(outbox.settings.certs_dir, domain))
    outbox.dns.set(record.name, "TXT", record.value)


def look_up(outbox: Outbox) -> Any:
    """dkimpy's dnsfunc over the fake DNS."""

    def fetch(name: bytes, timeout: float = 5) -> bytes:
        answers = [record for key, records in outbox.dns._records.items() for record in records
                   if key.name.to_text() == name.decode() and key.rdtype.name == "TXT"]  # fmt: skip
        return b"".join(answers[0].strings)  # type: ignore[attr-defined]

    return fetch


async def test_submitted_mail_to_an_alias_is_expanded_as_smtpd_does_it(outbox: Outbox) -> None:
    panel(outbox, ("team@here.test", "carol+x@here.test"), ("team@here.test", "bob@remote.test"))
    with exchanger(outbox) as peer:
        await outbox.submit("team@here.test")
        await outbox.deliver_all()
        (message,) = peer.messages
    assert (message.mail_from, message.rcpt_to) == ("alice@here.test", ("bob@remote.test",))
    assert message.data == b"Delivered-To: team@here.test\r\n" + MESSAGE
    assert b"Delivered-To: carol+x@here.test\r\n" in outbox.mail_of("carol")[0]
    assert outbox.states() == {"team@here.test": "sent", "bob@remote.test": "sent"}


async def test_a_forward_belongs_to_who_forwards_not_to_the_sender(outbox: Outbox) -> None:
    panel(outbox, ("team@here.test", "bob@remote.test"))
    await outbox.submit("team@here.test")
    await outbox.round()
    assert outbox.sql("SELECT origin, owner, submitted_by, email_id FROM outbox WHERE id = 2") == [
        "forward|carol|forward:team@here.test|"
    ]


async def test_a_circle_of_aliases_is_returned(outbox: Outbox) -> None:
    panel(outbox, ("a@here.test", "b@here.test"), ("b@here.test", "a@here.test"))
    await outbox.submit("a@here.test")
    await outbox.deliver_all()
    assert outbox.error("a@here.test").startswith("554 5.4.6")


async def test_a_full_mailbox_waits_for_room_and_is_returned_in_the_end(outbox: Outbox) -> None:
    outbox.sql("INSERT INTO mail_quotas VALUES ('owner', 'carol', 300), ('owner', 'alice', 0);")
    await outbox.submit("carol@here.test")
    await outbox.round()
    await outbox.submit("carol@here.test")
    await outbox.round()
    assert outbox.sql("SELECT status, last_error FROM outbox WHERE id = 2")[0].startswith("deferred|452 4.2.2")
    outbox.sql("UPDATE outbox SET queued_ts = 1, next_attempt_ts = 0 WHERE id = 2;")
    await outbox.deliver_all()
    assert outbox.sql("SELECT status FROM outbox WHERE id = 2") == ["failed"]
    assert b"4.2.2" in outbox.mail_of("alice")[0]


async def test_a_message_larger_than_the_mailbox_is_returned_at_once(outbox: Outbox) -> None:
    outbox.sql("INSERT INTO mail_quotas VALUES ('owner', 'carol', 10);")
    await outbox.submit("carol@here.test")
    await outbox.round()
    assert outbox.error("carol@here.test").startswith("552 5.2.2")


async def test_the_bounce_of_a_forwarded_message_goes_to_its_real_sender(outbox: Outbox) -> None:
    with exchanger(outbox, {"RCPT bob@remote.test": "550 5.1.1 no Bob here"}) as peer:
        await receive(outbox)
        for _ in range(4):
            await outbox.round()
        (bounce,) = peer.messages
    assert (bounce.mail_from, bounce.rcpt_to) == ("", ("eve@remote.test",))
    assert b"no Bob here" in bounce.data


async def test_a_rewritten_sender_takes_bounces_only(outbox: Outbox) -> None:
    await receive(outbox)
    (sender,) = outbox.sql("SELECT sender FROM outbox")
    await outbox.submit(sender)
    await outbox.round()
    assert outbox.error(sender).startswith("550 5.7.1")


async def test_what_is_forwarded_is_sealed_and_not_signed(outbox: Outbox) -> None:
    publish(outbox)
    with exchanger(outbox) as peer:
        await receive(outbox)
        await outbox.round()
        (message,) = peer.messages
    assert message.mail_from.startswith("SRS0=")
    raw = message.data
    assert raw.startswith(b"ARC-Seal: i=1; cv=none;")
    assert b"\r\nDelivered-To: carol@here.test\r\n" in raw
    assert b"DKIM-Signature" not in raw
    status, sets, reason = dkim.arc_verify(raw, dnsfunc=look_up(outbox))
    assert (status, sets[0]["as-domain"], sets[0]["ams-domain"]) == (b"pass", b"here.test", b"here.test"), reason
    assert b"spf=pass smtp.mailfrom=eve@remote.test" in sets[0]["aar-value"]


FORGED = rb"""Authentication-Results: mail.host.test;
    spf=pass smtp.mailfrom="\"; dmarc=pass header.from=bank.test; x=\"@remote.test";
    dkim=fail (; dmarc=pass header.from=bank.test) header.d="; dmarc=pass" header.s=sel;
    dmarc=fail header.from=bank.test;
    arc=none
Received: from x
""".replace(b"\n", b"\r\n")


async def test_a_seal_says_no_more_than_was_found_whatever_the_sender_is_called(outbox: Outbox) -> None:
    publish(outbox)
    with exchanger(outbox) as peer:
        await receive(outbox, FORGED + MESSAGE)
        await outbox.round()
        (message,) = peer.messages
    status, sets, reason = dkim.arc_verify(message.data, dnsfunc=look_up(outbox))
    assert status == b"pass", reason
    results = sets[0]["aar-value"]
    found = [("spf", "pass"), ("dkim", "fail"), ("dmarc", "fail"), ("arc", "none")]
    assert [(item.method, item.result) for item in parse_arc(results.decode()).results] == found
    assert b"smtp.mailfrom=remote.test" in results
    assert b"dmarc=pass" not in results


async def test_a_chain_that_could_not_be_checked_is_left_as_it_is(outbox: Outbox) -> None:
    publish(outbox)
    with exchanger(outbox) as peer:
        await receive(outbox, RECEIVED.replace(b"arc=none", b"arc=temperror"))
        await outbox.round()
        (message,) = peer.messages
    assert b"ARC-Seal" not in message.data


async def test_a_second_seal_goes_on_top_of_the_first(outbox: Outbox) -> None:
    publish(outbox)
    with exchanger(outbox) as peer:
        await receive(outbox)
        await outbox.round()
        # smtpd takes the results away that a message brings under our name.
        first = peer.messages[0].data.replace(
            b"\r\nAuthentication-Results: mail", b"\r\nAuthentication-Results: before"
        )
        await receive(outbox, RECEIVED.replace(b"arc=none", b"arc=pass").replace(MESSAGE, first))
        await outbox.round()
        second = peer.messages[1].data
    assert second.startswith(b"ARC-Seal: i=2; cv=pass;")
    assert dkim.arc_verify(second, dnsfunc=look_up(outbox))[0] == b"pass"


async def test_a_chain_that_is_broken_is_sealed_as_such(outbox: Outbox) -> None:
    publish(outbox)
    with exchanger(outbox) as peer:
        await receive(outbox)
        await outbox.round()
        first = peer.messages[0].data.replace(b"Hello Bob", b"Hello Eve")
        await receive(outbox, RECEIVED.replace(b"arc=none", b"arc=fail").replace(MESSAGE, first))
        await outbox.round()
    assert peer.messages[1].data.startswith(b"ARC-Seal: i=2; cv=fail;")


async def test_our_own_users_mail_is_signed_when_it_is_forwarded(outbox: Outbox) -> None:
    publish(outbox)
    panel(outbox, ("team@here.test", "bob@remote.test"))
    with exchanger(outbox) as peer:
        await outbox.submit("team@here.test")
        await outbox.deliver_all()
    assert peer.messages[0].data.startswith(b"DKIM-Signature:")


async def test_a_key_that_cannot_seal_lets_the_message_go_without(outbox: Outbox) -> None:
    path = dkim_keys.signing_path(outbox.settings.certs_dir, "here.test", "ed25519-sha256")
    dkim_keys.write_new(path, "mail", "ed25519-sha256")
    with exchanger(outbox) as peer:
        await receive(outbox)
        await outbox.round()
        assert peer.messages[0].data == b"Delivered-To: carol@here.test\r\n" + RECEIVED
        # Beside an RSA key it is no obstacle.
        publish(outbox)
        await receive(outbox)
        await outbox.round()
    sealed = peer.messages[1].data
    assert sealed.startswith(b"ARC-Seal: i=1; cv=none; a=rsa-sha256;")
    assert dkim.arc_verify(sealed, dnsfunc=look_up(outbox))[0] == b"pass"


async def test_a_name_with_a_blank_behind_it_is_mended_before_the_seal(outbox: Outbox) -> None:
    publish(outbox)
    with exchanger(outbox) as peer:
        await receive(outbox, RECEIVED.replace(b"\r\nSubject:", b"\r\nSubject :"))
        await receive(outbox, b"DKIM-Signature: v=1; d=x\r\n" + RECEIVED.replace(b"\r\nSubject:", b"\r\nSubject :"))
        await outbox.deliver_all()
    mended, as_it_was = sorted((message.data for message in peer.messages), key=lambda raw: b"\r\nSubject :" in raw)
    assert dkim.arc_verify(mended, dnsfunc=look_up(outbox))[0] == b"pass"
    assert b"\r\nSubject:" in mended
    assert b"\r\nSubject :" in as_it_was


async def test_no_key_means_no_seal(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        await receive(outbox)
        await outbox.round()
    assert peer.messages[0].data == b"Delivered-To: carol@here.test\r\n" + RECEIVED


async def test_a_bad_key_keeps_the_message_here(outbox: Outbox) -> None:
    dkim_keys.generate(outbox.settings.certs_dir, "here.test").path.write_text("no key")
    with pytest.raises(DkimKeyError):
        dkim_keys.load(outbox.settings.certs_dir, "here.test", "mail")
    await receive(outbox)
    await outbox.round()
    assert outbox.error("bob@remote.test").startswith("451 4.3.5 not sent, since it cannot be signed")


async def test_two_addresses_that_forward_to_one_site_seal_apart(outbox: Outbox) -> None:
    by = [Address.parse("carol@here.test"), Address.parse("alice@here.test")]
    passing = [ForwardedRecipient(QueuedRecipient(f"{each.local}@remote.test"), each) for each in by]
    onward = ForwardedMessage(passing, outbox.settings, Submission("", "forward"))
    with exchanger(outbox) as peer:
        await accept.deliver(outbox.db, RECEIVED, IncomingMessage("", [], onward=onward))
        await outbox.round()
    assert sorted(message.data.split(b"\r\n")[0] for message in peer.messages) == [
        b"Delivered-To: alice@here.test",
        b"Delivered-To: carol@here.test",
    ]
