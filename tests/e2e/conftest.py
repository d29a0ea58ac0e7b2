"""What the end-to-end tests share: one local DNS, one remote site (a real Postfix), one onifast-mail with two users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from folders import open_folder

from e2e.site import Site
from fakes.dns import DnsServer
from peers.postfix import RemotePostfix

REMOTE_HOST = "127.0.0.25"
OUTSIDE = "127.0.0.9"


@pytest.fixture(scope="session")
def dns() -> Iterator[DnsServer]:
    """The local DNS: our domain, and the remote site's, whose mail may come from 127.0.0.9 alone."""
    zone = {
        "example.test": {"MX": "10 mail.host.test", "TXT": "v=spf1 a:mail.host.test -all"},
        "mail.host.test": {"A": "127.0.0.1"},
        "remote.test": {"MX": "10 mx.remote.test", "TXT": f"v=spf1 ip4:{OUTSIDE} -all"},
        "mx.remote.test": {"A": REMOTE_HOST, "TXT": f"v=spf1 ip4:{OUTSIDE} -all"},
    }
    with DnsServer(zone) as server:
        yield server


@pytest.fixture(scope="session")
def remote(dns: DnsServer) -> Iterator[RemotePostfix]:
    """The remote site remote.test: receives, and refuses whom it does not know."""
    with RemotePostfix("remote.test", host=REMOTE_HOST, users=("alice", "bob")) as postfix:
        yield postfix


@pytest.fixture(scope="session")
def site(dns: DnsServer, remote: RemotePostfix) -> Iterator[Site]:
    """onifast-mail with the users ann (example.test, with a DKIM key) and ben, for tests that change no setting."""
    # The copies are written as the homes' owner.
    with open_folder() as folder, make_site(folder, dns, remote) as running:
        yield running


def make_site(folder: Path, dns: DnsServer, remote: RemotePostfix, **settings: str) -> Site:
    """A site that is not started yet, with its users; further settings by name."""
    site = Site(folder, dns, outbound_port=remote.port, settings=settings)
    populate(site)
    return site


def populate(site: Site) -> None:
    """Two users, their addresses and a DKIM key: as a panel does it before the programs' first start."""
    created = site.run("onifast-mailctl", "queue", "list")
    assert created.returncode == 0, created.stderr
    site.add_user("ann", "correct horse", "ann@example.test")
    site.add_user("ben", "battery staple", "ben@example.test")
    site.sql("INSERT OR REPLACE INTO domains (domain, owner) VALUES ('example.test', 'ann');")
    site.add_dkim_key("example.test")
