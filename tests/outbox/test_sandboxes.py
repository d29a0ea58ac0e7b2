"""Domains in the sandbox: what is captured, and what becomes of it that somebody lets out."""

from __future__ import annotations

import time

from onifast_shared.queue import sandbox
from onifast_shared.values.address import Address

from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox

FROM_THE_SHOP = b"From: Shop <shop@Here.Test>\r\nSubject: Order\r\n\r\nThank you.\r\n"


def exchanger(outbox: Outbox) -> ScriptedSmtpServer:
    """The mail exchanger of remote.test."""
    return ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port)


async def put(outbox: Outbox, domain: str) -> None:
    await outbox.db.awrite(lambda tx: sandbox.put(tx, domain, "", time.time()))


async def test_all_that_a_sandboxed_domain_sends_is_captured_for_mailboxes_here_too(outbox: Outbox) -> None:
    await put(outbox, "here.test")
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", "carol@here.test")
        await outbox.round()
        assert peer.sessions == []
    assert outbox.states() == {"bob@remote.test": "sandboxed", "carol@here.test": "sandboxed"}
    assert outbox.mail_of("carol") == []
    assert set(outbox.sql("SELECT sandbox_domain FROM outbox")) == {"here.test"}


async def test_a_message_whose_from_is_in_the_sandbox_is_captured_whatever_its_envelope_says(outbox: Outbox) -> None:
    await put(outbox, "here.test")
    await outbox.submit("bob@remote.test", raw=FROM_THE_SHOP, sender="www-data@mail.host.test")
    await outbox.round()
    assert outbox.states() == {"bob@remote.test": "sandboxed"}


async def test_other_domains_mail_goes_out(outbox: Outbox) -> None:
    await put(outbox, "elsewhere.test")
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        assert len(peer.messages) == 1


async def test_what_is_released_goes_out_for_real(outbox: Outbox) -> None:
    await put(outbox, "here.test")
    with exchanger(outbox) as peer:
        (row_id,) = (await outbox.submit("bob@remote.test")).outbox_ids
        await outbox.round()
        assert peer.messages == []
        await outbox.db.awrite(lambda tx: sandbox.release(tx, None, [row_id], time.time()))
        await outbox.round()
        assert [message.rcpt_to for message in peer.messages] == [("bob@remote.test",)]
    assert outbox.states() == {"bob@remote.test": "sent"}


async def test_what_is_redirected_goes_to_the_other_address_alone(outbox: Outbox) -> None:
    outbox.reassemble(delivery="sandbox")
    with exchanger(outbox) as peer:
        (row_id,) = (await outbox.submit("nobody@elsewhere.test")).outbox_ids
        await outbox.round()
        to = Address.parse("bob@remote.test")
        await outbox.db.awrite(lambda tx: sandbox.redirect(tx, None, [row_id], to, time.time()))
        await outbox.round()
        assert [message.rcpt_to for message in peer.messages] == [("bob@remote.test",)]
    assert outbox.sql("SELECT recipient, original_recipient, status FROM outbox") == [
        "bob@remote.test|nobody@elsewhere.test|sent"
    ]
