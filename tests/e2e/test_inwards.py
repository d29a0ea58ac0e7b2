"""Mail that comes in: from other sites, and from PHP on this machine by both set-ups of the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conftest import OUTSIDE
from e2e.site import HOSTNAME, UNIX_ID, Site, headers_of
from peers import php
from peers.postfix import RemotePostfix
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]


def from_outside(site: Site, *arguments: str) -> list[str]:
    session = swaks("127.0.0.1", site.smtp_port, "--local-interface", OUTSIDE, "--ehlo", "mx.remote.test", *arguments)
    return session.replies


def test_swaks_on_another_machine_writes_to_a_local_address(site: Site) -> None:
    replies = from_outside(
        site, "--from", "alice@remote.test", "--to", "ann@example.test", "--header", "Subject: From swaks"
    )
    assert any(reply.startswith("250 2.0.0") for reply in replies), replies
    message = site.wait_for_mail("ann", "From swaks")
    assert message["authentication"]["spf"] == "pass"
    assert OUTSIDE in headers_of(message, "Received")[0]
    assert headers_of(message, "Received-SPF")[0].lower().startswith("pass")
    assert headers_of(message, "Authentication-Results")[0].startswith(f"{HOSTNAME};")
    assert "spf=pass" in headers_of(message, "Authentication-Results")[0]


def test_a_forged_sender_is_noted(site: Site) -> None:
    swaks(
        "127.0.0.1", site.smtp_port, "--local-interface", "127.0.0.10", "--ehlo", "liar.test",
        "--from", "alice@remote.test", "--to", "ann@example.test", "--header", "Subject: Forged", "--add-header",
        f"Authentication-Results: {HOSTNAME}; spf=pass",
    )  # fmt: skip
    message = site.wait_for_mail("ann", "Forged")
    assert message["authentication"]["spf"] == "fail"
    results = headers_of(message, "Authentication-Results")
    assert len(results) == 1 and "spf=fail" in results[0]


def test_a_real_postfix_relays_to_a_local_address(site: Site) -> None:
    with RemotePostfix(
        "other.test", host="127.0.0.27", relay=("127.0.0.1", site.smtp_port), bind_address=OUTSIDE
    ) as sender:
        sender.send(
            "carol@remote.test", ["ann@example.test"], b"From: carol@remote.test\r\nSubject: By Postfix\r\n\r\nHi\r\n"
        )
        message = site.wait_for_mail("ann", "By Postfix")
        sender.wait_for_log("status=sent")
    assert message["authentication"]["spf"] == "pass"
    assert len(headers_of(message, "Received")) >= 2


def test_an_unknown_local_address_is_refused(site: Site) -> None:
    replies = from_outside(site, "--from", "alice@remote.test", "--to", "nobody-here@example.test")
    assert any(reply.startswith("550 5.1.1") for reply in replies), replies


def test_relaying_from_outside_is_refused(site: Site) -> None:
    replies = from_outside(site, "--from", "alice@remote.test", "--to", "victim@elsewhere.test")
    assert any(reply.startswith("554 5.7.1") for reply in replies), replies


def test_the_owners_copy_lies_in_his_home(site: Site) -> None:
    from_outside(site, "--from", "alice@remote.test", "--to", "ann@example.test", "--header", "Subject: Filed copy")
    message = site.wait_for_mail("ann", "Filed copy")
    (path,) = site.eventually(
        lambda: [p for p in site.sql(f"SELECT file_path FROM emails WHERE id = {message['id']};") if p], "filed"
    )
    assert Path(path).is_relative_to(site.home_root / "ann" / ".onifast" / "mail")
    assert b"Subject: Filed copy" in Path(path).read_bytes()
    assert {Path(path).stat().st_uid, Path(path).parent.stat().st_uid} == {UNIX_ID}


def test_option_a_php_mail_through_msmtp(site: Site, remote: RemotePostfix, tmp_path: Path) -> None:
    run = php.mail(tmp_path, port=site.smtp_port, to="alice@remote.test", subject="From PHP mail()", body="Hello")
    assert run.status == 0, run.output
    message = remote.wait_for_one("alice", b"Subject: From PHP mail()")
    assert message.mail_from == f"webmaster@{HOSTNAME}"
    assert b"localhost" not in message.raw.split(b"\n\n")[0].split(b"From:")[1].split(b"\n")[0]
    assert b"Subject: From PHP mail()" in message.raw


def test_option_a_reaches_local_mailboxes_too(site: Site, tmp_path: Path) -> None:
    run = php.mail(tmp_path, port=site.smtp_port, to="ben@example.test", subject="PHP to a neighbour", body="Hello")
    assert run.status == 0, run.output
    assert "Hello" in site.wait_for_mail("ben", "PHP to a neighbour")["text"]


def test_option_b_phpmailer_with_the_panels_password(site: Site, remote: RemotePostfix, tmp_path: Path) -> None:
    run = php.phpmailer(
        tmp_path,
        port=site.submission_port,
        username="ann",
        password="correct horse",
        sender="ann@example.test",
        recipient="alice@remote.test",
    )
    assert run.status == 0, run.output
    message = remote.wait_for_one("alice", b"Subject: Test Email")
    assert message.mail_from == "ann@example.test"
    assert b"DKIM-Signature" in message.raw


def test_option_b_with_a_wrong_password_is_refused(site: Site, tmp_path: Path) -> None:
    run = php.phpmailer(
        tmp_path,
        port=site.submission_port,
        username="ben",
        password="wrong",
        sender="ben@example.test",
        recipient="alice@remote.test",
    )
    assert run.status != 0
    assert "authenticate" in run.output.lower()
