"""PHP's two ways to send, against the scripted SMTP server."""

import email
import email.policy
from pathlib import Path

import pytest

from fakes.certificates import Authority
from fakes.smtp_server import ScriptedSmtpServer
from peers import php

pytestmark = pytest.mark.peers

LOGIN = {"panel-user": "it's a \\ secret"}


def send_with_phpmailer(server: ScriptedSmtpServer, directory: Path, password: str = LOGIN["panel-user"]) -> php.Run:
    return php.phpmailer(
        directory,
        server.port,
        username="panel-user",
        password=password,
        sender="you@example.test",
        recipient="recipient@remote.test",
    )


def test_mail_goes_through_msmtp_without_a_password(tmp_path: Path) -> None:
    with ScriptedSmtpServer() as server:
        run = php.mail(tmp_path, server.port, to="you@example.test", headers="X-Site: shop", body="it's here")
        [message] = server.messages
    assert run.status == 0
    assert "exitcode=EX_OK" in run.output
    assert (message.mail_from, message.rcpt_to) == ("webmaster@localhost", ("you@example.test",))
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    assert (parsed["Subject"], parsed["X-Site"], parsed.get_payload()) == ("Test Email", "shop", "it's here\r\n")


def test_mail_tells_when_the_server_refuses(tmp_path: Path) -> None:
    with ScriptedSmtpServer({"RCPT": "550 5.1.1 no such user"}) as server:
        run = php.mail(tmp_path, server.port, to="nobody@example.test")
    assert run.status == 1
    assert "550 5.1.1 no such user" in run.output


@pytest.mark.root
def test_mail_runs_as_another_user(open_folder: Path) -> None:
    with ScriptedSmtpServer() as server:
        run = php.mail(open_folder, server.port, to="you@example.test", user="www-data")
        assert run.status == 0, run.output
        assert len(server.messages) == 1
    assert (open_folder / "msmtp.log").owner() == "www-data"


def test_phpmailer_logs_in_and_sends(tmp_path: Path) -> None:
    with ScriptedSmtpServer(logins=LOGIN) as server:
        run = send_with_phpmailer(server, tmp_path)
        [message] = server.messages
        [session] = server.sessions
    assert (run.status, run.output) == (0, "")
    assert session.login == ("panel-user", LOGIN["panel-user"])
    assert (message.mail_from, message.rcpt_to) == ("you@example.test", ("recipient@remote.test",))
    assert b"From: Your App <you@example.test>\r\n" in message.data
    assert b"<p>Hello from Onifast!</p>" in message.data


def test_phpmailer_fails_with_a_wrong_password(tmp_path: Path) -> None:
    with ScriptedSmtpServer(logins=LOGIN) as server:
        run = send_with_phpmailer(server, tmp_path, password="wrong")
    assert run.status != 0
    assert "Could not authenticate" in run.output


def test_phpmailer_upgrades_to_tls_by_itself_and_then_fails_on_the_certificate(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).issue("mx.example.test")
    with ScriptedSmtpServer(logins=LOGIN, tls=certificate.server_context()) as server:
        run = send_with_phpmailer(server, tmp_path)
        assert server.messages == []
    assert run.status != 0
    assert "certificate verify failed" in run.output
