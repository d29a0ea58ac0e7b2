"""What senders are told: by a real Postfix' refusal, by its next refusal that is spared, by a delay, by an arrival."""

from __future__ import annotations

import email
import email.policy
import smtplib
from email.message import EmailMessage

import pytest
from flufl.bounce import all_failures

from e2e.conftest import OUTSIDE
from e2e.site import Site
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
