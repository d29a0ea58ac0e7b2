"""The program: its start, its end, its exit status."""

from __future__ import annotations

import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import pytest

from fakes.certificates import Authority
from peers.ports import free_port

from .helpers import no_verification

Environment = dict[str, str]
PATIENCE = 60  # seconds, on a busy machine


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    port = free_port()
    return {
        "ONIFAST_MAIL_ROOT": str(tmp_path / "onifast"),
        "ONIFAST_MAIL_HOSTNAME": "mail.host.test",
        "ONIFAST_MAIL_SMTP_LISTEN": f"127.0.0.1:{port}",
        "ONIFAST_MAIL_SUBMISSION_LISTEN": "",
        "ONIFAST_MAIL_SUBMISSIONS_LISTEN": "",
        "ONIFAST_MAIL_RUN_AS": "root",
    }


def start(environment: Environment) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "onifast_smtpd.main"], env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def running(environment: Environment) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program and its start line."""
    with start(environment) as process:
        assert process.stderr is not None
        yield process, process.stderr.readline()
        process.kill()


def test_the_start_line_says_what_is_served_and_from_which_settings(
    running: tuple[subprocess.Popen[str], str], environment: Environment
) -> None:
    _, line = running
    assert " started " in line
    assert f"smtp={environment['ONIFAST_MAIL_SMTP_LISTEN']} hostname=mail.host.test" in line
    assert f"database={environment['ONIFAST_MAIL_ROOT']}/config/onifast-mail.db" in line
    assert "settings=" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(running: tuple[subprocess.Popen[str], str], number: signal.Signals) -> None:
    process, _ = running
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("processes", ["1", "2"])
def test_each_session_hears_421_before_it_ends(environment: Environment, processes: str) -> None:
    tls_port = free_port()
    certs = Path(environment["ONIFAST_MAIL_ROOT"]) / "certs"
    certs.mkdir(parents=True)
    Authority(certs).issue("mail.host.test")
    more = {"SUBMISSIONS_LISTEN": f"127.0.0.1:{tls_port}", "SMTPD_PROCESSES": processes}
    with start(environment | {f"ONIFAST_MAIL_{name}": value for name, value in more.items()}) as process:
        assert process.stderr is not None and " started " in process.stderr.readline()
        port = int(environment["ONIFAST_MAIL_SMTP_LISTEN"].rpartition(":")[2])
        try:
            sessions = [_session(port, *said) for said in ([], ["MAIL FROM:<a@x.test>"], ["AUTH LOGIN"])]
            sessions += [_session(tls_port, tls=True) for _ in range(4)]
        finally:
            process.terminate()
        heard = [stream.read() for _, stream in sessions]
        for connection, stream in sessions:
            stream.close()
            connection.close()
        process.communicate(timeout=PATIENCE)
    assert all(words.startswith(b"421 4.3.2 ") and words.count(b"\n") == 1 for words in heard), heard
    assert process.returncode == 0


def _session(port: int, *said: str, tls: bool = False) -> tuple[socket.socket, BufferedReader]:
    """A session whose greeting, and the replies to what is said, are read."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    if tls:
        connection = no_verification().wrap_socket(connection)
    stream = connection.makefile("rb")
    assert stream.readline().startswith(b"220 ")
    for line in ("EHLO x", *said):
        connection.sendall(f"{line}\r\n".encode())
        while (reply := stream.readline())[3:4] == b"-":
            pass
        assert reply[:1] in {b"2", b"3"}, reply
    return connection, stream


def test_it_serves_smtp(running: tuple[subprocess.Popen[str], str], environment: Environment) -> None:
    host, _, port = environment["ONIFAST_MAIL_SMTP_LISTEN"].partition(":")
    with smtplib.SMTP(host, int(port), timeout=PATIENCE) as client:
        assert client.ehlo("client.test")[0] == 250
        assert client.sendmail("root", ["someone@remote.test"], "Subject: x\r\n\r\ny\r\n") == {}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ONIFAST_MAIL_SMTP_LISTEN", "nowhere", "SMTP_LISTEN"),
        ("ONIFAST_MAIL_SMTP_LISTEN", "", "are all empty"),
        ("ONIFAST_MAIL_ALLOW_INSECURE_AUTH", "sometimes", "never, loopback"),
        ("ONIFAST_MAIL_COLOUR", "blue", "COLOUR"),
        ("ONIFAST_MAIL_BYTES_IN_FLIGHT", "100 MiB", "give at least 157286400"),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_2(environment: Environment, name: str, value: str, words: str) -> None:
    with start(environment | {name: value}) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert words in errors
    assert errors.count("\n") == 1


def test_a_port_in_use_is_one_line_and_status_2(
    running: tuple[subprocess.Popen[str], str], environment: Environment
) -> None:
    with start(environment) as second:
        _, errors = second.communicate(timeout=PATIENCE)
    assert second.returncode == 2
    assert "another program uses it" in errors
    assert errors.count("\n") == 1


def test_a_database_that_cannot_be_opened_is_one_line_and_status_1(environment: Environment) -> None:
    (Path(environment["ONIFAST_MAIL_ROOT"]) / "config" / "onifast-mail.db").mkdir(parents=True)
    with start(environment) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert errors.count("\n") == 1
