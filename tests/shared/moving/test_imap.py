"""Mail taken from a real IMAP server: all of it once, with folders, flags and dates; and who may be asked."""

from __future__ import annotations

import dataclasses
import ipaddress
import time
from collections.abc import Iterator
from typing import Any

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labels, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.moving import jobs, working
from onifast_shared.moving.jobs import MovingJob

from fakes.certificates import Authority
from peers.dovecot import PASSWORD, Dovecot

HOST = "127.0.0.1"

pytestmark = [pytest.mark.peers, pytest.mark.root]


def letter(number: int, size: int = 6) -> bytes:
    return f"From: b@x.test\r\nSubject: m{number}\r\nMessage-ID: <{number}@x>\r\n\r\n{'x' * size}\r\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    certificate = Authority(tmp_path_factory.mktemp("authority")).issue(HOST)
    with Dovecot(certificate, host=HOST) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, server: Dovecot) -> Settings:
    return dataclasses.replace(
        settings,
        import_networks=(ipaddress.ip_network("127.0.0.0/8"),),
        outbound_tls_ca=server.certificate.authority,
        max_message_size=2_000_000,
    )


def begin(database: Database, server: Dovecot, user: str = "ann", password: str = PASSWORD, **imap: Any) -> MovingJob:
    source = {"name": HOST, "imap": {"host": HOST, "port": server.port, "user": user} | imap}
    return database.write(
        lambda tx: jobs.begin(tx, "ann", "import", source, state="running", total=0, now=time.time(), secret=password)
    )


def run(database: Database, settings: Settings, job: MovingJob) -> MovingJob:
    found = working.run(database, settings, job)
    assert found
    return found


def rows(database: Database, folder: str) -> list[EmailRow]:
    return database.read(lambda tx: mailbox.list_page(tx, "ann", folder, limit=2000)).rows


def fill(server: Dovecot, user: str, count: int = 250) -> None:
    client = server.client(user)
    for folder in ("Kunden", '"Kunden/B&APw-ro \\"x\\""', "Papierkorb"):
        client.create(folder)
    moment = '"05-Jan-2015 10:00:00 +0000"'
    for number in range(count):
        client.append("INBOX", r"(\Seen)" if number % 2 else "", moment, letter(number))
    client.append("Verschickt", r"(\Seen)", moment, letter(1000))
    client.append('"Kunden/B&APw-ro \\"x\\""', r"(\Flagged \Answered Wichtig $Forwarded)", moment, letter(1001))
    client.append("Papierkorb", "", moment, letter(1002))
    client.append("Kunden", "", moment, letter(1003, 3_000_000))
    client.append("Kunden", "", moment, letter(1004, 1_500_000))
    client.logout()


def test_an_account_comes_in_whole_and_once_though_it_is_interrupted(
    server: Dovecot, database: Database, settings: Settings
) -> None:
    fill(server, "ann")
    job = begin(database, server)
    for _ in range(3):  # killed after a step, thrice
        work = working.take(database, settings, job)
        assert work and work.step()
        work.close()
    job = run(database, settings, job)
    assert (job.state, job.messages, job.duplicates, job.skipped) == ("done", 254, 0, 1)
    assert job.secret is None, "the password is forgotten"
    inbox = rows(database, "inbox")
    assert sorted(int(each.subject[1:]) for each in inbox) == list(range(250))
    assert sum(each.is_read for each in inbox) == 125 and {each.received_ts for each in inbox} == {1420452000}
    assert [each.subject for each in rows(database, "sent")] == ["m1000"]
    assert [each.subject for each in rows(database, "trash")] == ["m1002"]
    archived = {each.subject: each for each in rows(database, "archive")}
    assert archived["m1001"].is_starred and archived["m1001"].is_answered and archived["m1001"].is_forwarded
    names = {each.name: (each.is_folder, each.total) for each in database.read(lambda tx: labels.list_all(tx, "ann"))}
    assert names == {"Kunden": (True, 1), 'Kunden/Büro "x"': (True, 1), "Wichtig": (False, 1)}
    report = database.read(lambda tx: jobs.report(tx, job))
    assert [each.name for each in report] == ["Kunden: message 1"] and "octets" in report[0].why
    again = run(database, settings, begin(database, server))
    assert (again.messages, again.duplicates) == (0, 254)


def test_a_wrong_password_is_said(server: Dovecot, database: Database, settings: Settings) -> None:
    job = run(database, settings, begin(database, server, password="wrong"))
    assert job.state == "failed" and "app password" in job.problem and job.secret is None


@pytest.mark.parametrize(
    ("changes", "host", "told"),
    [
        ({"import_networks": ()}, HOST, "no server on the public Internet"),
        ({"import_networks": ()}, "::ffff:127.0.0.1", "no server on the public Internet"),
        ({"outbound_tls_ca": None}, HOST, "does not prove that it is itself"),
        ({}, "127.0.0.2", "cannot be reached"),
    ],
    ids=["a private address", "in disguise", "an unknown authority", "nobody there"],
)
def test_only_who_may_be_asked_is_asked(  # noqa: PLR0917
    server: Dovecot, database: Database, settings: Settings, changes: dict[str, Any], host: str, told: str
) -> None:  # fmt: skip
    job = run(database, dataclasses.replace(settings, **changes), begin(database, server, host=host))
    assert job.state == "failed" and told in job.problem


def test_a_server_that_is_gone_is_waited_for(
    server: Dovecot, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(server, "bea", 120)
    job = begin(database, server, "bea")
    work = working.take(database, settings, job)
    assert work and work.step()
    cut(work)
    while work.step():
        pass
    work.close()
    waiting = database.read(lambda tx: jobs.get(tx, "ann", job.id))
    assert waiting and waiting.state == "paused" and "broke off" in waiting.problem and waiting.secret
    assert database.write(lambda tx: jobs.start(tx, waiting, time.time()))
    ended = run(database, settings, waiting)
    assert (ended.state, ended.messages, ended.duplicates) == ("done", 124, 0)


def cut(work: Any) -> None:
    """Ends the connection of an import that is under way."""
    frame = work._work._finds.gi_frame
    frame.f_locals["client"].cut()
