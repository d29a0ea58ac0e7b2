"""The real Exim: relays to a scripted server, keeps what that defers."""

from collections.abc import Iterator

import pytest

from fakes.smtp_server import ScriptedSmtpServer
from peers.exim import Exim

pytestmark = [pytest.mark.peers, pytest.mark.root]

MESSAGE = b"From: alice@remote.test\nSubject: out\n\nhello\n"


@pytest.fixture
def site() -> Iterator[ScriptedSmtpServer]:
    with ScriptedSmtpServer({"RCPT later@example.test": ["451 4.7.1 later", "250 ok"]}) as server:
        yield server


@pytest.fixture
def exim(site: ScriptedSmtpServer) -> Iterator[Exim]:
    with Exim((site.host, site.port)) as ready:
        yield ready


def test_relays_at_once_from_its_own_address(site: ScriptedSmtpServer, exim: Exim) -> None:
    run = exim.send("alice@remote.test", ["you@example.test"], MESSAGE)
    assert run.status == 0, run.output
    [message] = site.wait_for_messages(1)
    assert (message.mail_from, message.rcpt_to) == ("alice@remote.test", ("you@example.test",))
    assert b"Subject: out\r\n" in message.data
    assert message.data.endswith(b"\r\n\r\nhello\r\n")
    assert site.sessions[0].peer[0] == "127.0.0.9"
    assert site.sessions[0].commands[0] == "EHLO mx.remote.test"
    assert exim.queue() == ""
    assert "=> you@example.test" in exim.log()


def test_keeps_what_is_deferred_and_tries_again(site: ScriptedSmtpServer, exim: Exim) -> None:
    exim.send("alice@remote.test", ["later@example.test"], MESSAGE)
    assert "later@example.test" in exim.queue()
    exim.flush()
    site.wait_for_messages(1)
    assert exim.queue() == ""


def test_sends_the_null_reverse_path(site: ScriptedSmtpServer, exim: Exim) -> None:
    exim.send("", ["you@example.test"], MESSAGE)
    [message] = site.wait_for_messages(1)
    assert message.mail_from == ""


def test_passes_on_the_parameters_of_dsn() -> None:
    expected = ["MAIL FROM:<alice@remote.test> RET=HDRS ENVID=QQ", "RCPT TO:<you@example.test> NOTIFY=NEVER"]
    with ScriptedSmtpServer(extensions=("DSN",)) as site, Exim((site.host, site.port)) as exim:
        text = b"Subject: s\n\n.dot\n"
        exim.submit("alice@remote.test", ["you@example.test"], text, ["RET=HDRS", "ENVID=QQ"], ["NOTIFY=NEVER"])
        [message] = site.wait_for_messages(1)
        assert message.data.endswith(b"\r\n\r\n.dot\r\n")
        assert [line for line in site.sessions[0].commands if line in expected] == expected
