"""Real content filters, as milters: ClamAV keeps viruses out and in, OpenDKIM adds what it found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from folders import open_folder

from e2e.conftest import OUTSIDE, make_site
from e2e.site import Site, headers_of
from fakes.dns import DnsServer
from peers import milters
from peers.milters import VIRUS
from peers.postfix import RemotePostfix
from peers.swaks import Session, swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def filtered(dns: DnsServer, remote: RemotePostfix) -> Iterator[Site]:
    """A site that shows all mail to ClamAV, then to OpenDKIM."""
    with (
        milters.clamav() as clamav,
        milters.opendkim("Mode v", "AuthservID filter.test", "AlwaysAddARHeader yes") as opendkim,
        open_folder() as folder,
        make_site(folder, dns, remote, milters=f"{HERE}:{clamav.port}, {HERE}:{opendkim.port}") as site,
    ):
        yield site


def send(site: Site, sender: str, recipient: str, subject: str, text: str, *, client: str = OUTSIDE) -> Session:
    return swaks(
        *(HERE, site.smtp_port, "--local-interface", client, "--ehlo", "mx.remote.test"),
        *("--from", sender, "--to", recipient, "--header", f"Subject: {subject}", "--body", text),
    )


def test_mail_without_a_virus_comes_in_with_what_the_filters_added(filtered: Site) -> None:
    session = send(filtered, "alice@remote.test", "ann@example.test", "Clean", "All is well.")
    assert session.status == 0, session.transcript
    message = filtered.wait_for_mail("ann", "Clean")
    [scanned] = headers_of(message, "X-Virus-Scanned")
    assert "clamav-milter" in scanned
    assert headers_of(message, "X-Virus-Status") == ["Clean"]
    ours, theirs = headers_of(message, "Authentication-Results")
    assert ours.startswith("mail.host.test;")
    assert theirs.startswith("filter.test; dkim=none")


def test_a_virus_is_refused_and_its_recipient_reads_why(filtered: Site) -> None:
    session = send(filtered, "alice@remote.test", "ann@example.test", "Infected", VIRUS.decode())
    assert "550 5.7.1 Test.Virus.UNOFFICIAL found" in session.replies, session.transcript

    def find() -> str:
        found = filtered.api("GET", "/api/mail/refusals", user="ann").json["refusals"]
        return next((str(item) for item in found if "Test.Virus" in str(item)), "")

    assert "Refused by a content filter: Test.Virus.UNOFFICIAL found." in filtered.eventually(find, "the refusal")


def test_a_virus_does_not_go_out(filtered: Site) -> None:
    session = send(filtered, "ann@example.test", "alice@remote.test", "Out", VIRUS.decode(), client=HERE)
    assert "550 5.7.1 Test.Virus.UNOFFICIAL found" in session.replies, session.transcript


def test_other_mail_goes_out_with_what_the_filters_added(filtered: Site, remote: RemotePostfix) -> None:
    session = send(filtered, "ann@example.test", "alice@remote.test", "Out and clean", "Well.", client=HERE)
    assert session.status == 0, session.transcript
    raw = remote.wait_for_one("alice", b"Subject: Out and clean").raw
    assert b"\nX-Virus-Status: Clean\n" in raw


def test_while_a_filter_is_away_mail_waits_at_its_client(dns: DnsServer, remote: RemotePostfix) -> None:
    with milters.clamav() as gone:
        pass
    with open_folder() as folder, make_site(folder, dns, remote, milters=f"{HERE}:{gone.port}") as site:
        session = send(site, "alice@remote.test", "ann@example.test", "Waits", "Text.")
        assert "451 4.7.1 a content filter does not answer, try again later" in session.replies, session.transcript
