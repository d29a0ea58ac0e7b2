"""Mail that leaves: webmail's API, scripts and users to a real Postfix, signed, by MX or through a smart host."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conftest import make_site
from e2e.site import Site, headers_of
from fakes.certificates import Authority
from fakes.dns import DnsServer
from peers import dkim
from peers.postfix import Login, RemotePostfix

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]


def compose(subject: str, *to: str, sender: str = "ann@example.test", **more: object) -> dict[str, object]:
    return {"from": sender, "to": list(to), "subject": subject, "text": "Hello from here.\n.\nEnd.", **more}


def verdicts(raw: bytes, dns: DnsServer) -> list[tuple[str, str, str]]:
    """What OpenDKIM says of each signature: result, domain, selector."""
    return [(found.result, found.domain, found.selector) for found in dkim.verify(raw, dns.address)]


def test_a_message_sent_through_the_api_arrives_signed(site: Site, remote: RemotePostfix, dns: DnsServer) -> None:
    sent = site.api("POST", "/api/mail/send", compose("Signed mail", "alice@remote.test"), user="ann")
    assert sent.status == 202, sent.text
    site.wait_for_status(sent.json["outbox_ids"][0], "sent")
    message = remote.wait_for_one("alice", b"Subject: Signed mail")
    assert message.mail_from == "ann@example.test"
    assert b"\n.\nEnd." in message.raw
    assert verdicts(message.raw, dns) == [("pass", "example.test", "mail")]
    assert verdicts(message.raw.replace(b"Hello", b"Howdy"), dns) == [("fail", "example.test", "mail")]
    kept = site.wait_for_mail("ann", "Signed mail", folder="sent")
    assert kept["message_id"] == sent.json["message_id"]


def test_a_scripts_plain_insert_is_delivered(site: Site, remote: RemotePostfix, dns: DnsServer) -> None:
    site.sql(
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES"
        " ('ann@example.test', 'bob@remote.test', 'Grüße vom Skript', '<!DOCTYPE html><p>Hallo <b>Bob</b></p>');"
    )
    message = remote.wait_for_one("bob", b"Hallo <b>Bob</b>")
    assert b"text/html" in message.raw
    assert verdicts(message.raw, dns) == [("pass", "example.test", "mail")]
    (status,) = site.sql("SELECT status FROM outbox WHERE subject = 'Grüße vom Skript';")
    site.eventually(
        lambda: site.sql("SELECT status FROM outbox WHERE subject = 'Grüße vom Skript';") == ["sent"],
        f"sent, not {status}",
    )


def test_mail_from_one_user_to_another_stays_here(site: Site) -> None:
    sent = site.api("POST", "/api/mail/send", compose("Lunch?", "ben@example.test"), user="ann")
    site.wait_for_status(sent.json["outbox_ids"][0], "sent")
    message = site.wait_for_mail("ben", "Lunch?")
    assert message["sender"] == "ann@example.test"
    assert "Hello from here." in message["text"]
    assert headers_of(message, "Return-Path") == ["<ann@example.test>"]
    assert headers_of(message, "Delivered-To") == ["ben@example.test"]


def test_three_recipients_have_three_results_and_the_refused_one_bounces(site: Site, remote: RemotePostfix) -> None:
    recipients = ("ben@example.test", "alice@remote.test", "stranger@remote.test")
    last = max((row["id"] for row in site.api("GET", "/api/mail/list", user="ann").json["emails"]), default=0)
    sent = site.api("POST", "/api/mail/send", compose("For three", *recipients), user="ann")
    rows = [site.wait_for_status(outbox_id, "sent", "failed") for outbox_id in sent.json["outbox_ids"]]
    assert {row["recipient"]: row["status"] for row in rows} == {
        "ben@example.test": "sent",
        "alice@remote.test": "sent",
        "stranger@remote.test": "failed",
    }
    assert "5.1.1" in rows[2]["last_error"]
    assert site.wait_for_mail("ben", "For three")
    assert remote.wait_for_one("alice", b"Subject: For three")
    inbox = site.api("GET", "/api/mail/list", user="ann").json["emails"]
    (bounce,) = [row for row in inbox if row["sender"].lower().startswith("mailer-daemon@") and row["id"] > last]
    shown = site.api("GET", f"/api/mail/read?id={bounce['id']}", user="ann").json
    assert "stranger@remote.test" in shown["text"]
    assert "550 5.1.1" in shown["text"]
    assert headers_of(shown, "Return-Path") == ["<>"]
    assert any("multipart/report" in value for value in headers_of(shown, "Content-Type"))


def test_a_smart_host_set_through_the_api_takes_the_next_message(
    tmp_path: Path, dns: DnsServer, remote: RemotePostfix
) -> None:
    certificate = Authority(tmp_path).issue("localhost", "127.0.0.26")
    relay = RemotePostfix(
        "smart.test", host="127.0.0.26", certificate=certificate, logins=[Login("relayuser", "relay secret")]
    )
    with relay, make_site(tmp_path, dns, remote) as site:
        site.stop("outbox")
        site.environ["SSL_CERT_FILE"] = str(certificate.authority)
        site.start("outbox")
        config = {
            "relay_host": "127.0.0.26",
            "relay_port": relay.port,
            "relay_user": "relayuser",
            "relay_password": "relay secret",
            "relay_tls": "starttls",
        }
        answer = site.api("POST", "/api/mail/config", config)
        assert answer.status == 200, answer.text
        assert "relay secret" not in answer.text + site.api("GET", "/api/mail/config").text
        assert answer.json["relay_password_set"] is True
        sent = site.api("POST", "/api/mail/send", compose("By the relay", "someone@elsewhere.test"), user="ann")
        row = site.wait_for_status(sent.json["outbox_ids"][0], "sent", "failed", "deferred")
        assert row["status"] == "sent", row
        (message,) = relay.wait_for("relayed")
        assert message.rcpt_to == "someone@elsewhere.test"
        assert b"ESMTPSA" in message.raw
        assert b"relayuser" in message.raw
        assert "relay secret" not in site.log("outbox") + site.log("web")


def test_a_dkim_key_that_cannot_be_used_defers_the_mail_and_says_why(
    tmp_path: Path, dns: DnsServer, remote: RemotePostfix
) -> None:
    with make_site(tmp_path, dns, remote) as site:
        key = site.root / "certs" / "example.test" / "dkim_private.pem"
        good = key.read_bytes()
        key.write_text("-----BEGIN RSA PRIVATE KEY-----\nnot a key\n-----END RSA PRIVATE KEY-----\n", "ascii")
        sent = site.api("POST", "/api/mail/send", compose("Waits for its key", "alice@remote.test"), user="ann")
        row = site.wait_for_status(sent.json["outbox_ids"][0], "deferred")
        assert "DKIM" in row["last_error"]
        assert "dkim_private.pem" in row["last_error"]
        key.write_bytes(good)
        site.wait_for_status(sent.json["outbox_ids"][0], "sent")
        assert verdicts(remote.wait_for_one("alice", b"Subject: Waits for its key").raw, dns) == [
            ("pass", "example.test", "mail")
        ]
