"""Mail from outside to an alias here arrives at a real Postfix elsewhere, and its bounces find their way back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import dkim
import dns.resolver
import pytest

from e2e.conftest import OUTSIDE
from e2e.site import Site
from fakes.dns import DnsServer
from peers.postfix import RemotePostfix
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

ORIGIN_HOST = "127.0.0.28"


@pytest.fixture(scope="module")
def origin(dns: DnsServer, remote: RemotePostfix) -> Iterator[RemotePostfix]:
    """The site that the mail is from, origin.test; what it sends comes from 127.0.0.9."""
    dns.set("origin.test", "MX", "10 mx.origin.test")
    dns.set("origin.test", "TXT", f"v=spf1 ip4:{OUTSIDE} -all")
    dns.set("mx.origin.test", "A", ORIGIN_HOST)
    with RemotePostfix("origin.test", host=ORIGIN_HOST, port=remote.port, users=("carol",)) as postfix:
        yield postfix


@pytest.fixture(scope="module")
def forwards(site: Site) -> Site:
    """The site with forwards as a panel makes them."""
    site.sql("""
        INSERT INTO mail_forwards (address, target, owner) VALUES
            ('sales@example.test', 'alice@remote.test', 'ann'), ('sales@example.test', 'ben@example.test', 'ann'),
            ('gone@example.test', 'nobody@remote.test', 'ann');
        INSERT INTO domain_aliases (alias, domain) VALUES ('alias.test', 'example.test');
    """)
    return site


def from_outside(site: Site, sender: str, recipient: str, subject: str) -> list[str]:
    session = swaks(
        "127.0.0.1", site.smtp_port, "--local-interface", OUTSIDE, "--ehlo", "mx.origin.test",
        "--from", sender, "--to", recipient, "--header", f"Subject: {subject}",
    )  # fmt: skip
    return session.replies


def key_of(server: DnsServer) -> object:
    """dkimpy's dnsfunc, asking the test's DNS server."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [server.host], server.port

    def look_up(name: bytes, timeout: float = 5) -> bytes:
        return b"".join(next(iter(resolver.resolve(name.decode(), "TXT", lifetime=timeout))).strings)

    return look_up


def test_mail_to_an_alias_arrives_elsewhere_with_our_sender_and_seal(
    forwards: Site, remote: RemotePostfix, origin: RemotePostfix, dns: DnsServer
) -> None:
    replies = from_outside(forwards, "carol@origin.test", "sales@alias.test", "To all of sales")
    assert any(reply.startswith("250 2.0.0") for reply in replies), replies
    message = remote.wait_for_one("alice", b"Subject: To all of sales")
    assert re.fullmatch(r"SRS0=\w{8}=\w\w=origin\.test=carol@example\.test", message.mail_from)
    status, sets, reason = dkim.arc_verify(message.raw.replace(b"\n", b"\r\n"), dnsfunc=key_of(dns))
    assert status == b"pass", reason
    assert sets[0]["as-domain"] == b"example.test"
    assert b"spf=pass" in sets[0]["aar-value"]
    assert b"Delivered-To: sales@example.test" in message.raw
    assert b"DKIM-Signature" not in message.raw
    assert forwards.wait_for_mail("ben", "To all of sales")["sender"] == "carol@origin.test"


def test_a_forward_that_is_refused_comes_back_to_its_real_sender(forwards: Site, origin: RemotePostfix) -> None:
    from_outside(forwards, "carol@origin.test", "gone@example.test", "Nobody reads this")
    bounce = origin.wait_for_one("carol", b"Nobody reads this")
    assert bounce.mail_from == ""
    assert b"5.1.1" in bounce.raw


def test_a_later_bounce_goes_back_to_its_real_sender_and_nothing_else_does(
    forwards: Site, remote: RemotePostfix, origin: RemotePostfix
) -> None:
    from_outside(forwards, "carol@origin.test", "sales@example.test", "Will bounce later")
    sender = remote.wait_for_one("alice", b"Subject: Will bounce later").mail_from
    refused = from_outside(forwards, "alice@remote.test", sender, "Not a bounce")
    assert any(reply.startswith("550 5.7.1") for reply in refused), refused
    refused = from_outside(forwards, "<>", sender.replace("carol", "victim"), "Forged")
    assert any(reply.startswith("550 5.1.1") for reply in refused), refused
    from_outside(forwards, "<>", sender, "Undeliverable after all")
    bounce = origin.wait_for_one("carol", b"Subject: Undeliverable after all")
    assert bounce.mail_from == ""
