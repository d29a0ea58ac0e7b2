"""Limits on outgoing mail, with all programs at work: people are told when one is hit."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest
from folders import open_folder

from e2e.conftest import make_site
from e2e.site import HOSTNAME, Site, headers_of
from fakes.dns import DnsServer
from peers.postfix import RemotePostfix

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def limited(dns: DnsServer, remote: RemotePostfix) -> Iterator[Site]:
    """A site where a user may send one message an hour; ben looks after it."""
    with (
        open_folder() as folder,
        make_site(folder, dns, remote, limit_user_messages_per_hour="1", postmaster="ben") as site,
    ):
        yield site


def test_a_user_who_hits_a_limit_and_the_postmaster_are_told_once(limited: Site) -> None:
    refusals = [send(limited, number) for number in range(4)]
    assert refusals[0] == ""
    assert all("limit of 1 messages an hour for user ann is used up until" in refusal for refusal in refusals[1:])
    subject = "Limit on outgoing mail reached: user ann"
    for user in ("ann", "ben"):
        told = limited.wait_for_mail(user, subject)
        assert headers_of(told, "From") == [f"Mail server <postmaster@{HOSTNAME}>"]
        assert headers_of(told, "Return-Path") == ["<>"]
        assert "limit of 1 messages an hour for user ann is used up until" in told["text"]
        assert "releases by itself" in told["text"]
    rows = limited.sql("SELECT recipient, status FROM outbox WHERE origin = 'bounce' ORDER BY recipient;")
    assert rows == ["ann@example.test|sent", f"postmaster@{HOSTNAME}|sent"]


def send(site: Site, number: int) -> str:
    """One message as ann; what she was told, empty where it was taken."""
    with smtplib.SMTP("127.0.0.1", site.submission_port) as client:
        client.login("ann", "correct horse")
        message = f"From: ann@example.test\r\nSubject: {number}\r\n\r\nHello.\r\n"
        try:
            client.sendmail("ann@example.test", ["ben@example.test"], message)
        except smtplib.SMTPResponseException as error:
            return str(error.smtp_error)
    return ""
