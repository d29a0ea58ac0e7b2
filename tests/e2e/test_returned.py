"""What senders are told: by a real Postfix' refusal, by its next refusal that is spared, by a delay, by an arrival."""

from __future__ import annotations

import email
import email.policy
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from flufl.bounce import all_failures

from e2e.conftest import OUTSIDE
from e2e.site import Site
from fakes.dns import DnsServer
from fakes.smtp_server import ScriptedSmtpServer
from peers.postfix import RemotePostfix

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]


def compose(subject: str, to: str) -> dict[str, object]:
    return {"from": "ben@example.test", "to": [to], "subject": subject, "text": "Hello from here."}


def notice_for(site: Site, user: str, about: str) -> EmailMessage:
    """The report in a user's inbox that speaks of a recipient, as the standard library reads it."""

    def find() -> EmailMessage | None:
        rows = site.sql(f"SELECT e.id FROM emails e WHERE owner = '{user}' AND reverse_path = '' ORDER BY id DESC")
        for email_id in rows:
            raw = bytes.fromhex(
                site.sql(
                    f"SELECT hex(c.data) FROM contents c JOIN emails e ON e.content_id = c.id WHERE e.id = {email_id}"
                )[0]
            )
            parsed = email.message_from_bytes(raw, policy=email.policy.default)
            if isinstance(parsed, EmailMessage) and about in parsed.as_string():
                return parsed
        return None

    found = site.eventually(find, f"a notice for {user} about {about}")
    assert found is not None
    return found


def test_who_a_real_postfix_does_not_know_is_spared_until_lifted(site: Site, remote: RemotePostfix) -> None:
    gone = "gone@remote.test"
    sent = site.api("POST", "/api/mail/send", compose("First", gone), user="ben").json
    assert "5.1.1" in site.wait_for_status(sent["outbox_ids"][0], "failed")["last_error"]
    notice = notice_for(site, "ben", gone)
    assert all_failures(notice) == (frozenset(), frozenset((gone.encode(),)))
    asked = remote.log().count(gone)

    refused = site.api("POST", "/api/mail/send", compose("Second", gone), user="ben")
    assert refused.status == 422
    assert f"mail to {gone} came back on" in refused.json["detail"]
    site.sql(
        "INSERT INTO outbox (sender, recipient, subject, body)"
        f" VALUES ('ben@example.test', '{gone}', 'By a script', 'Hello')"
    )
    (row_id,) = site.sql("SELECT max(id) FROM outbox WHERE subject = 'By a script'")
    assert "not sent, since mail to" in site.wait_for_status(int(row_id), "failed")["last_error"]
    assert remote.log().count(gone) == asked

    assert site.api("DELETE", f"/api/mail/suppressions?recipient={gone}", user="ben").status == 204
    again = site.api("POST", "/api/mail/send", compose("Third", gone), user="ben").json
    assert "User unknown" in site.wait_for_status(again["outbox_ids"][0], "failed")["last_error"]
    assert remote.log().count(gone) > asked


def test_a_sender_at_a_real_postfix_who_asked_hears_that_his_mail_arrived(site: Site, remote: RemotePostfix) -> None:
    with smtplib.SMTP("127.0.0.1", site.smtp_port, "mx.remote.test", source_address=(OUTSIDE, 0)) as client:
        client.sendmail(
            "bob@remote.test",
            ["ben@example.test"],
            b"From: bob@remote.test\r\nSubject: Please acknowledge\r\n\r\nHi\r\n",
            mail_options=["ENVID=QQ+3D77"],
            rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;Ben@example.test"],
        )
    site.wait_for_mail("ben", "Please acknowledge")
    raw = remote.wait_for_one("bob", b"Subject: Your message was delivered").raw
    notice = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(notice, EmailMessage)
    assert all_failures(notice) == (frozenset(), frozenset())
    text = notice.as_string()
    assert "Original-Envelope-Id: QQ=77" in text
    assert "Original-Recipient: rfc822; Ben@example.test" in text
    assert "Action: delivered" in text
    assert "Please acknowledge" in text


@pytest.fixture
def careless(site: Site, dns: DnsServer, remote: RemotePostfix) -> Iterator[RemotePostfix]:
    """A real site, careless.test, that takes mail, passes it on to an inner server, and returns what that refuses."""
    dns.set("careless.test", "MX", "10 mx.careless.test")
    dns.set("mx.careless.test", "A", "127.0.0.28")
    dns.set("mx.careless.test", "TXT", f"v=spf1 ip4:{OUTSIDE} -all")
    refusal = {"RCPT full@inner.test": "552 5.2.2 mailbox full", "RCPT gone@inner.test": "550 5.1.1 No such user"}
    with ScriptedSmtpServer(refusal, host="127.0.0.29") as inner:
        settings = {
            "virtual_alias_maps": "inline:{{full@careless.test=full@inner.test}, {gone@careless.test=gone@inner.test}}",
            "transport_maps": f"inline:{{{{inner.test=smtp:[127.0.0.29]:{inner.port}}}}}",
        }
        with RemotePostfix(
            "careless.test",
            host="127.0.0.28",
            port=remote.port,
            relay=("127.0.0.1", site.smtp_port),
            settings=settings,
        ) as postfix:
            yield postfix


def fate(site: Site, outbox_id: int, outcome: str) -> dict[str, Any]:
    """The queue's row once its history has such a step."""

    def find() -> dict[str, Any] | None:
        rows = site.api("GET", "/api/mail/outbox", user="ben").json["outbox"]
        return next((row for row in rows if row["id"] == outbox_id and outcome in steps(row)), None)

    def steps(row: dict[str, Any]) -> list[str]:
        return [step["outcome"] for step in row["history"]]

    found = site.eventually(find, f"{outcome} in the history of {outbox_id}")
    assert found is not None
    return found


def test_what_a_real_site_takes_and_returns_later_comes_home(
    site: Site, remote: RemotePostfix, careless: RemotePostfix
) -> None:
    letter = compose("Returned", "bob@remote.test") | {"to": ["bob@remote.test", "full@careless.test"]}
    sent = site.api("POST", "/api/mail/send", letter, user="ben").json
    arrived, came_back = sent["outbox_ids"]
    row = fate(site, came_back, "returned")
    assert [step["outcome"] for step in row["history"]] == ["delivered", "returned"]
    assert row["status"] == "failed"
    assert "mailbox is full" in row["history"][1]["explanation"]
    assert site.wait_for_status(arrived, "sent")["status"] == "sent"
    # A full mailbox is no reason to write to it no more.
    assert site.api("GET", "/api/mail/suppressions?recipient=full@careless.test", user="ben").json["suppressions"] == []
    (email_id,) = site.sql(f"SELECT DISTINCT email_id FROM delivery_reports WHERE outbox_id = {came_back}")
    (report,) = site.api("GET", f"/api/mail/read?id={email_id}", user="ben").json["delivery_reports"]
    assert report["believed"] is True
    assert report["sent_id"] == sent["email_id"]
    assert report["outbox_id"] == came_back


def test_who_turns_out_not_to_exist_later_is_suppressed(site: Site, careless: RemotePostfix) -> None:
    sent = site.api("POST", "/api/mail/send", compose("Gone", "gone@careless.test"), user="ben").json
    fate(site, sent["outbox_ids"][0], "returned")
    refused = site.api("POST", "/api/mail/send", compose("Again", "gone@careless.test"), user="ben")
    assert refused.status == 422
    assert "mail to gone@careless.test came back on" in refused.json["detail"]


def test_a_notification_that_another_recipient_writes_changes_nothing(
    site: Site, remote: RemotePostfix, careless: RemotePostfix
) -> None:
    letter = compose("Forged", "alice@remote.test") | {"to": ["alice@remote.test", "kept@careless.test"]}
    careless_users = site.api("POST", "/api/mail/send", letter, user="ben").json
    victim = careless_users["outbox_ids"][0]
    raw = remote.wait_for_one("alice", b"Subject: Forged").raw
    message_id = email.message_from_bytes(raw)["Message-ID"]
    forged = (
        "From: MAILER-DAEMON@mx.remote.test\r\nTo: ben@example.test\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.remote.test\r\n\r\n"
        "Final-Recipient: rfc822; alice@remote.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--b--\r\n"
    )
    with smtplib.SMTP("127.0.0.1", site.smtp_port, "mx.careless.test", source_address=(OUTSIDE, 0)) as client:
        client.sendmail("", ["ben@example.test"], forged)
    row = fate(site, victim, "unproven")
    assert row["status"] == "sent"
    assert site.api("GET", "/api/mail/suppressions?recipient=alice@remote.test", user="ben").json["suppressions"] == []
