"""Real clients against the whole program: they log in under TLS, use the extensions, and relay of their own accord."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from folders import open_folder

from e2e.conftest import OUTSIDE, make_site
from e2e.site import HOSTNAME, Site, headers_of
from fakes.certificates import Authority, Certificate
from fakes.dns import DnsServer
from peers import php
from peers.exim import Exim
from peers.node import nodemailer
from peers.ports import free_port
from peers.postfix import RemotePostfix
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

PASSWORD = "correct horse"
EIGHT_BIT = "Grüße aus dem Süden: žluťoučký kůň"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What the site shows, for the host's name and for what local programs call it."""
    return Authority(tmp_path_factory.mktemp("certificates")).issue(HOSTNAME, "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def secure(dns: DnsServer, remote: RemotePostfix, certificate: Certificate) -> Iterator[Site]:
    """A site with a certificate where nobody may log in without TLS."""
    with open_folder() as folder:
        site = make_site(
            folder,
            dns,
            remote,
            allow_insecure_auth="never",
            submissions_listen=f"127.0.0.1:{free_port()}",
        )
        (site.root / "certs" / HOSTNAME).mkdir(exist_ok=True)
        for file in (certificate.chain, certificate.key):
            (site.root / "certs" / HOSTNAME / file.name).write_bytes(file.read_bytes())
        site.add_user("ugo", PASSWORD, "ugo@example.test", "žofie@example.test")
        with site:
            yield site


def submissions_port(site: Site) -> int:
    return int(site.settings["submissions_listen"].rpartition(":")[2])


def arrived(remote: RemotePostfix, subject: str, user: str = "alice") -> bytes:
    """The message with that subject, once it has come to the remote site."""
    deadline = 60
    for count in range(1, deadline):
        for message in remote.wait_for(user, count):
            if f"Subject: {subject}\n".encode() in message.raw:
                return message.raw
    raise AssertionError(f"no message {subject!r}")


def letter(subject: str, sender: str = "ann@example.test", text: str = EIGHT_BIT) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "alice@remote.test", subject
    message.set_content(text, cte="8bit")
    return message


def by_hand(subject: str, text: str = "Hello") -> str:
    return f"From: ann@example.test\r\nTo: alice@remote.test\r\nSubject: {subject}\r\n\r\n{text}\r\n"


# swaks


@pytest.mark.parametrize("how", ["--tls", "--tls-on-connect"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_logs_in_under_tls(
    secure: Site, remote: RemotePostfix, certificate: Certificate, how: str, mechanism: str
) -> None:
    port = secure.submission_port if how == "--tls" else submissions_port(secure)
    subject = f"swaks {how.strip('-')} {mechanism}"
    session = swaks(
        "127.0.0.1", port, how, "--tls-verify", "--tls-ca-path", str(certificate.authority),
        "--auth", mechanism, "--auth-user", "ann", "--auth-password", PASSWORD,
        "--from", "ann@example.test", "--to", "alice@remote.test", "--header", f"Subject: {subject}",
    )  # fmt: skip
    assert session.status == 0, session.transcript
    raw = arrived(remote, subject)
    assert b"with ESMTPSA" in raw
    assert b"DKIM-Signature:" in raw


def test_swaks_is_offered_no_login_in_the_clear(secure: Site) -> None:
    session = swaks(
        "127.0.0.1", secure.submission_port, "--auth", "PLAIN", "--auth-user", "ann", "--auth-password", PASSWORD,
        "--to", "alice@remote.test",
    )  # fmt: skip
    assert session.status != 0
    assert not any("AUTH" in reply for reply in session.replies)
    assert any(reply.startswith("250-STARTTLS") or reply == "250 STARTTLS" for reply in session.replies)


def test_swaks_pipelines_eight_bit_mail_over_tls(secure: Site) -> None:
    session = swaks(
        "127.0.0.1", secure.smtp_port, "--local-interface", OUTSIDE, "--ehlo", "mx.remote.test", "--tls", "--pipeline",
        "--from", "alice@remote.test", "--to", "ann@example.test,ben@example.test,nobody-here@example.test",
        "--data", "-",
        stdin=f"From: alice@remote.test\nSubject: swaks pipelined\n\n{EIGHT_BIT}\n.\n..\n".encode(),
    )  # fmt: skip
    transcript = session.transcript
    begin, end = transcript.index("MAIL FROM"), transcript.index("550 5.1.1")
    assert transcript.index("RCPT TO:<nobody-here@example.test>") < transcript.index("250 2.1.0", begin) < end
    message = secure.wait_for_mail("ann", "swaks pipelined")
    assert message["text"].splitlines()[:3] == [EIGHT_BIT, ".", ".."]
    assert "with ESMTPS " in headers_of(message, "Received")[0]
    secure.wait_for_mail("ben", "swaks pipelined")


# msmtp


def msmtp(folder: Path, port: int, authority: Path, method: str, password: str, *more: str, message: str) -> str:
    """Sends a message as ann; returns what msmtp complained of."""
    lines = [
        "account default", "host 127.0.0.1", f"port {port}", "from ann@example.test", f"auth {method}", "user ann",
        f"password {password}", "tls on", f"tls_trust_file {authority}", *more,
    ]  # fmt: skip
    path = folder / "msmtprc"
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    run = subprocess.run(
        ["msmtp", f"--file={path}", "alice@remote.test"],
        input=message.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode == 0) == (run.stderr == b"")
    return run.stderr.decode()


@pytest.mark.parametrize("method", ["plain", "login"])
def test_msmtp_logs_in_with_the_panels_password(
    secure: Site, remote: RemotePostfix, certificate: Certificate, tmp_path: Path, method: str
) -> None:
    implicit = method == "login"
    port = submissions_port(secure) if implicit else secure.submission_port
    more = f"tls_starttls {'off' if implicit else 'on'}"
    message = by_hand(f"msmtp {method}")
    assert msmtp(tmp_path, port, certificate.authority, method, PASSWORD, more, message=message) == ""
    assert b"with ESMTPSA" in arrived(remote, f"msmtp {method}")


def test_msmtp_logs_in_by_scram_with_an_app_password(
    secure: Site, remote: RemotePostfix, certificate: Certificate, tmp_path: Path
) -> None:
    created = secure.run("onifast-mailctl", "app-password", "create", "ann", "msmtp")
    assert created.returncode == 0, created.stderr
    password = created.stdout.split()[-1]
    message = by_hand("msmtp by SCRAM")
    port = secure.submission_port
    assert msmtp(tmp_path, port, certificate.authority, "scram-sha-256", password, message=message) == ""
    assert b"with ESMTPSA" in arrived(remote, "msmtp by SCRAM")


def test_msmtp_is_told_that_a_password_is_wrong(secure: Site, certificate: Certificate, tmp_path: Path) -> None:
    wrong = msmtp(tmp_path, secure.submission_port, certificate.authority, "plain", "wrong", message=by_hand("never"))
    assert "535 5.7.8" in wrong


# PHPMailer, as the panel's documentation has it: SMTPAutoTLS is on by default


def phpmailer(site: Site, folder: Path, authority: Path | None) -> php.Run:
    return php.phpmailer(
        folder,
        port=site.submission_port,
        username="ann",
        password=PASSWORD,
        sender="ann@example.test",
        recipient="bob@remote.test",
        authority=authority,
    )


def test_phpmailer_starts_tls_by_itself_where_a_login_needs_it(
    secure: Site, remote: RemotePostfix, certificate: Certificate, tmp_path: Path
) -> None:
    run = phpmailer(secure, tmp_path, certificate.authority)
    assert run.status == 0, run.output
    assert b"with ESMTPSA" in remote.wait_for_one("bob", b"Subject: Test Email").raw


def test_phpmailer_sends_no_password_to_a_server_whose_certificate_it_does_not_trust(
    secure: Site, remote: RemotePostfix, tmp_path: Path
) -> None:
    before = len(remote.messages("bob"))
    run = phpmailer(secure, tmp_path, None)
    assert run.status != 0
    assert "certificate verify failed" in run.output
    assert len(remote.messages("bob")) == before


# curl


def curl(certificate: Certificate, url: str, *arguments: str, message: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["curl", "-sS", "-v", "--cacert", certificate.authority, "--url", url, "--upload-file", "-", *arguments],
        input=message,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_curl_logs_in_under_tls(secure: Site, remote: RemotePostfix, certificate: Certificate, scheme: str) -> None:
    port = secure.submission_port if scheme == "smtp" else submissions_port(secure)
    run = curl(
        certificate, f"{scheme}://127.0.0.1:{port}/client.test", "--ssl-reqd", "--user", f"ann:{PASSWORD}",
        "--mail-from", "ann@example.test", "--mail-rcpt", "alice@remote.test", "--mail-rcpt", "bob@remote.test",
        message=by_hand(f"curl {scheme}", ".leading dot\r\n..two"),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    for user in ("alice", "bob"):
        assert arrived(remote, f"curl {scheme}", user).endswith(b"\n.leading dot\n..two\n")


# Python's smtplib


def test_smtplib_sends_many_messages_in_one_session(
    secure: Site, remote: RemotePostfix, certificate: Certificate
) -> None:
    context = ssl.create_default_context(cafile=str(certificate.authority))
    with smtplib.SMTP("localhost", secure.submission_port, timeout=60) as client:
        client.starttls(context=context)
        client.login("ann", PASSWORD)
        for number in range(5):
            refused = client.send_message(letter(f"smtplib {number}"), mail_options=["BODY=8BITMIME"])
            assert refused == {}
    for number in range(5):
        assert EIGHT_BIT.encode() in arrived(remote, f"smtplib {number}")


def test_smtplib_writes_to_a_utf_8_address_from_a_utf_8_address(secure: Site) -> None:
    with smtplib.SMTP(
        "127.0.0.1", secure.smtp_port, local_hostname="mx.remote.test", source_address=(OUTSIDE, 0), timeout=60
    ) as client:
        message = letter("smtplib UTF-8 in", "Пётр <пётр@remote.test>")
        del message["To"]
        message["To"] = "žofie@example.test"
        assert client.send_message(message) == {}
    received = secure.wait_for_mail("ugo", "smtplib UTF-8 in")
    assert "with UTF8SMTP " in headers_of(received, "Received")[0]
    assert received["authentication"]["spf"] == "pass"
    assert "пётр@remote.test" in headers_of(received, "From")[0]


def test_smtplib_sends_from_a_utf_8_address(secure: Site, remote: RemotePostfix, certificate: Certificate) -> None:
    with smtplib.SMTP_SSL(
        "localhost", submissions_port(secure), context=certificate.client_context(), timeout=60
    ) as client:
        client.login("ugo", PASSWORD)
        assert client.send_message(letter("smtplib UTF-8 out", "žofie@example.test")) == {}
    raw = arrived(remote, "smtplib UTF-8 out")
    assert "From: žofie@example.test\n".encode() in raw
    assert raw.count(b"with UTF8SMTP") == 2  # ours, and Postfix's of what we relayed


def test_smtplib_is_told_of_the_recipient_that_does_not_exist(secure: Site) -> None:
    with smtplib.SMTP("127.0.0.1", secure.smtp_port, "mx.remote.test", source_address=(OUTSIDE, 0)) as client:
        refused = client.sendmail(
            "alice@remote.test",
            ["ann@example.test", "nobody-here@example.test"],
            "From: alice@remote.test\r\nSubject: smtplib half\r\n\r\nHello\r\n",
        )
    assert {recipient: code for recipient, (code, _) in refused.items()} == {"nobody-here@example.test": 550}
    secure.wait_for_mail("ann", "smtplib half")


# nodemailer


@pytest.mark.parametrize("implicit", [False, True])
def test_nodemailer_logs_in_and_sends_over_one_connection(
    secure: Site, remote: RemotePostfix, certificate: Certificate, implicit: bool
) -> None:
    subjects = [f"nodemailer {implicit} {number}" for number in range(3)]
    run = nodemailer(
        {
            "host": "localhost",
            "port": submissions_port(secure) if implicit else secure.submission_port,
            "secure": implicit,
            "requireTLS": True,
            "pool": True,
            "maxConnections": 1,
            "auth": {"user": "ann", "pass": PASSWORD},
            "tls": {"ca": certificate.authority.read_text()},
        },
        *(
            {
                "from": "Änn <ann@example.test>",
                "to": "alice@remote.test",
                "subject": subject,
                "text": EIGHT_BIT,
                "html": f"<p>{EIGHT_BIT}</p>",
                "attachments": [{"filename": "bytes.bin", "content": "x" * 100_000}],
                "dsn": {"id": "node", "return": "headers", "notify": "failure", "recipient": "ann@example.test"},
            }
            for subject in subjects
        ),
    )
    assert run.status == 0, run.output
    assert run.output.count('"accepted":["alice@remote.test"]') == 3
    assert run.output.count("C: EHLO") == (1 if implicit else 2)
    assert "NOTIFY=FAILURE" in run.output
    for subject in subjects:
        assert b"with ESMTPSA" in arrived(remote, subject)


def test_nodemailer_is_told_that_a_password_is_wrong(secure: Site, certificate: Certificate) -> None:
    run = nodemailer(
        {
            "host": "localhost",
            "port": secure.submission_port,
            "auth": {"user": "ben", "pass": "wrong"},
            "tls": {"ca": certificate.authority.read_text()},
        },
        {"from": "ben@example.test", "to": "alice@remote.test", "subject": "never", "text": "never"},
    )
    assert run.status == 1
    assert "535 5.7.8" in run.output


# Relaying MTAs


@pytest.fixture(scope="module")
def postfix(secure: Site) -> Iterator[RemotePostfix]:
    """A Postfix that relays to us and writes down the dialogue."""
    with RemotePostfix(
        "other.test",
        host="127.0.0.27",
        hostname="mx.remote.test",
        relay=("127.0.0.1", secure.smtp_port),
        bind_address=OUTSIDE,
        settings={"debug_peer_list": "127.0.0.1", "debug_peer_level": "2"},
    ) as running:
        yield running


def dialogue(postfix: RemotePostfix, marker: str) -> list[str]:
    """What its SMTP client and we said in the session that has the marker: `> MAIL …`, `< 250 …`."""
    marked = postfix.wait_for_log(marker)
    process = marked.partition("postfix/smtp[")[2].partition("]")[0]
    lines = [line for line in postfix.log().splitlines() if f"postfix/smtp[{process}]: " in line]
    said = [line.partition(f"postfix/smtp[{process}]: ")[2] for line in lines]
    return [f"{line[0]} {line.partition(': ')[2]}" for line in said if line.startswith(("< ", "> "))]


def test_postfix_starts_tls_pipelines_and_passes_on_dsn(secure: Site, postfix: RemotePostfix) -> None:
    postfix.send(
        "carol@remote.test",
        ["ann@example.test", "ben@example.test"],
        b"From: carol@remote.test\r\nSubject: Postfix DSN\r\n\r\nHi\r\n",
        ["RET=HDRS", "ENVID=QQ314159"],
        ["NOTIFY=SUCCESS,DELAY"],
    )
    for user in ("ann", "ben"):
        message = secure.wait_for_mail(user, "Postfix DSN")
        assert message["authentication"]["spf"] == "pass"
        assert "with ESMTPS " in headers_of(message, "Received")[0]
    said = dialogue(postfix, "MAIL FROM:<carol@remote.test>")
    (mail,) = (index for index, line in enumerate(said) if line.startswith("> MAIL FROM"))
    assert said[mail].endswith("ENVID=QQ314159 RET=HDRS")
    assert [line[:11] for line in said[mail : mail + 4]] == ["> MAIL FROM", "> RCPT TO:<", "> RCPT TO:<", "> DATA"]
    assert "ORCPT=rfc822;ann@example.test NOTIFY=SUCCESS,DELAY" in said[mail + 1]
    postfix.wait_for_log("to=<ben@example.test>")


def test_postfix_relays_from_and_to_utf_8_addresses(secure: Site, postfix: RemotePostfix) -> None:
    postfix.send(
        "пётр@remote.test",
        ["žofie@example.test"],
        "From: пётр@remote.test\r\nSubject: Postfix žluťoučký\r\n\r\nHi\r\n".encode(),
        ["SMTPUTF8"],
    )
    message = secure.wait_for_mail("ugo", "Postfix žluťoučký")
    assert "with UTF8SMTPS " in headers_of(message, "Received")[0]
    assert any(line.endswith("SMTPUTF8") for line in dialogue(postfix, "MAIL FROM:<пётр@remote.test>"))


def test_postfix_returns_mail_to_an_unknown_address(secure: Site, postfix: RemotePostfix) -> None:
    postfix.send("alice@other.test", ["nobody-here@example.test"], b"Subject: lost\r\n\r\nHi\r\n")
    [bounce] = postfix.wait_for("alice")
    assert b"550 5.1.1" in bounce.raw


def test_postfix_relays_a_large_message_unchanged(secure: Site, postfix: RemotePostfix) -> None:
    text = "".join(f".{number:07}\r\n" for number in range(200_000))
    postfix.send(
        "carol@remote.test",
        ["ann@example.test"],
        f"From: carol@remote.test\r\nSubject: Postfix large\r\n\r\n{text}".encode(),
    )
    message = secure.wait_for_mail("ann", "Postfix large")
    assert message["text"].split() == text.split()


@pytest.fixture(scope="module")
def exim(secure: Site) -> Iterator[Exim]:
    """An Exim that relays to us."""
    with Exim(("127.0.0.1", secure.smtp_port), bind_address=OUTSIDE) as ready:
        yield ready


def test_exim_starts_tls_and_sends_in_chunks(secure: Site, exim: Exim) -> None:
    text = "".join(f".{number:07}\n" for number in range(10_000))
    run = exim.send(
        "carol@remote.test",
        ["ann@example.test", "ben@example.test"],
        f"From: carol@remote.test\nSubject: By Exim\n\n{text}".encode(),
    )
    assert "BDAT " in run.output, run.output
    for user in ("ann", "ben"):
        message = secure.wait_for_mail(user, "By Exim")
        assert message["authentication"]["spf"] == "pass"
        assert "with ESMTPS " in headers_of(message, "Received")[0]
        assert message["text"].split() == text.split()
    assert exim.queue() == ""


def test_exim_keeps_nothing_of_what_is_refused_for_good(secure: Site, exim: Exim) -> None:
    run = exim.send("", ["nobody-here@example.test"], b"Subject: lost\n\nHi\n")
    assert "550 5.1.1" in run.output + exim.log()


def test_exim_passes_on_dsn_parameters(secure: Site, exim: Exim) -> None:
    run = exim.submit(
        "carol@remote.test",
        ["ann@example.test", "ben@example.test"],
        b"From: carol@remote.test\nSubject: Exim DSN\n\nHi\n",
        ["RET=HDRS", "ENVID=QQ314159"],
        ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;carols@list.test"],
    )
    for user in ("ann", "ben"):
        secure.wait_for_mail(user, "Exim DSN")
        assert f"RCPT TO:<{user}@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;carols@list.test" in run.output
    (mail,) = (line for line in run.output.splitlines() if "MAIL FROM:<carol@remote.test>" in line)
    assert "RET=HDRS" in mail
    assert "ENVID=QQ314159" in mail


def test_exim_relays_from_and_to_utf_8_addresses(secure: Site, exim: Exim) -> None:
    run = exim.submit(
        "пётр@remote.test",
        ["žofie@example.test"],
        "From: пётр@remote.test\nSubject: Exim žluťoučký\n\nPříliš\n".encode(),
        ["SMTPUTF8"],
    )
    message = secure.wait_for_mail("ugo", "Exim žluťoučký")
    assert "with UTF8SMTPS " in headers_of(message, "Received")[0]
    assert message["text"].strip() == "Příliš"
    assert message["authentication"]["spf"] == "pass"
    assert "SMTPUTF8" in run.output
