"""What sloppy programs write, on its way to a real Postfix: it reads as it was meant, and is signed as it arrives."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from e2e.site import Site
from fakes.dns import DnsServer
from peers import dkim, php
from peers.postfix import RemotePostfix
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

HTML = "<!doctype html><html><body>" + "<p>Eine Zeile, die nicht endet: Grüße</p>" * 2500 + "</body></html>"


def arrived(remote: RemotePostfix, dns: DnsServer, marker: bytes, user: str = "alice") -> EmailMessage:
    """A message as Postfix stored it, whose signature OpenDKIM found to be good."""
    message = remote.wait_for_one(user, marker)
    assert [(each.result, each.domain) for each in dkim.verify(message.raw, dns.address)] == [("pass", "example.test")]
    assert message.raw.partition(b"\n\n")[0].isascii()
    assert max(map(len, message.raw.split(b"\n"))) <= 998
    return email.message_from_bytes(message.raw, policy=email.policy.default)


def test_php_writes_html_in_one_line_and_names_in_raw_utf_8(
    site: Site, remote: RemotePostfix, dns: DnsServer, tmp_path: Path
) -> None:
    headers = "From: Anns Lädchen <ann@example.test>\r\nX-Marker: one-line\r\nContent-Type: text/html; charset=utf-8"
    run = php.mail(
        tmp_path, site.smtp_port, to="alice@remote.test", subject="Grüße aus Köln", body=HTML, headers=headers
    )
    assert run.status == 0, run.output
    message = arrived(remote, dns, b"X-Marker: one-line")
    assert (message["Subject"], str(message["From"])) == ("Grüße aus Köln", "Anns Lädchen <ann@example.test>")
    assert message.get_content().rstrip("\n") == HTML


def test_swaks_writes_what_nobody_should(site: Site, remote: RemotePostfix, dns: DnsServer) -> None:
    recipients = ", ".join(f"user{number}@example.test" for number in range(100))
    data = (
        f"From: My Site\nCc: {recipients}\nSubject: nothing that anybody should send\n"
        "Content-Type: multipart/mixed; boundary=m\n\n--m\n"
        'Content-Type: text/plain; charset=utf-8; name="Größe.txt"\n\n'
    ).encode() + b"Gr\xc3\xbc\xc3\x9fe \0\n--m--\n"
    session = swaks(
        "127.0.0.1", site.smtp_port, "--from", "ann@example.test", "--to", "bob@remote.test", "--data", "-", stdin=data
    )
    assert session.status == 0, session.transcript
    message = arrived(remote, dns, b"Subject: nothing that anybody should send", "bob")
    assert str(message["From"]) == "My Site <ann@example.test>"
    assert len(message["Cc"].addresses) == 100
    (part,) = message.iter_parts()
    assert part.get_filename() == "Größe.txt"
    assert part.get_payload(decode=True) == "Grüße \0".encode()
