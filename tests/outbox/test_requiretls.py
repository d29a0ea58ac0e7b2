"""REQUIRETLS (RFC 8689): a message that may go over proven TLS alone."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from onifast_shared.accepting import accept
from onifast_shared.queue.store import QueuedRecipient, Submission

from fakes.certificates import Authority, Certificate
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import MESSAGE, Outbox

HOST = "mx.remote.test"


@pytest.fixture
def certificate(tmp_path: Path, outbox: Outbox) -> Certificate:
    """The exchanger's certificate, from an authority that the deliverer trusts."""
    certificate = Authority(tmp_path).issue(HOST)
    outbox.reassemble(outbound_tls_ca=certificate.authority)
    return certificate


def exchanger(outbox: Outbox, *extensions: str, tls: ssl.SSLContext | None = None) -> ScriptedSmtpServer:
    port = outbox.settings.outbound_port
    return ScriptedSmtpServer(host="127.0.0.25", port=port, extensions=("8BITMIME", *extensions), tls=tls)


async def send(outbox: Outbox, *recipients: str) -> None:
    submission = Submission(sender="alice@here.test", origin="smtp", requiretls=True, ret="FULL")
    queued = [QueuedRecipient(recipient) for recipient in recipients or ("bob@remote.test",)]
    await accept.asubmit(outbox.db, MESSAGE, submission, queued)
    await outbox.deliver_all()


async def test_it_goes_to_a_server_that_proves_its_name_and_promises_the_same(
    outbox: Outbox, certificate: Certificate
) -> None:
    with exchanger(outbox, "REQUIRETLS", tls=certificate.server_context()) as peer:
        await send(outbox)
        (message,) = peer.messages
        assert peer.sessions[0].tls
    assert "REQUIRETLS" in message.mail_parameters.split()


async def test_it_comes_back_without_its_body_where_the_server_does_not_promise(
    outbox: Outbox, certificate: Certificate
) -> None:
    with exchanger(outbox, tls=certificate.server_context()) as peer:
        await send(outbox)
        assert peer.messages == []
    assert outbox.error("bob@remote.test").startswith("550 5.7.30")
    (bounce,) = outbox.mail_of("alice")
    assert b"Hello Bob" not in bounce
    assert outbox.sql("SELECT requiretls FROM outbox WHERE sender = ''") == ["1"]


async def test_it_waits_where_there_is_no_tls(outbox: Outbox) -> None:
    with exchanger(outbox, "REQUIRETLS") as peer:
        await send(outbox)
        assert peer.messages == []
    assert outbox.states() == {"bob@remote.test": "deferred"}
    assert "does not offer STARTTLS" in outbox.error("bob@remote.test")


async def test_it_waits_where_the_certificate_is_not_good(
    outbox: Outbox, certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue(HOST)
    with exchanger(outbox, "REQUIRETLS", tls=stranger.server_context()) as peer:
        await send(outbox)
        assert peer.messages == []
    assert outbox.states() == {"bob@remote.test": "deferred"}
    assert "certificate does not verify" in outbox.error("bob@remote.test")


async def test_a_connection_that_proved_nothing_is_not_used_again_for_it(
    outbox: Outbox, certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue(HOST)
    with exchanger(outbox, "REQUIRETLS", tls=stranger.server_context()) as peer:
        await outbox.submit("bob@remote.test")
        await outbox.round()
        await send(outbox, "eve@remote.test")
        assert [message.rcpt_to for message in peer.messages] == [("bob@remote.test",)]


async def test_a_mailbox_here_gets_it(outbox: Outbox) -> None:
    await send(outbox, "carol@here.test")
    assert len(outbox.mail_of("carol")) == 1
