"""Logging in with real clients: msmtp by SCRAM, swaks and PHPMailer with app passwords."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from folders import open_folder

from e2e.conftest import OUTSIDE, populate
from e2e.site import Site
from fakes.certificates import Authority, Certificate
from fakes.dns import DnsServer
from peers import php
from peers.postfix import RemotePostfix
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.slow]

MSMTPRC = """\
account default
host 127.0.0.1
port {port}
source_ip {source}
tls {tls}
tls_starttls {tls}
tls_trust_file {authority}
auth {auth}
user {user}
password {password}
from {user}@example.test
"""


@dataclass(frozen=True)
class Place:
    """A site whose certificate is good for 127.0.0.1, and an app password of ann's."""

    site: Site
    certificate: Certificate
    app_password: str


@pytest.fixture(scope="module")
def place(dns: DnsServer) -> Iterator[Place]:
    """Only smtpd runs: what it accepts stays in the queue."""
    with running(dns) as found:
        yield found


@pytest.fixture
def fresh(dns: DnsServer) -> Iterator[Place]:
    """The same, where nobody ever logged in and nobody has an app password."""
    with running(dns) as found:
        found.site.sql("DELETE FROM app_passwords;")
        yield found


@contextmanager
def running(dns: DnsServer) -> Iterator[Place]:
    with open_folder() as folder:
        site = Site(folder, dns)
        certificate = Authority(site.root / "certs").issue("mail.host.test", "127.0.0.1")
        populate(site)
        password = app_password(site, "msmtp")
        site.start("smtpd")
        yield Place(site, certificate, password)
        site.stop("smtpd")


def app_password(site: Site, name: str) -> str:
    made = site.run("onifast-mailctl", "app-password", "create", "ann", name)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def queued(site: Site, subject: str) -> list[str]:
    return site.sql(f"SELECT submitted_by FROM outbox WHERE subject = '{subject}';")


def msmtp(
    place: Place, folder: Path, subject: str, *, auth: str, password: str, user: str = "ann", tls: str = "on"
) -> subprocess.CompletedProcess[str]:
    """One message sent by msmtp from another machine, over STARTTLS."""
    file = folder / "msmtprc"
    file.write_text(
        MSMTPRC.format(
            port=place.site.submission_port,
            source=OUTSIDE if tls == "on" else "127.0.0.1",
            tls=tls,
            authority=place.certificate.authority,
            auth=auth,
            user=user,
            password=password,
        )
    )
    file.chmod(0o600)
    return subprocess.run(
        ["msmtp", f"--file={file}", "--debug", "you@remote.test"],
        input=f"Subject: {subject}\n\nHello.\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("auth", ["scram-sha-256", "on", "plain", "login"])
def test_msmtp_logs_in_with_an_app_password(place: Place, tmp_path: Path, auth: str) -> None:
    run = msmtp(place, tmp_path, f"msmtp {auth}", auth=auth, password=place.app_password)
    assert run.returncode == 0, run.stdout + run.stderr
    assert queued(place.site, f"msmtp {auth}") == ["user:ann"]
    if auth in ("scram-sha-256", "on"):
        assert "AUTH SCRAM-SHA-256" in run.stdout
        assert "mechanism=SCRAM-SHA-256" in place.site.log("smtpd")
        assert "app_password=msmtp" in place.site.log("smtpd")


def test_msmtp_with_auth_on_logs_in_under_tls_with_a_panel_password_that_never_did(
    fresh: Place, tmp_path: Path
) -> None:
    run = msmtp(fresh, tmp_path, "auth on", auth="on", password="battery staple", user="ben")
    assert run.returncode == 0, run.stdout
    assert queued(fresh.site, "auth on") == ["user:ben"]


def test_msmtp_with_auth_on_and_no_tls_logs_in_by_scram_after_the_first_login(fresh: Place, tmp_path: Path) -> None:
    """In the clear it takes nothing else; the panel's documentation has it `auth off` there, on port 25."""
    before, tls = (
        msmtp(fresh, tmp_path, "clear 1", auth="on", password="battery staple", user="ben", tls="off"),
        msmtp(fresh, tmp_path, "clear 2", auth="plain", password="battery staple", user="ben"),
    )
    assert "535 5.7.8" in before.stdout
    assert "log in with PLAIN once" in before.stdout
    assert tls.returncode == 0, tls.stdout
    after = msmtp(fresh, tmp_path, "clear 3", auth="on", password="battery staple", user="ben", tls="off")
    assert after.returncode == 0, after.stdout
    assert mechanisms(fresh.site) == ["PLAIN", "SCRAM-SHA-256"]


@pytest.fixture
def satellite(fresh: Place) -> Iterator[RemotePostfix]:
    """A Postfix that sends everything through us as ben. Cyrus SASL picks the strongest mechanism, and no other."""
    settings = {
        "smtp_tls_security_level": "encrypt",
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_sasl_password_maps": "static:{ben:battery staple}",
    }
    relay = ("127.0.0.1", fresh.site.submission_port)
    with RemotePostfix(
        "satellite.test", host="127.0.0.28", relay=relay, bind_address=OUTSIDE, settings=settings
    ) as postfix:
        yield postfix


@pytest.mark.root
def test_postfix_logs_in_with_a_panel_password_that_never_did_and_by_scram_from_then_on(
    fresh: Place, satellite: RemotePostfix
) -> None:
    for number in (1, 2):
        send(satellite, f"satellite {number}")
        wait_for(fresh.site, f"satellite {number}")
    assert mechanisms(fresh.site) == ["PLAIN", "SCRAM-SHA-256"]


@pytest.mark.root
def test_where_others_have_app_passwords_such_a_client_logs_in_at_the_second_try(
    fresh: Place, satellite: RemotePostfix
) -> None:
    app_password(fresh.site, "another program")
    send(satellite, "two tries")
    satellite.wait_for_log("log in with PLAIN once")
    satellite.flush()
    wait_for(fresh.site, "two tries")
    send(satellite, "one try")
    wait_for(fresh.site, "one try")
    assert mechanisms(fresh.site) == ["PLAIN", "SCRAM-SHA-256"]


def send(satellite: RemotePostfix, subject: str) -> None:
    message = f"From: ben@example.test\r\nSubject: {subject}\r\n\r\nHello.\r\n"
    satellite.send("ben@example.test", ["you@remote.test"], message.encode())


def wait_for(site: Site, subject: str) -> None:
    site.eventually(lambda: queued(site, subject) == ["user:ben"], f"{subject} is queued")


def mechanisms(site: Site) -> list[str]:
    """How users logged in, in turn."""
    return re.findall(r" login .* mechanism=(\S+)", site.log("smtpd"))


def test_msmtp_is_told_of_a_wrong_password(place: Place, tmp_path: Path) -> None:
    run = msmtp(place, tmp_path, "msmtp wrong", auth="scram-sha-256", password="wrong")
    assert run.returncode != 0
    assert "535 5.7.8" in run.stdout
    assert queued(place.site, "msmtp wrong") == []


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("kind", ["panel password", "app password"])
def test_swaks_logs_in_over_starttls(place: Place, mechanism: str, kind: str) -> None:
    password = "correct horse" if kind == "panel password" else place.app_password
    subject = f"swaks {mechanism} {kind}"
    session = swaks(
        *("127.0.0.1", place.site.submission_port, "--local-interface", OUTSIDE, "-tls"),
        *("--auth", mechanism, "--auth-user", "ann", "--auth-password", password),
        *("--from", "ann@example.test", "--to", "you@remote.test", "--header", f"Subject: {subject}"),
    )
    assert session.status == 0, session.transcript
    assert "235 2.7.0 authentication successful" in session.replies
    assert queued(place.site, subject) == ["user:ann"]


def test_phpmailer_logs_in_with_an_app_password_and_no_option(place: Place, tmp_path: Path) -> None:
    run = php.phpmailer(
        tmp_path,
        port=place.site.submission_port,
        username="ann",
        password=place.app_password,
        sender="ann@example.test",
        recipient="alice@remote.test",
    )
    assert run.status == 0, run.output
    assert queued(place.site, "Test Email") == ["user:ann"]


def test_the_command_tells_when_and_from_where_it_was_used_and_ends_it(place: Place) -> None:
    made = place.site.run("onifast-mailctl", "app-password", "create", "ben", "swaks").stdout.strip()
    session = ["127.0.0.1", place.site.submission_port, "--auth", "PLAIN", "--auth-user", "ben"]
    assert swaks(*session, "--auth-password", made, "--quit-after", "AUTH").status == 0  # type: ignore[arg-type]
    listed = place.site.run("onifast-mailctl", "app-password", "list", "ben").stdout.rstrip("\n").split("\t")
    assert listed[1] == "swaks"
    assert listed[3].endswith("Z")
    assert listed[4].startswith("127.0.0.1 (")
    assert place.site.run("onifast-mailctl", "app-password", "revoke", "ben", listed[0]).returncode == 0
    assert swaks(*session, "--auth-password", made, "--quit-after", "AUTH").status != 0  # type: ignore[arg-type]
