"""Programs that are killed, locked out or badly fed: the others work on, and no message that was accepted is lost."""

from __future__ import annotations

import json
import smtplib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_shell

from e2e.site import PROGRAMS, Site
from fakes.dns import DnsServer
from fakes.smtp_server import ScriptedSmtpServer

pytestmark = pytest.mark.slow

EARLIER = """
CREATE TABLE emails (id, sender, recipient, subject, body, raw_content, received_at, is_read, folder, file_path);
CREATE TABLE outbox (id, sender, recipient, subject, body, status, attempts, last_error, created_at);
CREATE TABLE mail_addresses (address, domain, local_part, owner, created_at);
CREATE TABLE mail_config (key, value);
INSERT INTO mail_addresses VALUES ('ann@example.test', 'example.test', 'ann', 'ann', '2024-01-02 03:04:05');
INSERT INTO emails VALUES (1, 'bob@remote.test', 'ann@example.test', 'Earlier mail', 'Hi', '', '2024-05-01 12:00:00', 0,
    'inbox', '');
INSERT INTO outbox VALUES (1, 'ann@example.test', 'bob@remote.test', 'Earlier queue', 'text', 'pending', 0, NULL,
    '2024-05-02 08:00:00');
INSERT INTO mail_config VALUES ('relay_host', '');
"""
ZONE = {
    "remote.test": {"MX": "10 mx.remote.test"},
    "mx.remote.test": {"A": "127.0.0.30"},
    "example.test": {"MX": "10 mail.host.test"},
}


@pytest.fixture
def local_dns() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as server:
        yield server


@pytest.fixture
def sink() -> Iterator[ScriptedSmtpServer]:
    with ScriptedSmtpServer({}, host="127.0.0.30") as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, local_dns: DnsServer, sink: ScriptedSmtpServer) -> Site:
    made = Site(tmp_path, local_dns, outbound_port=sink.port)
    made.run("onifast-mailctl", "queue", "list")
    made.add_user("ann", "secret", "ann@example.test")
    return made


class Load:
    """One PHP-like client that sends numbered messages, and remembers which of them were acknowledged."""

    def __init__(self, site: Site, recipient: str) -> None:
        self._site = site
        self._recipient = recipient
        self._stop = threading.Event()
        self.acknowledged: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.02):
            number += 1
            subject = f"load-{number}"
            try:
                with smtplib.SMTP("127.0.0.1", self._site.smtp_port, timeout=20) as client:
                    text = f"From: ann@example.test\r\nTo: x\r\nSubject: {subject}\r\n\r\nx\r\n"
                    client.sendmail("ann@example.test", [self._recipient], text)
                    self.acknowledged.append(subject)
            except (OSError, smtplib.SMTPException):
                continue


@pytest.mark.parametrize("victim", PROGRAMS)
def test_killing_one_program_loses_nothing_and_leaves_the_others_working(
    site: Site, sink: ScriptedSmtpServer, victim: str
) -> None:
    with site:
        with Load(site, "alice@remote.test") as load:
            site.eventually(lambda: len(load.acknowledged) >= 20, "some load")
            site.kill(victim)
            seen = len(load.acknowledged)
            if victim != "smtpd":
                site.eventually(lambda: len(load.acknowledged) >= seen + 20, "smtpd takes mail")
            if victim != "web":
                assert site.api("GET", "/api/mail/counts", user="ann").status == 200
            site.start(victim)
            seen = len(load.acknowledged)
            site.eventually(lambda: len(load.acknowledged) >= seen + 20, "load after the restart")
        wanted = {f"Subject: {subject}".encode() for subject in load.acknowledged}

        def missing() -> set[bytes]:
            arrived = {
                line
                for message in sink.messages
                if message.accepted
                for line in message.data.split(b"\r\n\r\n")[0].split(b"\r\n")
            }
            return wanted - arrived

        site.eventually(lambda: not missing(), "every acknowledged message at the remote site", 60)
        assert site.stop(*PROGRAMS) == dict.fromkeys(PROGRAMS, 0)


def test_a_database_locked_by_another_program_for_20_seconds_costs_only_time(site: Site) -> None:
    with site:
        locker = subprocess.Popen(
            ["/usr/bin/sqlite3", site.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert locker.stdin is not None and locker.stdout is not None
        locker.stdin.write("BEGIN IMMEDIATE;\n.print locked\n.shell sleep 20\nROLLBACK;\n")
        locker.stdin.close()
        assert locker.stdout.readline() == "locked\n"
        with smtplib.SMTP("127.0.0.1", site.smtp_port, timeout=60) as client:
            client.sendmail("ann@example.test", ["ann@example.test"], "Subject: Patience\r\n\r\nx\r\n")
        assert locker.wait(60) == 0
        locker.stdout.close()
        site.wait_for_mail("ann", "Patience")
        assert all(process.poll() is None for process in site.running.values())


def test_a_user_file_that_is_not_json_shuts_out_that_user_alone(site: Site) -> None:
    site.add_user("ben", "secret", "ben@example.test")
    (site.root / "users" / "ben.json").write_text("{not json", "utf-8")
    with site, smtplib.SMTP("127.0.0.1", site.submission_port, timeout=30) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login("ben", "secret")
        assert refused.value.smtp_code == 454
        client.login("ann", "secret")
        assert "ben.json" in site.log("smtpd")


def test_a_missing_user_directory_is_a_temporary_failure(site: Site) -> None:
    (site.root / "users").rename(site.root / "users-away")
    with site:
        with smtplib.SMTP("127.0.0.1", site.submission_port, timeout=30) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                client.login("ann", "secret")
            assert refused.value.smtp_code == 454
        (site.root / "users-away").rename(site.root / "users")
        with smtplib.SMTP("127.0.0.1", site.submission_port, timeout=30) as client:
            client.login("ann", "secret")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_setting_stops_a_program_with_one_line(site: Site, program: str) -> None:
    done = site.run(f"onifast-{program}", delivery="directly")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "ONIFAST_MAIL_DELIVERY: 'directly' is not allowed; give one of direct, sandbox" in done.stderr


def test_the_earlier_programs_database_is_taken_over(
    tmp_path: Path, local_dns: DnsServer, sink: ScriptedSmtpServer
) -> None:
    site = Site(tmp_path, local_dns, outbound_port=sink.port)
    sqlite_shell.run(site.database, EARLIER)
    (site.root / "users" / "ann.json").write_text(json.dumps({"username": "ann", "password": "x"}), "utf-8")
    with site:
        assert site.wait_for_mail("ann", "Earlier mail")["text"] == "Hi"
        site.wait_for_status(1, "sent")
        assert list(sink.messages[0].rcpt_to) == ["bob@remote.test"]


def test_programs_start_in_any_order_on_no_database(tmp_path: Path, local_dns: DnsServer) -> None:
    site = Site(tmp_path, local_dns)
    with site:
        assert site.api("GET", "/api/mail/counts").status == 200
        assert site.stop("outbox", "smtpd") == {"outbox": 0, "smtpd": 0}
        assert site.api("GET", "/api/mail/counts").status == 200
