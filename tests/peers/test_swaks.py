"""swaks, against the scripted SMTP server."""

import pytest

from fakes.smtp_server import ScriptedSmtpServer
from peers.swaks import swaks

pytestmark = pytest.mark.peers


def test_sends_a_message_from_standard_input_and_another_address() -> None:
    with ScriptedSmtpServer() as server:
        session = swaks(
            *(server.host, server.port, "--from", "a@a.test", "--to", "b@b.test,c@b.test", "--data", "-"),
            *("--local-interface", "127.0.0.9"),
            stdin=b"Subject: given\n\nbody\n",
        )
        [message] = server.messages
        assert server.sessions[0].peer[0] == "127.0.0.9"
    assert session.status == 0
    assert session.replies[0] == "220 mx.fake.test ESMTP fake"
    assert "250 2.0.0 taken" in session.replies
    assert message.rcpt_to == ("b@b.test", "c@b.test")
    assert message.data.startswith(b"Subject: given\r\n\r\nbody\r\n")


def test_tells_a_refusal() -> None:
    with ScriptedSmtpServer({"MAIL": "550 5.7.1 not you"}) as server:
        session = swaks(server.host, server.port, "--from", "a@a.test", "--to", "b@b.test")
    assert session.status != 0
    assert "550 5.7.1 not you" in session.replies
