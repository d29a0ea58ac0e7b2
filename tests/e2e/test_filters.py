"""Filters and the vacation note, by the real programs: a message comes in by SMTP, and a real Postfix gets the rest."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest
from folders import open_folder

from e2e.conftest import OUTSIDE, make_site
from e2e.site import Site
from fakes.dns import DnsServer
from peers.postfix import RemotePostfix

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

ANN = "ann@example.test"
ALICE = "alice@remote.test"


@pytest.fixture(scope="module")
def own(dns: DnsServer, remote: RemotePostfix) -> Iterator[Site]:
    """A site whose users' filters are other tests' no business."""
    with open_folder() as folder, make_site(folder, dns, remote) as site:
        yield site


def send(site: Site, subject: str, *, sender: str = ALICE, fields: str = "", to: str = ANN) -> None:
    head = (
        f"From: Alice <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@remote.test>\r\n{fields}"
    )
    with smtplib.SMTP("127.0.0.1", site.smtp_port, "mx.remote.test", source_address=(OUTSIDE, 0), timeout=60) as client:
        client.sendmail(sender, [to], f"{head}\r\nText.\r\n".encode())


def make(site: Site, name: str, word: str, *acts: dict[str, Any]) -> int:
    body = {
        "name": name,
        "conditions": [{"field": "subject", "test": "starts", "values": [word]}],
        "acts": list(acts),
    }
    made = site.api("POST", "/api/mail/filters", body, user="ann")
    assert made.status == 201, made.text
    number: int = made.json["id"]
    return number


def log(site: Site, name: str) -> list[Any]:
    found = site.api("GET", "/api/mail/filters/log", user="ann").json["log"]
    return [[each["do"] for each in line["deeds"]] for line in found if line["filter"] == name]


def test_a_message_is_moved_starred_and_forwarded_to_another_site(own: Site, remote: RemotePostfix) -> None:
    make(
        own,
        "Sort",
        "sort",
        {"do": "folder", "folder": "archive"},
        {"do": "star"},
        {"do": "forward", "to": "bob@remote.test"},
    )
    send(own, "sort-me")
    found = own.wait_for_mail("ann", "sort-me", "archive")
    assert found["is_starred"]
    forwarded = remote.wait_for_one("bob", b"Subject: sort-me")
    assert b"Delivered-To: ann@example.test" in forwarded.raw and b"ARC-Seal" in forwarded.raw
    assert log(own, "Sort") == [["folder", "star", "forward"]]


def test_a_message_is_refused_as_it_is_offered(own: Site) -> None:
    make(own, "Never", "never", {"do": "reject", "text": "No, thank you"})
    with pytest.raises(smtplib.SMTPDataError) as raised:
        send(own, "never-again")
    assert (raised.value.smtp_code, str(raised.value.smtp_error)[2:10]) == (550, "5.7.1 No")
    own.eventually(lambda: log(own, "Never") == [["reject"]], "the log has it")


def test_an_answer_reaches_its_sender_once_signed_and_from_nobody(own: Site, remote: RemotePostfix) -> None:
    note = {"text": "I am away until Monday.", "subject": "Away"}
    assert own.api("POST", "/api/mail/vacation", note, user="ann").status == 200
    send(own, "first-letter")
    delivered = remote.wait_for_one("alice", b"I am away until Monday.")
    answer = delivered.raw
    assert b"Auto-Submitted: auto-replied" in answer and b"In-Reply-To: <first-letter@remote.test>" in answer
    assert b"DKIM-Signature:" in answer and delivered.mail_from == ""
    send(own, "second-letter")
    send(own, "third-letter", fields="List-Id: <news.remote.test>\r\n")
    own.wait_for_mail("ann", "third-letter")
    (count,) = own.sql("SELECT count(*) FROM outbox WHERE origin = 'autoreply'")
    assert count == "1"
    assert own.run("onifast-mailctl", "vacation", "off", "ann").returncode == 0


def test_a_killed_outbox_acts_once(own: Site, remote: RemotePostfix) -> None:
    make(own, "Once", "once", {"do": "forward", "to": "bob@remote.test"}, {"do": "reply", "text": "Got it once."})
    own.stop("outbox")
    for number in range(30):
        send(own, f"once-{number}")
    own.start("outbox")
    for _ in range(3):
        own.eventually(lambda: own.sql("SELECT 1 FROM filter_log WHERE filter_name = 'Once' LIMIT 1"), "it has begun")
        own.kill("outbox")
        own.start("outbox")
    own.eventually(lambda: own.sql("SELECT count(*) FROM emails WHERE judged = 0") == ["0"], "all is judged")
    counted = "SELECT count(*) FROM outbox WHERE {} AND subject LIKE 'once-%'"
    assert own.sql(counted.format("origin = 'forward'")) == ["30"]
    assert len(log(own, "Once")) == 30
    remote.wait_for_one("bob", b"Subject: once-29")
