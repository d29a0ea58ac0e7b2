"""Faults of the disk and of the hand under programs that run: clients are put off, nothing accepted is lost."""

from __future__ import annotations

import json
import os
import shutil
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.site import PROGRAMS, Site
from fakes.dns import DnsServer

pytestmark = pytest.mark.slow


@pytest.fixture
def local_dns() -> Iterator[DnsServer]:
    with DnsServer({"example.test": {"MX": "10 mail.host.test"}}) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, local_dns: DnsServer) -> Site:
    made = Site(tmp_path, local_dns)
    made.run("onifast-mailctl", "queue", "list")
    made.add_user("ann", "secret", "ann@example.test")
    return made


def send(site: Site, subject: str) -> int:
    """Sends a message to ann as a local program does; the code of the last reply."""
    text = f"From: ann@example.test\r\nTo: ann@example.test\r\nSubject: {subject}\r\n\r\nx\r\n"
    try:
        with smtplib.SMTP("127.0.0.1", site.smtp_port, timeout=60) as client:
            client.sendmail("ann@example.test", ["ann@example.test"], text)
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    except smtplib.SMTPRecipientsRefused as error:
        return next(iter(error.recipients.values()))[0]
    return 250


def state(site: Site) -> tuple[str, str]:
    shown = site.run("onifast-mailctl", "database", "show", "--json")
    values = json.loads(shown.stdout)
    return values["state"], values["reason"] or ""


def runs(site: Site) -> bool:
    return all(process.poll() is None for process in site.running.values())


def test_an_empty_file_in_the_databases_place_puts_clients_off_until_the_database_is_back(site: Site) -> None:
    kept = site.folder / "kept.db"
    shutil.copy(site.database, kept)
    site.database.write_bytes(b"")
    with site:
        assert send(site, "Too early") == 451
        answer = site.api("GET", "/api/mail/counts")
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert state(site)[0] == "refused"
        assert site.database.stat().st_size == 0
        shutil.copy(kept, site.database)
        site.eventually(lambda: send(site, "Hello") == 250, "mail is taken again")
        site.eventually(lambda: serves(site), "web serves")
        assert site.wait_for_mail("ann", "Hello")
        assert runs(site)
        for program in PROGRAMS:
            refusals = [line for line in site.log(program).splitlines() if "database-refused" in line]
            assert refusals
            assert len(refusals) <= 2 * (os.cpu_count() or 1)  # a line for each process and reason
            assert "onifast-mailctl database init" in refusals[0]


def test_an_administrator_who_wants_an_empty_database_gets_one_without_a_restart(site: Site) -> None:
    site.database.write_bytes(b"no database any more " * 1000)
    with site:
        assert send(site, "Too early") == 451
        assert "sqlite3" in site.log("smtpd")
        done = site.run("onifast-mailctl", "database", "init")
        assert (done.returncode, done.stderr) == (0, "")
        site.eventually(lambda: serves(site), "web serves")
        site.sql("INSERT INTO mail_addresses (address, owner) VALUES ('ann@example.test', 'ann');")
        site.eventually(lambda: send(site, "Hello") == 250, "mail is taken again")
        assert site.wait_for_mail("ann", "Hello")
        (aside,) = site.database.parent.glob("*.set-aside-*")
        assert aside.read_bytes().startswith(b"no database any more")
        assert site.run("onifast-mailctl", "database", "init").returncode == 1


def serves(site: Site) -> bool:
    """Whether each of web's processes does: which one answers is the kernel's choice."""
    return all(site.api("GET", "/api/mail/counts").status == 200 for _ in range(20))


def test_another_database_is_taken_when_an_administrator_adopts_it(site: Site, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    site.sql(f".backup {backup}")
    site.run("onifast-mailctl", "database", "show")
    for name in (site.database, site.database.with_suffix(".id")):
        name.unlink()
    site.run("onifast-mailctl", "queue", "list")
    shutil.copy(backup, site.database)
    with site:
        assert send(site, "Too early") == 451
        assert "onifast-mailctl database adopt" in state(site)[1]
        assert site.run("onifast-mailctl", "database", "adopt").returncode == 0
        site.eventually(lambda: serves(site), "web serves")
        site.eventually(lambda: send(site, "Hello") == 250, "mail is taken again")
        assert site.wait_for_mail("ann", "Hello")


def test_a_wal_that_is_removed_under_the_programs_costs_time_and_no_message(site: Site) -> None:
    with site:
        assert send(site, "First") == 250
        site.database.with_name(site.database.name + "-wal").unlink()
        accepted = ["First"]
        for number in range(400):
            if send(site, f"Load {number}") == 250:
                accepted.append(f"Load {number}")
        site.eventually(lambda: "database-opened" in site.log("smtpd"), "smtpd has opened it anew")
        site.eventually(lambda: send(site, "Last") == 250, "mail is taken again")

        def missing() -> set[str]:
            return set(accepted) - set(site.sql("SELECT subject FROM emails WHERE folder = 'inbox';"))

        site.eventually(lambda: not missing(), "every acknowledged message is in the mailbox")
        assert runs(site)
    assert site.sql("PRAGMA integrity_check;") == ["ok"]


def test_one_damaged_page_is_told_once_and_shown_to_administrators(site: Site) -> None:
    with site:
        assert send(site, "Hello") == 250
        site.wait_for_mail("ann", "Hello")
    (root,) = site.sql("SELECT rootpage FROM sqlite_master WHERE name = 'mail_addresses';")
    (size,) = site.sql("PRAGMA page_size;")
    with site.database.open("r+b") as file:
        file.seek((int(root) - 1) * int(size))
        file.write(b"\xff" * 100)
    checked = site.run("onifast-mailctl", "check-config", "--json")
    assert checked.returncode == 1
    assert any("damaged" in each for each in json.loads(checked.stdout)["problems"])
    with site:
        for number in range(20):
            assert send(site, f"Load {number}") == 451
        lines = [line for line in site.log("smtpd").splitlines() if "is damaged" in line]
        assert 1 <= len(lines) <= 4, lines  # one for each process
        site.eventually(lambda: "damaged" in site.run("onifast-mailctl", "database", "show").stdout, "it is noted")
        assert runs(site)
