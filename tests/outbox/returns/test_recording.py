"""What comes back changes the fate of what was sent, if it can be believed, and never more than that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from onifast_outbox.filing import indexer
from onifast_outbox.returns.recording import ReturnRecorder
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery, SentCopy
from onifast_shared.queue import returns, suppressions
from onifast_shared.queue.returns import DeliveryReport
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address
from onifast_shared.webhooks import store as webhooks

from fakes.smtp_server import ScriptedSmtpServer
from outbox.helpers import MESSAGE, Outbox

from . import notifications
from .notifications import status_report

NOW = 1.0
REMOTE_SITE = {"iprev": "pass", "details": {"iprev": {"ip": "127.0.0.26", "name": "out.remote.test"}}}
"""What smtpd finds out where a server of the recipient's site brings the notification."""
EXTENSIONS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 52428800", "DSN")


class Correspondence:
    """alice has sent a message, another site has taken it; what comes back is delivered to her."""

    def __init__(self, outbox: Outbox, server: ScriptedSmtpServer) -> None:
        self.outbox = outbox
        self.server = server
        self.recorder = ReturnRecorder(outbox.settings)

    async def send(
        self, *recipients: str, owner: str = "alice", raw: bytes = MESSAGE, envid: str | None = None
    ) -> None:
        submission = Submission(f"{owner}@here.test", "api", owner=owner, subject="Hello", envid=envid)
        queued = [QueuedRecipient(each) for each in recipients]
        await accept.asubmit(self.outbox.db, raw, submission, queued, SentCopy(owner, ", ".join(recipients)))
        await self.outbox.round()
        await indexer.run_once(self.outbox.db, self.recorder)

    async def come_back(
        self,
        raw: bytes,
        *,
        owner: str = "alice",
        reverse_path: str = "",
        authentication: dict[str, Any] | None = REMOTE_SITE,
        folder: str = "inbox",
    ) -> int:
        """Delivers a notification, and has it indexed; the id of its row."""
        to = [LocalDelivery(owner, f"{owner}@here.test", folder=folder)]
        incoming = IncomingMessage(reverse_path, to, authentication, file_copies=False)
        accepted = await accept.deliver(self.outbox.db, raw, incoming)
        await indexer.run_once(self.outbox.db, self.recorder)
        return accepted.email_ids[0]

    def history(self, recipient: str = "bob@remote.test") -> list[str]:
        return self.outbox.sql(
            "SELECT a.outcome FROM delivery_attempts a JOIN outbox o ON o.id = a.outbox_id"
            f" WHERE o.recipient = '{recipient}' ORDER BY a.id"
        )

    def reports(self, email_id: int, owner: str = "alice") -> list[DeliveryReport]:
        return self.outbox.db.read(lambda tx: returns.of_email(tx, owner, email_id))

    def suppressed(self, recipient: str = "bob@remote.test", owner: str = "alice") -> str:
        address = Address.parse(recipient)
        found = self.outbox.db.read(lambda tx: suppressions.find(tx, owner, [address], NOW))
        return found[address].origin if found else ""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self.outbox.sql("SELECT payload FROM webhook_events ORDER BY id")]

    def envid(self) -> str:
        """What the other site was given as the envelope's id."""
        (line,) = [line for line in self.lines() if line.startswith("MAIL ")]
        return line.partition(" ENVID=")[2].split(" ")[0]

    def lines(self) -> Sequence[str]:
        return [line for session in self.server.sessions for line in session.commands]


@pytest.fixture
def sent(outbox: Outbox) -> Iterator[Correspondence]:
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port, extensions=EXTENSIONS) as server:
        yield Correspondence(outbox, server)


async def test_a_bounce_turns_what_was_sent_into_what_failed(sent: Correspondence) -> None:
    hook = sent.outbox.db.write(lambda tx: webhooks.create(tx, "alice", "https://x.test/", ["bounced"], NOW))
    await sent.send("bob@remote.test")
    email_id = await sent.come_back(status_report(status="5.1.1", diagnostic="smtp; 550 5.1.1 No such user"))
    assert sent.outbox.states() == {"bob@remote.test": "failed"}
    assert sent.outbox.error("bob@remote.test") == "550 5.1.1 No such user"
    assert sent.history() == ["delivered", "returned"]
    assert sent.suppressed() == "bounce"
    (report,) = sent.reports(email_id)
    assert (report.believed, report.action, report.host) == (True, "failed", "mx.remote.test")
    assert "there is no such mailbox" in report.explanation
    assert (report.subject, report.sent_id) == ("Hello", 1)
    (told,) = sent.events()
    assert told["type"] == "mail.bounced"
    assert told["data"]["recipient"] == "bob@remote.test"
    assert told["data"]["notification_id"] == email_id
    assert hook.id


async def test_a_full_mailbox_suppresses_nobody(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    await sent.come_back(status_report())
    assert sent.outbox.states() == {"bob@remote.test": "failed"}
    assert sent.suppressed() == ""


async def test_a_second_notification_changes_nothing_more(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    await sent.come_back(status_report())
    await sent.come_back(status_report())
    assert sent.history() == ["delivered", "returned"]


async def test_a_delay_elsewhere_is_noted_and_is_no_failure(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    await sent.come_back(status_report(action="delayed", status="4.4.1", diagnostic="smtp; 451 4.4.1 timed out"))
    assert sent.outbox.states() == {"bob@remote.test": "sent"}
    assert sent.history() == ["delivered", "delayed"]
    await sent.come_back(status_report(action="delivered", status="2.0.0", diagnostic=""))
    assert sent.history() == ["delivered", "delayed", "confirmed"]


async def test_who_complains_is_written_to_no_more(sent: Correspondence) -> None:
    sent.outbox.db.write(lambda tx: webhooks.create(tx, "alice", "https://x.test/", ["complained"], NOW))
    await sent.send("bob@remote.test")
    for _ in range(2):
        signed = {"dkim_domains": ["remote.test"]}
        await sent.come_back(notifications.complaint(), reverse_path="feedback@remote.test", authentication=signed)
    assert sent.outbox.states() == {"bob@remote.test": "sent"}
    assert sent.history() == ["delivered", "complained"]
    assert sent.suppressed() == "complaint"
    assert [each["type"] for each in sent.events()] == ["mail.complained"]


async def test_an_automatic_answer_is_noted_once(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    for _ in range(2):
        await sent.come_back(notifications.automatic_answer(), reverse_path="bob@remote.test")
    assert sent.history() == ["delivered", "answered"]
    assert sent.suppressed() == ""


async def test_a_read_receipt_is_noted_once_and_changes_nothing(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    for _ in range(2):
        await sent.come_back(notifications.read_receipt())
    assert sent.history() == ["delivered", "read"]
    assert (sent.outbox.states(), sent.suppressed()) == ({"bob@remote.test": "sent"}, "")


async def test_a_notification_in_words_is_tied_by_the_id_in_its_text(sent: Correspondence) -> None:
    await sent.send("bob@remote.test", "carl@remote.test", "dora@remote.test")
    await sent.come_back(notifications.QMAIL)
    assert sent.outbox.states() == {
        "bob@remote.test": "failed", "carl@remote.test": "failed", "dora@remote.test": "sent",
    }  # fmt: skip


async def test_the_only_recipient_is_meant_where_the_mail_was_forwarded_on(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    await sent.come_back(status_report("bob.private@elsewhere.test"))
    assert sent.outbox.states() == {"bob@remote.test": "failed"}


class TestForged:
    """Anybody can write a notification."""

    @pytest.fixture(autouse=True)
    def other_site(self, sent: Correspondence) -> None:
        sent.outbox.dns.set("other.test", "MX", "10 mx.remote.test")

    async def test_of_a_message_that_was_never_sent(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test")
        email_id = await sent.come_back(status_report(about="Message-ID: <2@here.test>\r\n"))
        assert sent.outbox.states() == {"bob@remote.test": "sent"}
        assert [each.outbox_id for each in sent.reports(email_id)] == [None]

    async def test_of_a_recipient_whom_it_was_not_sent_to(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test", "carl@remote.test")
        await sent.come_back(status_report("eve@remote.test", status="5.1.1"))
        assert set(sent.outbox.states().values()) == {"sent"}
        assert sent.suppressed("eve@remote.test") == ""

    async def test_of_somebody_elses_message(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test")
        email_id = await sent.come_back(status_report(), owner="carol")
        assert sent.outbox.states() == {"bob@remote.test": "sent"}
        assert [each.outbox_id for each in sent.reports(email_id, "carol")] == [None]

    @pytest.mark.parametrize(
        "authentication",
        [
            None,
            {"dmarc": "pass", "dkim_domains": ["evil.test"]},
            {"spf": "fail", "spf_domain": "remote.test", "dmarc": "fail", "dkim_domains": []},
        ],
        ids=["unknown", "another's", "failed"],
    )
    async def test_by_another_recipient_is_shown_and_does_nothing(
        self, sent: Correspondence, authentication: dict[str, Any] | None
    ) -> None:
        await sent.send("bob@remote.test", "mallory@other.test")
        raw = status_report(status="5.1.1", diagnostic="smtp; 550 5.1.1 No such user", host="mx.evil.test")
        email_id = await sent.come_back(raw, authentication=authentication)
        assert set(sent.outbox.states().values()) == {"sent"}
        assert sent.history() == ["delivered", "unproven"]
        assert sent.suppressed() == ""
        assert [each.believed for each in sent.reports(email_id)] == [False]
        raw = notifications.complaint(sender="feedback@evil.test")
        await sent.come_back(raw, reverse_path="feedback@evil.test", authentication=authentication)
        assert sent.suppressed() == ""

    @pytest.mark.parametrize(
        "authentication",
        [
            {"dmarc": "pass", "dkim_domains": []},
            {"dkim_domains": ["bounces.remote.test"]},
            {"spf": "pass", "spf_domain": "mx2.remote.test", "dkim_domains": []},
        ],
        ids=["dmarc", "dkim", "spf"],
    )
    async def test_not_where_the_recipients_site_is_proven(
        self, sent: Correspondence, authentication: dict[str, Any]
    ) -> None:
        await sent.send("bob@remote.test", "mallory@other.test")
        await sent.come_back(status_report(), authentication=authentication)
        assert sent.history() == ["delivered", "returned"]

    async def test_not_where_the_envelope_id_comes_back(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test", "mallory@other.test")
        ids = {
            line.partition("ENVID=")[2].split()[0]: domain
            for session in sent.server.sessions
            for line, domain in _transactions(session.commands)
        }
        assert sorted(ids.values()) == ["other.test", "remote.test"]
        theirs = {domain: envid for envid, domain in ids.items()}
        # What the other recipient's servers were given proves nothing about this one.
        await sent.come_back(status_report(envid=theirs["other.test"]), authentication=None)
        assert sent.history() == ["delivered", "unproven"]
        # And a message is known by the right one even where nothing of it is sent back.
        raw = status_report(envid=theirs["remote.test"], about="Subject: Hello\r\n")
        await sent.come_back(raw, authentication=None)
        assert sent.history() == ["delivered", "unproven", "returned"]

    @pytest.mark.parametrize(
        ("reverse_path", "authentication"),
        [
            ("", None),
            ("mallory@gmail.com", {"dmarc": "pass", "spf": "pass", "spf_domain": "gmail.com"}),
            ("mallory@gmail.com", {"dkim_domains": ["gmail.com"]}),
        ],
        ids=["from anywhere", "dmarc", "dkim"],
    )
    async def test_by_another_user_of_the_recipients_provider_does_nothing(
        self, sent: Correspondence, reverse_path: str, authentication: dict[str, Any] | None
    ) -> None:
        sent.outbox.dns.set("gmail.com", "MX", "10 mx.remote.test")
        await sent.send("bob@gmail.com", "mallory@gmail.com")
        raw = status_report("bob@gmail.com", status="5.1.1", diagnostic="smtp; 550 5.1.1 No such user")
        raw = raw.replace(b"From: MAILER-DAEMON@mx.remote.test", b"From: mallory@gmail.com")
        await sent.come_back(raw, reverse_path=reverse_path, authentication=authentication)
        raw = notifications.complaint("bob@gmail.com", sender="mallory@gmail.com")
        await sent.come_back(raw, reverse_path=reverse_path, authentication=authentication)
        assert sent.outbox.states() == {"bob@gmail.com": "sent", "mallory@gmail.com": "sent"}
        assert sent.suppressed("bob@gmail.com") == ""

    @pytest.mark.parametrize(
        ("reverse_path", "author"),
        [("", "mailer-daemon@gmail.com"), ("staff@gmail.com", "staff@gmail.com")],
        ids=["daemon", "role"],
    )
    async def test_not_where_the_provider_itself_is_proven(
        self, sent: Correspondence, reverse_path: str, author: str
    ) -> None:
        sent.outbox.dns.set("gmail.com", "MX", "10 mx.remote.test")
        await sent.send("bob@gmail.com", "mallory@gmail.com")
        raw = notifications.complaint("bob@gmail.com", sender=author)
        await sent.come_back(raw, reverse_path=reverse_path, authentication={"dmarc": "pass"})
        assert sent.suppressed("bob@gmail.com") == "complaint"

    async def test_of_a_providers_only_user_is_believed(self, sent: Correspondence) -> None:
        sent.outbox.dns.set("gmail.com", "MX", "10 mx.remote.test")
        await sent.send("bob@gmail.com")
        await sent.come_back(status_report("bob@gmail.com"))
        assert sent.outbox.states() == {"bob@gmail.com": "failed"}

    async def test_in_junk_does_nothing(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test")
        await sent.come_back(status_report(), folder="junk")
        assert sent.outbox.states() == {"bob@remote.test": "sent"}

    async def test_any_number_of_them_leaves_few_lines_behind(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test", "mallory@other.test")
        for _ in range(returns.MOST_NOTED + 3):
            await sent.come_back(status_report(), authentication=None)
        assert len(sent.history()) == 1 + returns.MOST_NOTED
        # And they keep out nothing that is true.
        await sent.come_back(status_report(status="5.1.1", diagnostic="smtp; 550 5.1.1 No such user"))
        assert sent.history()[-1] == "returned"
        assert sent.suppressed() == "bounce"

    async def test_by_whom_an_answer_went_to_does_nothing(self, sent: Correspondence) -> None:
        """The Message-ID of what bob alone got stands in References of his answer to others."""
        await sent.send("bob@remote.test")
        for authentication in (None, {"iprev": "pass", "details": {"iprev": {"name": "x.evil.test"}}}):
            raw = status_report(status="5.1.1", diagnostic="smtp; 550 5.1.1 No such user")
            await sent.come_back(raw, authentication=authentication)
        await sent.come_back(notifications.complaint(sender="a@evil.test"), reverse_path="a@evil.test")
        assert sent.outbox.states() == {"bob@remote.test": "sent"}
        assert sent.history() == ["delivered", "unproven", "unproven", "unproven"]
        assert sent.suppressed() == ""

    async def test_by_a_users_own_program_at_the_recipients_site_is_not_the_server(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test")
        await sent.come_back(status_report(), reverse_path="mallory@remote.test")
        assert sent.history() == ["delivered", "unproven"]

    async def test_not_where_the_server_that_took_it_brings_it(self, sent: Correspondence) -> None:
        await sent.send("bob@remote.test", "mallory@other.test")
        address = {"iprev": "fail", "details": {"iprev": {"ip": "127.0.0.25", "name": ""}}}
        await sent.come_back(status_report(), authentication=address)
        assert sent.history() == ["delivered", "returned"]

    async def test_who_sends_the_header_back_is_believed_and_suppresses_nobody(self, sent: Correspondence) -> None:
        """As a reader of a mailing list could do, to whom the whole message went on."""
        await sent.send("bob@remote.test")
        (queue_id,) = sent.outbox.sql("SELECT queue_id FROM outbox")
        about = f"Received: from [192.0.2.1]\r\n by here.test with ESMTPSA id {queue_id};\r\n {notifications.DATE}\r\n"
        raw = status_report(
            status="5.1.1", diagnostic="smtp; 550 5.1.1 No such user", about=about + notifications.ORIGINAL
        )
        await sent.come_back(raw, authentication=None)
        assert sent.outbox.states() == {"bob@remote.test": "failed"}
        assert sent.suppressed() == ""


def _transactions(commands: Sequence[str]) -> Iterator[tuple[str, str]]:
    mail = ""
    for command in commands:
        if command.startswith("MAIL "):
            mail = command
        elif command.startswith("RCPT "):
            yield mail, command.partition("@")[2].partition(">")[0]


async def test_a_senders_own_envelope_id_is_left_alone(sent: Correspondence) -> None:
    await sent.send("bob@remote.test", envid="QQ")
    assert sent.envid() == "QQ"


async def test_a_message_without_an_id_is_known_by_its_envelope(sent: Correspondence) -> None:
    await sent.send("bob@remote.test", raw=MESSAGE.replace(b"Message-ID: <1@here.test>\r\n", b""))
    await sent.come_back(status_report(envid=sent.envid(), about="Subject: Hello\r\n"))
    assert sent.outbox.states() == {"bob@remote.test": "failed"}


async def test_what_is_deleted_takes_its_reports_along(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    email_id = await sent.come_back(status_report())
    sent.outbox.sql("DELETE FROM outbox")
    assert [each.outbox_id for each in sent.reports(email_id)] == [None]
    sent.outbox.sql(f"DELETE FROM emails WHERE id = {email_id}")
    assert sent.reports(email_id) == []


async def test_returned_mail_can_be_sent_again(sent: Correspondence) -> None:
    await sent.send("bob@remote.test")
    await sent.come_back(status_report(status="5.1.1", diagnostic="smtp; 550 5.1.1 No such user"))
    sent.outbox.sql("UPDATE outbox SET status = 'pending'")
    await sent.outbox.round()
    assert sent.outbox.states() == {"bob@remote.test": "sent"}
    assert sent.suppressed() == ""
    assert sent.history() == ["delivered", "returned", "delivered"]


async def test_what_is_told_from_here_is_tied_and_is_no_news(sent: Correspondence) -> None:
    with ScriptedSmtpServer({"RCPT": "550 5.7.1 not from you"}, host="127.0.0.26", port=sent.server.port):
        sent.outbox.dns.set("strict.test", "A", "127.0.0.26")
        await sent.send("bob@remote.test")
        # The same id once more, as careless programs write it, to a site that refuses.
        await sent.send("eve@strict.test")
        await sent.outbox.round()
        await indexer.run_once(sent.outbox.db, sent.recorder)
    assert sent.outbox.states() == {
        "bob@remote.test": "sent", "eve@strict.test": "failed", "alice@here.test": "sent",
    }  # fmt: skip
    assert sent.history("eve@strict.test") == ["failed"]
    (email_id,) = sent.outbox.sql("SELECT id FROM emails WHERE owner = 'alice' AND folder = 'inbox'")
    (report,) = sent.reports(int(email_id))
    assert (report.believed, report.recipient, report.outbox_id) == (True, "eve@strict.test", 2)


async def test_many_messages_of_one_id_are_told_apart_by_their_recipients(sent: Correspondence) -> None:
    for recipient in ("bob@remote.test", "carl@remote.test", "dora@remote.test"):
        await sent.send(recipient)
    await sent.come_back(status_report("carl@remote.test"))
    assert sent.history("carl@remote.test") == ["delivered", "returned"]
    await sent.come_back(status_report("eve@remote.test"))
    assert list(sent.outbox.states().values()) == ["sent", "failed", "sent"]
