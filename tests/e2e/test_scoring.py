"""What a real SpamAssassin says of our mail, and what becomes of mail that it calls junk."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Set
from pathlib import Path

import pytest
from folders import open_folder

from e2e.conftest import OUTSIDE, make_site
from e2e.site import Site
from fakes.dns import DnsServer
from peers import php
from peers.postfix import RemotePostfix
from peers.spamassassin import Scored, SpamAssassin
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
TEXT = """\
Hello Alice,

the plan for Thursday stands: we meet at ten in the small room, and bring the figures of the last quarter with us. If
you want to add something to the list, answer this message before Wednesday evening.

Best regards,
Ann
"""
PARAGRAPHS = "".join(f"<p>{part}</p>\n" for part in TEXT.split("\n\n"))
PAGE = f"<!DOCTYPE html>\n<html><head><title>The plan</title></head><body>\n{PARAGRAPHS}</body></html>\n"

HTML = {"HTML_MESSAGE"}
# The documentation's program for PHPMailer writes a paragraph, with no page around it and no text beside it.
A_LONE_PARAGRAPH = HTML | {"MIME_HTML_ONLY", "HTML_MIME_NO_HTML_TAG"}
ABOUT_FORM = re.compile(
    r"MISSING|HEADER|INVALID|MSGID|MESSAGEID|_MID|DATE|MIME|HTML|MALFORM|BOUNDARY|CHARSET|BASE64|QP_|SUBJ|FROM_|TO_|NO_"
    r"|BAD_|ILLEGAL|FAKE|FORGED|RCVD|UNPARSE|HELO|EMPTY"
)


@pytest.fixture(scope="module")
def junk_filter() -> Iterator[SpamAssassin]:
    """A spamd that knows nothing of us."""
    with SpamAssassin() as running:
        yield running


@pytest.fixture(scope="module")
def scanned(dns: DnsServer, remote: RemotePostfix, junk_filter: SpamAssassin) -> Iterator[Site]:
    """A site that asks it about all mail that comes in; what is sent from the webmail leaves at once."""
    with open_folder() as folder:
        scanner = f"spamd:{junk_filter.host}:{junk_filter.port}"
        with make_site(folder, dns, remote, scanner=scanner, undo_send="0s") as site:
            yield site


# As a junk filter of ours


def come_in(site: Site, subject: str, text: str, recipient: str = "ann@example.test") -> None:
    session = swaks(
        *("127.0.0.1", site.smtp_port, "--local-interface", OUTSIDE, "--ehlo", "mx.remote.test"),
        *("--from", "alice@remote.test", "--to", recipient),
        *("--header", f"Subject: {subject}", "--body", text),
    )
    assert session.status == 0, session.transcript


def verdict(site: Site, subject: str, folder: str) -> str:
    """What the filter said of a message, in the words that its reader is shown."""
    why: list[str] = site.wait_for_mail("ann", subject, folder)["authentication"]["why"]
    return next(sentence for sentence in why if sentence.startswith("The junk filter gives it "))


def test_what_it_calls_junk_goes_to_junk_with_its_reasons(scanned: Site) -> None:
    come_in(scanned, "Certainly junk", GTUBE)
    said = verdict(scanned, "Certainly junk", "junk")
    assert re.search(r" gives it 1?\d{3}(\.\d)? points; 5 make it junk \(.*GTUBE", said), said


def test_what_it_lets_pass_goes_to_the_inbox_with_its_points(scanned: Site) -> None:
    come_in(scanned, "Hardly junk", TEXT)
    said = verdict(scanned, "Hardly junk", "inbox")
    assert re.search(r" gives it -?[0-4](\.\d)? points; 5 make it junk", said), said


# As the junk filter of those who get our mail


def faults(scored: Scored, deserved: Set[str]) -> list[str]:
    """The rules about a message's form that it met, but for those that its author's content brings about."""
    return [rule for rule in scored.rules if ABOUT_FORM.search(rule) and rule not in deserved]


def check(junk_filter: SpamAssassin, raw: bytes, deserved: Set[str] = frozenset()) -> None:
    scored = junk_filter.score(raw)
    assert faults(scored, deserved) == [], raw.decode(errors="replace")
    assert scored.points < 2.0, scored


def arrived(remote: RemotePostfix, subject: str) -> bytes:
    return remote.wait_for_one("alice", f"Subject: {subject}".encode()).raw


def test_phpmailers_mail(scanned: Site, remote: RemotePostfix, junk_filter: SpamAssassin, tmp_path: Path) -> None:
    run = php.phpmailer(
        tmp_path,
        port=scanned.submission_port,
        username="ann",
        password="correct horse",
        sender="ann@example.test",
        recipient="alice@remote.test",
    )
    assert run.status == 0, run.output
    check(junk_filter, arrived(remote, "Test Email"), A_LONE_PARAGRAPH)


def test_mail_of_phps_mail_function(
    scanned: Site, remote: RemotePostfix, junk_filter: SpamAssassin, tmp_path: Path
) -> None:
    run = php.mail(tmp_path, scanned.smtp_port, to="alice@remote.test", subject="By mail()", body=TEXT)
    assert run.status == 0, run.output
    check(junk_filter, arrived(remote, "By mail()"))


@pytest.mark.parametrize(("kind", "body"), [("text", TEXT), ("page", PAGE)])
def test_a_scripts_row(scanned: Site, remote: RemotePostfix, junk_filter: SpamAssassin, kind: str, body: str) -> None:
    scanned.sql(
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES"
        f" ('ann@example.test', 'alice@remote.test', 'A script writes {kind}', '{body}');"
    )
    check(junk_filter, arrived(remote, f"A script writes {kind}"), HTML if kind == "page" else frozenset())


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text", {"text": TEXT}),
        ("page", {"html": PAGE}),
        ("both", {"text": TEXT, "html": PAGE}),
        ("umlauts", {"text": TEXT.replace("Thursday", "Dönerstag")}),
        (
            "file",
            {
                "text": TEXT,
                "attachments": [
                    {"filename": "Zahlen für Alice.csv", "content_type": "text/csv", "content": "YSxiCjEsMgo="}
                ],
            },
        ),
    ],
)
def test_mail_of_the_api(
    scanned: Site, remote: RemotePostfix, junk_filter: SpamAssassin, kind: str, content: dict[str, object]
) -> None:
    subject = f"By API with {kind}"
    message = {"from": "Ann <ann@example.test>", "to": ["Alice <alice@remote.test>"], "subject": subject, **content}
    sent = scanned.api("POST", "/api/mail/send", message, user="ann")
    assert sent.status == 202, sent.text
    check(junk_filter, arrived(remote, subject), HTML if "html" in content else frozenset())


def browse(site: Site, jar: Path, path: str, *fields: str) -> str:
    """A page as a browser gets it that keeps its cookies in `jar`; with fields, by the form that they fill in."""
    form = [argument for field in fields for argument in ("--form", field)]
    keep = ("--cookie", str(jar), "--cookie-jar", str(jar))
    command = ["curl", "-sS", "--location", *keep, *form, site.base_url + path]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return str(run.stdout)


@pytest.mark.parametrize("files", [(), ("plan.txt", "figures.bin")])
def test_mail_of_the_composer(
    scanned: Site, remote: RemotePostfix, junk_filter: SpamAssassin, tmp_path: Path, files: tuple[str, ...]
) -> None:
    jar, subject = tmp_path / "jar", f"Composed with {len(files)} files"
    for name in files:
        (tmp_path / name).write_bytes(TEXT.encode() if name.endswith(".txt") else bytes(range(256)) * 10)
    browse(scanned, jar, "/login", "username=ann", "password=correct horse")
    token = browse(scanned, jar, "/compose").partition('name="csrf_token" value="')[2].partition('"')[0]
    attached = [f"attachments=@{tmp_path / name}" for name in files]
    fields = ("from=ann@example.test", "to=Alice <alice@remote.test>", f"subject={subject}", f"text={TEXT}", "do=send")
    browse(scanned, jar, "/compose", f"csrf_token={token}", *fields, *attached)
    check(junk_filter, arrived(remote, subject))


def test_our_bounces(scanned: Site, remote: RemotePostfix, junk_filter: SpamAssassin) -> None:
    scanned.sql("INSERT INTO mail_forwards (address, target) VALUES ('old@example.test', 'stranger@remote.test');")
    come_in(scanned, "To nobody", TEXT, "old@example.test")
    check(junk_filter, arrived(remote, "Your message could not be delivered"))


def test_our_alerts(scanned: Site, remote: RemotePostfix, junk_filter: SpamAssassin) -> None:
    scanned.sql(
        "INSERT INTO sending_limits (scope, name, messages_per_hour) VALUES ('user', 'ben', 1);"
        "INSERT INTO mail_forwards (address, target) VALUES ('ben@example.test', 'alice@remote.test');"
    )
    message = {"from": "ben@example.test", "to": ["ann@example.test"], "subject": "Once", "text": TEXT}
    answers = [scanned.api("POST", "/api/mail/send", message, user="ben").status for _ in range(2)]
    assert answers == [202, 429]
    check(junk_filter, arrived(remote, "Limit on outgoing mail reached"))
