"""Mail that waits: called back before it leaves, sent at its time, captured and let out; a real site at the end."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

import pytest

from e2e.site import Answer, Site
from peers.postfix import RemotePostfix

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

SOON = 4  # seconds: a time that is still ahead when the request arrives


def send(site: Site, subject: str, **more: object) -> dict[str, Any]:
    letter = {"from": "ann@example.test", "to": ["alice@remote.test"], "subject": subject, "text": "Hello."}
    answer = site.api("POST", "/api/mail/send", letter | more, user="ann")
    assert answer.status == 202, answer.text
    return dict(answer.json)


def act(site: Site, sent: dict[str, Any], action: str, *, user: str | None = "ann", **more: object) -> Answer:
    return site.api("POST", "/api/mail/outbox", {"ids": sent["outbox_ids"], "action": action, **more}, user=user)


@pytest.fixture
def sandboxed(site: Site) -> Iterator[None]:
    """The time in which example.test is in the sandbox."""
    assert site.run("onifast-mailctl", "sandbox", "on", "example.test").returncode == 0
    yield
    assert site.run("onifast-mailctl", "sandbox", "off", "example.test").returncode == 0


def test_what_was_called_back_stays_here_though_mail_behind_it_leaves(site: Site, remote: RemotePostfix) -> None:
    sent = send(site, "Too hasty", undo_seconds=SOON)
    assert act(site, sent, "recall").json["drafts"] == [sent["email_id"]]
    behind = send(site, "Thought over", undo_seconds=SOON)
    remote.wait_for_one("alice", b"Subject: Thought over")
    assert not [each for each in remote.messages("alice") if b"Subject: Too hasty" in each.raw]
    assert site.wait_for_mail("ann", "Too hasty", folder="drafts")["id"] == sent["email_id"]
    assert act(site, behind, "recall").status == 409


def test_a_message_leaves_at_its_time_and_bears_it_as_its_date(site: Site, remote: RemotePostfix) -> None:
    moment = int(time.time()) + SOON
    sent = send(site, "At its time", send_at=datetime.fromtimestamp(moment, UTC).isoformat())
    assert site.wait_for_mail("ann", "At its time", folder="sent")["release_at"] == sent["release_at"]
    arrived = message_from_bytes(remote.wait_for_one("alice", b"Subject: At its time").raw)
    assert email.utils.parsedate_to_datetime(arrived["Date"]).timestamp() == moment
    row = site.wait_for_status(sent["outbox_ids"][0], "sent")
    assert datetime.fromisoformat(row["history"][-1]["at"]).timestamp() >= moment


def test_what_waits_for_tomorrow_is_sent_now(site: Site, remote: RemotePostfix) -> None:
    tomorrow = datetime.fromtimestamp(int(time.time()) + 86400, UTC)
    sent = send(site, "Not tomorrow", send_at=tomorrow.isoformat())
    assert act(site, sent, "send_now").json == {"changed": sent["outbox_ids"]}
    arrived = message_from_bytes(remote.wait_for_one("alice", b"Subject: Not tomorrow").raw)
    assert email.utils.parsedate_to_datetime(arrived["Date"]) < tomorrow


@pytest.mark.usefixtures("sandboxed")
def test_a_sandboxed_domains_mail_reaches_nobody_until_it_is_let_out(site: Site, remote: RemotePostfix) -> None:
    sent = send(site, "Order 1", to=["alice@remote.test", "ben@example.test"])
    other = send(site, "Order 2")
    for row_id in sent["outbox_ids"] + other["outbox_ids"]:
        assert site.wait_for_status(row_id, "sandboxed", "sent")["sandbox_domain"] == "example.test"
    assert act(site, sent, "release", user="ben").status == 404
    assert act(site, sent, "release").json == {"changed": sent["outbox_ids"]}
    assert act(site, other, "redirect", to="bob@remote.test").json == {"changed": other["outbox_ids"]}
    remote.wait_for_one("alice", b"Subject: Order 1")
    remote.wait_for_one("bob", b"Subject: Order 2")
    site.wait_for_mail("ben", "Order 1")
    assert not [each for each in remote.messages("alice") if b"Subject: Order 2" in each.raw]
