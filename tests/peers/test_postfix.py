"""The real Postfix: receives from swaks, refuses, relays to a scripted server, and serves as a smart host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.certificates import Authority, Certificate
from fakes.smtp_server import ScriptedSmtpServer
from peers.postfix import Login, PostfixError, RemotePostfix
from peers.swaks import Session, swaks

pytestmark = [pytest.mark.peers, pytest.mark.root]

LOGIN = Login("relayuser", "a secret")


@pytest.fixture(scope="module")
def remote() -> Iterator[RemotePostfix]:
    with RemotePostfix() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Authority(tmp_path_factory.mktemp("certificates")).issue("mx.remote.test", "127.0.0.25")


@pytest.fixture(scope="module")
def smart_host(certificate: Certificate) -> Iterator[RemotePostfix]:
    with RemotePostfix(certificate=certificate, logins=[LOGIN]) as running:
        yield running


def send(remote: RemotePostfix, recipient: str, *arguments: str) -> Session:
    return swaks(remote.host, remote.port, "--from", "sender@a.test", "--to", recipient, *arguments)


def log_in(password: str) -> tuple[str, ...]:
    return ("--tls", "--auth", "PLAIN", "--auth-user", LOGIN.user, "--auth-password", password)


def test_delivers_to_a_mailbox(remote: RemotePostfix) -> None:
    session = send(remote, "alice@remote.test", "--header", "Subject: for alice")
    assert session.status == 0
    [message] = remote.wait_for("alice")
    assert (message.mail_from, message.rcpt_to) == ("sender@a.test", "alice@remote.test")
    assert b"Subject: for alice\n" in message.raw
    assert message.raw.startswith(b"Received: ")


def test_refuses_unknown_users_and_foreign_domains(remote: RemotePostfix) -> None:
    unknown = send(remote, "nobody@remote.test")
    assert unknown.status != 0
    assert any(reply.startswith("550 5.1.1 ") for reply in unknown.replies)
    foreign = send(remote, "somebody@elsewhere.test")
    assert any(reply.startswith("554 5.7.1 ") for reply in foreign.replies)


def test_leaves_a_message_from_elsewhere_as_it_is(remote: RemotePostfix) -> None:
    swaks(remote.host, remote.port, "--from", "<>", "--to", "bob@remote.test", "--data", "Subject: bare\n\nbody")
    [message] = remote.wait_for("bob")
    assert message.mail_from == ""
    assert message.raw.partition(b"Subject: ")[2] == b"bare\n\nbody\n"


def test_sends_to_other_domains_through_its_relay_from_its_own_address() -> None:
    with ScriptedSmtpServer({"RCPT": ["451 4.7.1 later", "250 ok"]}) as site:
        with RemotePostfix(relay=(site.host, site.port), bind_address="127.0.0.9") as remote:
            remote.send("alice@remote.test", "you@example.test", b"Subject: out\r\n\r\nhello\r\n")
            remote.wait_for_log("status=deferred")
            remote.flush()
            remote.wait_for_log("status=sent")
            [message] = site.wait_for_messages(1)
            assert remote.queue() == ""
        assert (message.mail_from, message.rcpt_to) == ("alice@remote.test", ("you@example.test",))
        assert b"Message-Id: " in message.data
        assert site.sessions[0].peer[0] == "127.0.0.9"
        assert site.sessions[0].commands[0] == "EHLO mx.remote.test"


def test_returns_what_the_other_site_refuses() -> None:
    with (
        ScriptedSmtpServer({"RCPT": "550 5.1.1 unknown"}) as site,
        RemotePostfix(relay=(site.host, site.port)) as remote,
    ):
        remote.send("alice@remote.test", "you@example.test", b"Subject: out\r\n\r\nhello\r\n")
        [bounce] = remote.wait_for("alice")
    assert bounce.mail_from == ""
    assert b"550 5.1.1 unknown" in bounce.raw


def test_relays_for_who_logs_in_under_tls(smart_host: RemotePostfix) -> None:
    assert send(smart_host, "somebody@elsewhere.test", *log_in(LOGIN.password)).status == 0
    [message] = smart_host.wait_for("relayed")
    assert message.rcpt_to == "somebody@elsewhere.test"
    assert b"(Authenticated sender: relayuser@remote.test)" in message.raw
    assert b"with ESMTPSA" in message.raw


def test_relays_for_nobody_else(smart_host: RemotePostfix) -> None:
    assert any(reply.startswith("535 ") for reply in send(smart_host, "s@elsewhere.test", *log_in("wrong")).replies)
    without = send(smart_host, "s@elsewhere.test", "--tls")
    assert any(reply.startswith("554 5.7.1 ") for reply in without.replies)
    unencrypted = send(smart_host, "s@elsewhere.test", "--quit-after", "EHLO")
    assert not any("AUTH" in reply for reply in unencrypted.replies)


def test_shows_a_certificate_that_its_authority_signed(smart_host: RemotePostfix, certificate: Certificate) -> None:
    verified = ("--tls-verify", "--tls-ca-path", str(certificate.authority), "--quit-after", "EHLO")
    assert send(smart_host, "alice@remote.test", "--tls", *verified).status == 0


def test_two_run_at_once_and_leave_nothing_behind() -> None:
    with RemotePostfix() as one, RemotePostfix("other.test", host="127.0.0.26", users=("carol",)) as two:
        folders = [Path(remote.command("postconf", "-h", "queue_directory").strip()) for remote in (one, two)]
        assert send(two, "carol@other.test").status == 0
        two.wait_for("carol")
    assert [folder.exists() for folder in folders] == [False, False]


def test_does_not_start_on_a_port_that_is_in_use(remote: RemotePostfix) -> None:
    with pytest.raises(OSError, match="in use"):
        RemotePostfix(port=remote.port).start()


def test_a_postfix_that_does_not_start_leaves_no_process() -> None:
    broken = RemotePostfix(settings={"mail_owner": "nobody-of-this-name"})
    with pytest.raises(PostfixError, match="master ended with status 1"):
        broken.start()


def test_waiting_in_vain_tells_the_log(remote: RemotePostfix) -> None:
    with pytest.raises(PostfixError, match="daemon started"):
        remote.wait_for("nobody", timeout=0.01)
