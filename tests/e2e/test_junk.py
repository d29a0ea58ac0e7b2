"""Junk that learns, by the real programs: with the filter of our own, and with a real SpamAssassin, user by user."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from folders import open_folder

from e2e.conftest import OUTSIDE, make_site
from e2e.site import Site
from fakes.dns import DnsServer
from peers.postfix import RemotePostfix
from peers.spamassassin import SpamAssassin

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
JUNK = "Cheap watches and a casino bonus: click here now, limited offer, winners get free spins today"
GOOD = "The minutes of the garden committee, and the budget of the school for the coming summer"
ANN, BEN = "ann@example.test", "ben@example.test"
FORGER = "127.0.0.8"  # whom remote.test's SPF does not name


def send(
    site: Site, subjects: Sequence[str], text: str, recipient: str = ANN, *, source: str = OUTSIDE, sender: str = ""
) -> None:
    """Messages come in from outside, each with its subject and of a sender of its own."""
    with smtplib.SMTP("127.0.0.1", site.smtp_port, "mx.remote.test", source_address=(source, 0), timeout=60) as client:
        for number, subject in enumerate(subjects):
            author = sender or f"sender{number}@remote.test"
            head = f"From: {author}\r\nTo: {recipient}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@remote.test>\r\n"
            client.sendmail(author, [recipient], f"{head}\r\n{text}\r\n".encode())


def ids_of(site: Site, subjects: Sequence[str], folder: str) -> list[int]:
    return [site.wait_for_mail("ann", subject, folder)["id"] for subject in subjects]


def move(site: Site, ids: Sequence[int], folder: str) -> None:
    moved = site.api("POST", "/api/mail/move", {"ids": list(ids), "folder": folder}, user="ann")
    assert moved.status == 200, moved.text


def learned(site: Site) -> Any:
    return site.api("GET", "/api/mail/junk", user="ann").json


def names(kind: str, how_many: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(how_many)]


@pytest.fixture(scope="module")
def own(dns: DnsServer, remote: RemotePostfix) -> Iterator[Site]:
    """A site with no junk filter but our own, which refuses what SPF forbids and keeps it for a week."""
    with open_folder() as folder:
        settings = {"undo_send": "0s", "spf_fail": "reject", "refused_kept_whole": "7d"}
        with make_site(folder, dns, remote, **settings) as site:
            yield site


def test_what_a_user_moves_to_junk_is_junk_from_then_on_for_them_alone(own: Site) -> None:
    send(own, names("kept", 20), GOOD)
    send(own, names("junk", 20), JUNK)
    kept, junk = ids_of(own, names("kept", 20), "inbox"), ids_of(own, names("junk", 20), "inbox")
    own.sql(f"UPDATE emails SET is_read = 1, received_ts = received_ts - 7200 WHERE id <= {max(kept)};")
    move(own, junk, "junk")
    own.eventually(lambda: (learned(own)["junk"], learned(own)["good"]) == (20, 20), "all is learned")
    send(own, ["once more"], JUNK)
    found = own.wait_for_mail("ann", "once more", "junk")
    assert found["junk"]["reason"].startswith("It is in junk because it is like 20 messages that you moved to junk: “")
    assert found["junk"]["score"] > 0.98
    send(own, ["no junk"], GOOD)
    own.wait_for_mail("ann", "no junk", "inbox")
    send(own, ["for ben"], JUNK, BEN)
    own.eventually(
        lambda: own.sql("SELECT judged FROM emails WHERE owner = 'ben' AND subject = 'for ben'") == ["1"], "judged"
    )
    assert own.wait_for_mail("ben", "for ben", "inbox")["correspondent"] == "first"
    move(own, junk[:1], "inbox")
    own.eventually(lambda: learned(own)["junk"] == 19, "one is forgotten")


def test_what_was_refused_is_fetched_back(own: Site) -> None:
    with pytest.raises(smtplib.SMTPDataError, match="550"):
        send(own, ["refused"], GOOD, source=FORGER, sender="boss@remote.test")

    def kept() -> Any:
        rows = own.api("GET", "/api/mail/refusals", user="ann").json["refusals"]
        return next((row for row in rows if row.get("subject") == "refused"), None)

    row = own.eventually(kept, "the refusal is on record")
    fetched = own.api("POST", "/api/mail/refusals/rescue", {"id": row["id"]}, user="ann")
    assert fetched.status == 200, fetched.text
    found = own.wait_for_mail("ann", "refused", "inbox")
    assert (found["id"], found["authentication"]["spf"]) == (fetched.json["email_id"], "fail")
    own.eventually(
        lambda: own.sql(f"SELECT filing FROM emails WHERE id = {found['id']}") == ["2"], "its copy is written"
    )


def test_a_digest_tells_of_both(own: Site) -> None:
    assert own.api("POST", "/api/mail/junk", {"digest": "daily"}, user="ben").status == 200
    own.sql(
        "UPDATE user_preferences SET digested_ts = digested_ts - 86400 WHERE username = 'ben';"
        "INSERT INTO mail_forwards (address, target) VALUES ('ben@example.test', 'alice@remote.test'),"
        " ('ben@example.test', 'ben@example.test');"
    )
    send(own, ["ben's junk"], JUNK, BEN)
    email_id = own.wait_for_mail("ben", "ben's junk")["id"]
    own.api("POST", "/api/mail/move", {"id": email_id, "folder": "junk"}, user="ben")
    own.stop("outbox")
    own.start("outbox")
    text = own.wait_for_mail("ben", "Junk and refused mail: 1 new")["text"]
    assert "sender0@remote.test: ben's junk" in text
    forwarded = own.sql(
        "SELECT count(*) FROM outbox WHERE recipient = 'alice@remote.test' AND subject LIKE 'Junk and%'"
    )
    assert forwarded == ["0"]


@pytest.fixture(scope="module")
def learning(dns: DnsServer, remote: RemotePostfix) -> Iterator[Site]:
    """A site whose SpamAssassin learns for each user."""
    with open_folder() as folder, SpamAssassin(learns=True) as spamd:
        where = f"spamd:{spamd.host}:{spamd.port}"
        with make_site(folder, dns, remote, scanner=where, scanner_learns_at=where, scanner_timeout="60s") as site:
            yield site


def rules_of(site: Site, user: str, subject: str) -> str:
    """The sentence that names the rules which a message met."""
    site.eventually(
        lambda: site.sql(f"SELECT 1 FROM emails WHERE subject = '{subject}' AND owner = '{user}'"), "arrived"
    )
    (stored,) = site.sql(f"SELECT authentication FROM emails WHERE subject = '{subject}' AND owner = '{user}'")
    return stored


def test_spamassassin_learns_for_each_user(learning: Site) -> None:
    send(learning, names("points", 3), f"{GOOD}\r\n{GTUBE}")
    send(learning, names("casino", 3), JUNK)
    no_junk, junk = ids_of(learning, names("points", 3), "junk"), ids_of(learning, names("casino", 3), "inbox")
    move(learning, no_junk, "inbox")
    move(learning, junk, "junk")
    told = "SELECT count(*) FROM junk_lessons WHERE wanted = learned AND wanted <> ''"
    learning.eventually(lambda: learning.sql(told) == ["6"], "spamd is told of all", 120)
    for user, address in (("ann", ANN), ("ben", BEN)):
        send(learning, [f"again for {user}"], JUNK, address)
    assert '"BAYES_9' in rules_of(learning, "ann", "again for ann")
    assert '"BAYES_' not in rules_of(learning, "ben", "again for ben")
    assert learned(learning) == {
        "filters": True, "digest": "off", "learns_in": "spamd", "junk": 0, "good": 0, "words": 0,
    }  # fmt: skip
