"""The scripted SMTP server, spoken to by smtplib."""

import smtplib
import socket
import ssl
from pathlib import Path

import pytest

from fakes.certificates import Authority
from fakes.smtp_server import DROP, RESET, STALL, Say, ScriptedSmtpServer

SENDER = "sender@a.test"
RECIPIENT = "recipient@fake.test"


def connect(server: ScriptedSmtpServer, timeout: float = 10) -> smtplib.SMTP:
    return smtplib.SMTP(server.host, server.port, timeout=timeout)


def plain_connection(server: ScriptedSmtpServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def send(server: ScriptedSmtpServer, message: str | bytes = "Subject: hello\r\n\r\nbody\r\n") -> None:
    with connect(server) as client:
        client.sendmail(SENDER, [RECIPIENT], message)


def test_takes_a_message_with_its_envelope_and_unstuffs_dots() -> None:
    with ScriptedSmtpServer() as server:
        send(server, "Subject: dots\r\n\r\n.one\r\n..two\r\n")
        [message] = server.wait_for_messages(1)
    assert (message.mail_from, message.rcpt_to) == (SENDER, (RECIPIENT,))
    assert message.data == b"Subject: dots\r\n\r\n.one\r\n..two\r\n"


def test_writes_down_parameters_commands_and_the_end_of_the_session() -> None:
    with ScriptedSmtpServer() as server:
        with connect(server) as client:
            client.ehlo("client.test")
            client.mail(SENDER, ["SIZE=5", "BODY=8BITMIME"])
            client.rcpt(RECIPIENT, ["NOTIFY=NEVER"])
            client.data("hello")
        [session] = server.wait_for_sessions(1)
        [message] = session.messages
    assert (message.mail_parameters, message.rcpt_parameters) == ("SIZE=5 BODY=8BITMIME", ("NOTIFY=NEVER",))
    assert session.commands[0] == "ehlo client.test"
    assert session.commands[-1] == "QUIT"
    assert session.peer[0] == "127.0.0.1"


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_refuses_at_any_stage_as_the_script_says(stage: str) -> None:
    with ScriptedSmtpServer({stage: "451 4.3.0 not now", "HELO": "451 4.3.0 not now"}) as server:
        with pytest.raises(smtplib.SMTPException) as caught:
            send(server)
        assert server.messages == []
    error = caught.value
    replies = [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = [code for code, _ in error.recipients.values()]
    assert replies == [451]


def test_answers_one_recipient_otherwise_than_the_rest() -> None:
    with ScriptedSmtpServer({"RCPT full@fake.test": "452 4.2.2 full"}) as server, connect(server) as client:
        client.ehlo()
        client.mail(SENDER)
        assert client.rcpt("full@fake.test")[0] == 452
        assert client.rcpt(RECIPIENT)[0] == 250


def test_goes_through_a_list_of_answers_and_stays_at_the_last() -> None:
    with ScriptedSmtpServer({"MAIL": ["451 4.7.1 greylisted", "250 ok"]}) as server, connect(server) as client:
        client.ehlo()
        assert [client.mail(SENDER)[0] for _ in range(3)] == [451, 250, 250]


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "."])
@pytest.mark.parametrize("drop", [DROP, RESET], ids=["end", "reset"])
def test_hangs_up_at_any_stage(stage: str, drop: object) -> None:
    with ScriptedSmtpServer({stage: DROP if drop is DROP else RESET}) as server:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            send(server)
        server.wait_for_sessions(1)
        assert server.messages == []


def test_keeps_what_came_before_it_hung_up_after_the_final_dot() -> None:
    with ScriptedSmtpServer({".": DROP}) as server:
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(server)
        [session] = server.wait_for_sessions(1)
    assert [message.accepted for message in session.messages] == [False]


def test_can_answer_and_hang_up_at_once() -> None:
    with ScriptedSmtpServer({"MAIL": Say("421 4.3.2 going down", hang_up=True)}) as server, connect(server) as client:
        client.ehlo()
        assert client.mail(SENDER)[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()


def test_sends_garbage_as_it_is() -> None:
    garbage = b"\xff\x00 no SMTP at all\r\n"
    with ScriptedSmtpServer({"CONNECT": garbage}) as server, plain_connection(server) as client:
        assert client.recv(100) == garbage


def test_stalls_until_it_is_released() -> None:
    with ScriptedSmtpServer({"NOOP": STALL}) as server, plain_connection(server) as client:
        assert client.recv(100).startswith(b"220 ")
        client.sendall(b"NOOP\r\n")
        server.wait_for_command("NOOP")
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(100)
        client.settimeout(10)
        server.release()
        assert client.recv(100) == b"250 2.0.0 ok\r\n"


def test_the_script_can_change_while_it_runs() -> None:
    with ScriptedSmtpServer() as server, connect(server) as client:
        client.ehlo()
        server.set("MAIL", "550 5.7.1 no")
        assert client.mail(SENDER)[0] == 550
        server.set("MAIL", None)
        assert client.mail(SENDER)[0] == 250


def test_an_end_of_data_that_is_none_ends_nothing() -> None:
    with ScriptedSmtpServer() as server, connect(server) as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        client.docmd("DATA")
        client.send(b"one\n.\r\ntwo\r\n.\r\n")
        assert client.getreply()[0] == 250
        assert [message.data for message in server.messages] == [b"one\n\r\ntwo\r\n"]


def test_waiting_in_vain_says_what_did_come() -> None:
    with ScriptedSmtpServer() as server, pytest.raises(TimeoutError, match="0 of 1"):
        server.wait_for_messages(1, timeout=0.01)


class TestTlsAndLogin:
    def test_starts_tls_with_the_given_certificate(self, tmp_path: Path) -> None:
        certificate = Authority(tmp_path).issue("localhost")
        with ScriptedSmtpServer(tls=certificate.server_context()) as server:
            with smtplib.SMTP("localhost", server.port, timeout=10) as client:
                client.starttls(context=certificate.client_context())
                client.sendmail(SENDER, [RECIPIENT], "hello")
            [session] = server.wait_for_sessions(1)
        assert session.tls
        assert len(session.messages) == 1

    def test_a_certificate_for_another_name_or_out_of_date_is_not_believed(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        for certificate in (authority.issue("other.test"), authority.issue("localhost", expired=True)):
            with ScriptedSmtpServer(tls=certificate.server_context()) as server:
                client = smtplib.SMTP("localhost", server.port, timeout=10)
                with pytest.raises(ssl.SSLCertVerificationError):
                    client.starttls(context=certificate.client_context())
                client.close()

    def test_speaks_tls_from_the_start_if_told_so(self, tmp_path: Path) -> None:
        certificate = Authority(tmp_path).issue("localhost")
        with ScriptedSmtpServer(tls=certificate.server_context(), implicit_tls=True) as server:
            context = certificate.client_context()
            with smtplib.SMTP_SSL("localhost", server.port, timeout=10, context=context) as client:
                client.sendmail(SENDER, [RECIPIENT], "hello")
            assert server.sessions[0].tls

    @pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
    def test_checks_a_login(self, mechanism: str) -> None:
        with ScriptedSmtpServer(logins={"user": "secret"}) as server:
            for password, code in (("wrong", 535), ("secret", 235)):
                with connect(server) as client:
                    client.ehlo()
                    client.user, client.password = "user", password
                    answer = getattr(client, f"auth_{mechanism.lower()}")
                    if code == 535:
                        with pytest.raises(smtplib.SMTPAuthenticationError):
                            client.auth(mechanism, answer)
                    else:
                        assert client.auth(mechanism, answer)[0] == code
            assert [session.login for session in server.sessions] == [None, ("user", "secret")]
