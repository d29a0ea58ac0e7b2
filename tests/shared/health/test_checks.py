"""`onifast-mailctl health`: what it finds of programs, database, queue, disk and certificates."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlite_shell
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from onifast_shared.ctl import main as ctl
from onifast_shared.db import troubles
from onifast_shared.db.database import Database
from onifast_shared.health import checks
from onifast_shared.health.checks import State
from onifast_shared.machine.config import Settings
from onifast_shared.programs import presence
from onifast_shared.programs.presence import Presence

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}

    def run_command(*words: str) -> tuple[int, str, str]:
        status = ctl.main(words, environ)
        return status, *capsys.readouterr()

    return run_command


@contextmanager
def answering(octets: bytes) -> Iterator[str]:
    """A server that says one thing to everybody; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    client.sendall(octets)
                    client.settimeout(5)
                    try:
                        client.recv(4096)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield "{}:{}".format(*listening.getsockname())
        listening.shutdown(socket.SHUT_RDWR)


def note(settings: Settings, program: str, serving: int = 1, heard: float = 0.0, **listening: str) -> None:
    now = time.time()
    one = Presence(program, os.getpid(), "1.0", now - 100, heard or now, 1, serving, listening)
    presence.note(settings.database, one)


def states(settings: Settings, *only: str) -> list[tuple[str, State]]:
    return [(finding.check, finding.state) for finding in checks.look(settings, only)]


def test_programs_that_nobody_heard_of_do_not_run(settings: Settings, database: Database, run: Run) -> None:
    status, out, _ = run("health")
    assert status == 1
    assert [line.split("\t")[:2] for line in out.splitlines() if line[0] != "\t"][:3] == [
        [program, "failed"] for program in ("smtpd", "outbox", "web")
    ]


def test_a_program_is_asked_where_it_listens(settings: Settings, database: Database) -> None:
    with answering(b"220 mail.example.test ESMTP\r\n") as good, answering(b"421 4.3.2 too busy\r\n") as bad:
        note(settings, "smtpd", smtp=good)
        assert states(settings, "smtpd") == [("smtpd", State.OK)]
        note(settings, "smtpd", smtp=f"{good},{bad}")
        (finding,) = checks.look(settings, ("smtpd",))
        assert finding.state is State.FAILED and "421 4.3.2 too busy" in finding.text and bad in finding.text
        note(settings, "smtpd", submissions=good)
        (finding,) = checks.look(settings, ("smtpd",))
        assert finding.state is State.FAILED and "TLS fails" in finding.text
    note(settings, "smtpd", smtp=good)
    (finding,) = checks.look(settings, ("smtpd",))
    assert finding.state is State.FAILED and "refused" in finding.text


def test_the_web_program_says_itself_why_it_cannot_serve(settings: Settings, database: Database) -> None:
    body = json.dumps({"detail": "The server's disk is full; nothing was changed."})
    answers = {
        f"HTTP/1.1 507 x\r\nContent-Length: {len(body)}\r\n\r\n{body}": "disk is full",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n": "answers 502",
        "220 no web server\r\n": "220 no web server",
    }
    for answer, said in answers.items():
        with answering(answer.encode()) as at:
            note(settings, "web", http=at)
            (finding,) = checks.look(settings, ("web",))
            assert finding.state is State.FAILED and said in finding.text, finding
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nready\n") as at:
        note(settings, "web", http=at)
        assert states(settings, "web") == [("web", State.OK)]


def test_one_that_is_silent_is_lost_and_one_with_a_stuck_process_is_not(settings: Settings, database: Database) -> None:
    note(settings, "outbox", heard=time.time() - 300)
    (finding,) = checks.look(settings, ("outbox",))
    assert finding.state is State.FAILED and "5 min ago" in finding.text
    note(settings, "outbox", serving=0)
    assert states(settings, "outbox") == [("outbox", State.WARNING)]


def test_the_database_and_the_queue(settings: Settings, database: Database) -> None:
    assert states(settings, "database", "queue") == [("database", State.OK), ("queue", State.OK)]
    database.troubles.note(troubles.LONG_READER, "a transaction is open for an hour")
    database.troubles.flush()
    assert states(settings, "database") == [("database", State.WARNING)]
    mail = """
        INSERT INTO contents (id, size, data, created_ts) VALUES (1, 1, x'00', 1);
        INSERT INTO outbox (recipient, status, content_id, domain, lane, ready, queued_ts, next_attempt_ts)
        VALUES ('a@b.test', 'deferred', 1, 'b.test', 'x', {ready}, unixepoch() - 7200, unixepoch() - {seconds});
    """
    for ready in (0, 1):
        for seconds, state in ((60, State.OK), (3600, State.WARNING)):
            sqlite_shell.run(database.path, "DELETE FROM outbox; DELETE FROM contents;")
            sqlite_shell.run(database.path, mail.format(ready=ready, seconds=seconds))
            assert states(settings, "queue") == [("queue", state)], (ready, seconds)


def test_a_database_that_cannot_be_opened_is_told_once(settings: Settings) -> None:
    settings.database.write_bytes(b"no database at all, and long enough to be looked at " * 100)
    found = checks.look(settings, ("database", "queue"))
    assert [(finding.check, finding.state) for finding in found] == [("database", State.FAILED)]


def certificate(settings: Settings, domain: str, days: float) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (settings.certs_dir / domain).mkdir(parents=True)
    (settings.certs_dir / domain / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def test_certificates_are_told_of_before_they_end(settings: Settings, run: Run) -> None:
    certificate(settings, "good.test", 60)
    assert states(settings, "certificates") == [("certificates", State.OK)]
    certificate(settings, "soon.test", 19.5)
    certificate(settings, "gone.test", -2.5)
    (settings.certs_dir / "broken.test").mkdir()
    (settings.certs_dir / "broken.test/fullchain.pem").write_text("nothing")
    status, out, _ = run("health", "certificates")
    assert status == 0, "one tenant's certificate is a warning"
    lines = [line.split("\t")[2] for line in out.splitlines() if line.startswith("certificates")]
    assert lines[1:] == ["gone.test: ended 3 days ago", "soon.test: ends in 19 days"] and "broken.test" in lines[0]
    assert run("health", "certificates", "--strict")[0] == 1


def test_words_that_it_does_not_know_are_refused(run: Run) -> None:
    status, _, error = run("health", "moon")
    assert status == 2 and "'moon'" in error and "certificates" in error


def test_quiet_prints_what_is_not_well(settings: Settings, database: Database, run: Run) -> None:
    assert run("health", "queue", "--quiet") == (0, "", "")
    status, out, _ = run("health", "queue", "outbox", "--quiet", "--json")
    found = json.loads(out)
    assert (status, found["state"], [each["check"] for each in found["findings"]]) == (1, "failed", ["outbox"])
