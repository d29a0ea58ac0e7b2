"""A message has one name, from the reply that took it to the notice that it came back: `grep` tells its whole life."""

from __future__ import annotations

import re
import smtplib

import pytest

from e2e.site import Site, headers_of
from peers.postfix import RemotePostfix

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

QUEUED = re.compile(rb"queued as ([0-9a-z]{12}\.\d+)")


def submit(site: Site, subject: str, *recipients: str) -> str:
    """Submits a message as a local program does; the name that the reply gives it."""
    with smtplib.SMTP("127.0.0.1", site.smtp_port, timeout=30) as client:
        client.ehlo()
        client.mail("ann@example.test")
        for recipient in recipients:
            client.rcpt(recipient)
        code, said = client.data(f"From: ann@example.test\r\nSubject: {subject}\r\n\r\nHello.\r\n".encode())
    assert code == 250
    found = QUEUED.search(said)
    assert found, said
    return found[1].decode()


def events(site: Site, program: str, name: str) -> list[str]:
    """What a program's log says of a message: the events, in order."""
    lines = [line for line in site.log(program).splitlines() if f"id={name} " in f"{line} "]
    return [re.split(r": [A-Z]+ ", line, maxsplit=1)[1].partition(" ")[0] for line in lines]


def test_each_log_tells_of_a_submitted_message_under_the_name_of_its_reply(site: Site, remote: RemotePostfix) -> None:
    name = submit(site, "One name", "ben@example.test", "alice@remote.test", "stranger@remote.test")
    message = remote.wait_for_one("alice", b"Subject: One name")
    assert f" id {name};".encode() in b" ".join(message.raw.split())
    received = site.wait_for_mail("ben", "One name")
    assert any(f" id {name}" in value for value in headers_of(received, "Received"))
    assert events(site, "smtpd", name) == ["accepted"]
    site.eventually(
        lambda: sorted(events(site, "outbox", name)) == ["bounced", "delivered", "delivered", "failed", "filed"],
        "outbox has told of two deliveries, a failure, its notice, and a copy",
    )
    (notice,) = re.findall(rf" bounced id={re.escape(name)} .* notice=([0-9a-z]{{12}}) ", site.log("outbox"))
    site.eventually(lambda: "delivered" in events(site, "outbox", notice), "the notice has a name of its own")


def test_the_notice_to_a_sender_names_the_message_and_no_number(site: Site, remote: RemotePostfix) -> None:
    name = submit(site, "Comes back", "nobody@remote.test")
    rows = site.eventually(
        lambda: site.sql("SELECT id FROM emails WHERE owner = 'ann' AND body LIKE '%nobody@remote.test%';"),
        "the notice is in the sender's inbox and indexed",
    )
    notice = "\n".join(site.sql(f"SELECT CAST(bytes AS TEXT) FROM email_bytes WHERE id = {rows[-1]};"))
    assert f"Final-Log-ID: {name}" in notice


def test_what_the_api_sends_is_named_in_webs_log_and_in_the_queue(site: Site, remote: RemotePostfix) -> None:
    body = {"from": "ann@example.test", "to": ["alice@remote.test"], "subject": "By the API", "text": "Hello."}
    sent = site.api("POST", "/api/mail/send", body, user="ann").json
    row = site.wait_for_status(sent["outbox_ids"][0], "sent")
    name = row["queue_id"]
    assert events(site, "web", name) == ["accepted"]
    assert events(site, "outbox", name) == ["delivered"]
    found = site.api("GET", f"/api/mail/outbox?q={name}").json["outbox"]
    assert [each["id"] for each in found] == sent["outbox_ids"]
