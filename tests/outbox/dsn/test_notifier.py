"""Senders who are told that their mail is late, or that it has arrived."""

from __future__ import annotations

import asyncio
import email
import email.policy
import time
from email.message import EmailMessage

import pytest
from onifast_outbox.dsn.notice_rate import HOUR, MOST_AN_HOUR, NoticeRate
from onifast_outbox.dsn.notifier import Notifier
from onifast_shared.accepting import arrivals
from onifast_shared.accepting.arrivals import Arrival
from onifast_shared.mailboxes import contents
from onifast_shared.queue.store import QueuedRecipient
from outbox.helpers import MESSAGE, Outbox

from fakes.smtp_server import ScriptedSmtpServer


def later(outbox: Outbox, hours: float) -> Notifier:
    """A notifier whose clock is ahead."""
    return Notifier(outbox.db, outbox.settings, now=lambda: time.time() + hours * HOUR)


async def defer(outbox: Outbox, *recipients: str | QueuedRecipient, sender: str = "alice@here.test") -> None:
    """Queues a message and fails its first attempt: nothing listens where remote.test's mail goes."""
    await outbox.submit(*recipients, sender=sender, ret="FULL", envid="QQ1")
    await outbox.round()
    assert set(outbox.states().values()) == {"deferred"}


def notices(outbox: Outbox) -> list[str]:
    """Whom notices are queued for."""
    return outbox.sql("SELECT recipient FROM outbox WHERE origin = 'bounce' ORDER BY id")


async def notice_to(outbox: Outbox, owner: str) -> EmailMessage:
    """The one notice in a user's inbox, once it is delivered."""
    await outbox.deliver_all()
    (raw,) = outbox.mail_of(owner)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def fields_of(notice: EmailMessage) -> list[EmailMessage]:
    """The groups of its delivery status."""
    return [part for part in notice.walk() if part.get_content_type() == "text/plain" and part["Action"]]


async def test_a_sender_is_told_once_that_his_message_is_late(outbox: Outbox) -> None:
    await defer(outbox, "bob@remote.test", "carl@remote.test")
    await later(outbox, 3.9).tell()
    assert notices(outbox) == []
    for hours in (4.1, 5, 100):
        await later(outbox, hours).tell()
    assert notices(outbox) == ["alice@here.test"]
    notice = await notice_to(outbox, "alice")
    people = fields_of(notice)
    assert [person["Final-Recipient"] for person in people] == ["rfc822; bob@remote.test", "rfc822; carl@remote.test"]
    assert {person["Action"] for person in people} == {"delayed"}
    end = email.utils.parsedate_to_datetime(people[0]["Will-Retry-Until"]).timestamp()
    assert end == pytest.approx(time.time() + outbox.settings.queue_lifetime, abs=HOUR)
    text = notice.get_body().get_content()  # type: ignore[union-attr]
    assert "It was tried once so far." in text
    assert "You need not do anything" in text
    assert "Hello Bob" not in notice.as_string()
    assert outbox.states()["bob@remote.test"] == "deferred"


async def test_notify_says_who_hears_of_delays(outbox: Outbox) -> None:
    asked = ("DELAY", "FAILURE", "NEVER", "SUCCESS,DELAY")
    recipients = [QueuedRecipient(f"u{number}@remote.test", notify) for number, notify in enumerate(asked)]
    await defer(outbox, *recipients)
    await later(outbox, 5).tell()
    assert notices(outbox) == ["alice@here.test"]
    people = fields_of(await notice_to(outbox, "alice"))
    assert [person["Final-Recipient"] for person in people] == ["rfc822; u0@remote.test", "rfc822; u3@remote.test"]


async def test_nobody_is_told_of_a_late_bounce(outbox: Outbox) -> None:
    await defer(outbox, "bob@remote.test", sender="")
    await later(outbox, 5).tell()
    assert notices(outbox) == []
    assert outbox.sql("SELECT delay_noted FROM outbox") == ["1"]


async def test_a_row_put_off_without_an_attempt_is_late_too(outbox: Outbox) -> None:
    await outbox.submit("bob@remote.test")
    why = "451 4.4.1 remote.test does not answer; the next attempt is at 10:00"
    outbox.sql(f"UPDATE outbox SET waits_for = 'remote.test', last_error = '{why}', next_attempt_ts = 4000000000")
    await later(outbox, 5).tell()
    (person,) = fields_of(await notice_to(outbox, "alice"))
    assert "remote.test does not answer" in person["Diagnostic-Code"]
    assert person["Last-Attempt-Date"] is None


async def test_two_processes_tell_a_sender_once(outbox: Outbox) -> None:
    await defer(outbox, "bob@remote.test", "carl@remote.test")
    await asyncio.gather(*(later(outbox, 5).tell() for _ in range(4)))
    assert notices(outbox) == ["alice@here.test"]


async def test_zero_switches_delay_notices_off(outbox: Outbox) -> None:
    outbox.reassemble(delay_notice_after=0.0)
    await defer(outbox, "bob@remote.test")
    await later(outbox, 100).tell()
    assert notices(outbox) == []


async def test_a_message_that_is_given_up_by_then_is_not_called_late(outbox: Outbox) -> None:
    outbox.reassemble(queue_lifetime=2.0 * HOUR)
    await defer(outbox, "bob@remote.test")
    await later(outbox, 5).tell()
    assert notices(outbox) == []


async def test_a_late_message_that_goes_out_at_last_is_delivered(outbox: Outbox) -> None:
    await defer(outbox, "bob@remote.test")
    await later(outbox, 5).tell()
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port) as server:
        outbox.sql("UPDATE outbox SET status = 'pending' WHERE status = 'deferred'")
        await outbox.deliver_all()
    assert len(server.messages) == 1
    assert outbox.states()["bob@remote.test"] == "sent"


class Clock:
    """Epoch seconds, some hours ahead of now."""

    def __init__(self, hours: float) -> None:
        self.hours = hours

    def __call__(self) -> float:
        return time.time() + self.hours * HOUR


async def put_off(outbox: Outbox, messages: int, *, sender: str = "alice@here.test", notify: str | None = None) -> None:
    """Queues messages to a site that is known to be down."""
    for number in range(messages):
        await outbox.submit(QueuedRecipient(f"u{number}@remote.test", notify), sender=sender)
    why = "451 4.4.1 remote.test does not answer"
    outbox.sql(f"UPDATE outbox SET waits_for = 'remote.test', last_error = '{why}' WHERE origin = 'smtp'")


async def test_of_many_delays_a_sender_is_told_in_one_notice(outbox: Outbox) -> None:
    await put_off(outbox, MOST_AN_HOUR + 30)
    clock = Clock(5)
    notifier = Notifier(outbox.db, outbox.settings, now=clock)
    await notifier.tell()
    assert notices(outbox) == ["alice@here.test"] * (MOST_AN_HOUR + 1)
    assert outbox.sql("SELECT DISTINCT delay_noted FROM outbox WHERE origin = 'smtp'") == ["1"]

    await outbox.deliver_all()
    (summary,) = (
        parsed
        for raw in outbox.mail_of("alice")
        if (parsed := email.message_from_bytes(raw, policy=email.policy.default))["Subject"].startswith("Many")
    )
    text = summary.get_content()
    assert "30 recipients wait:" in text and "30 at remote.test:" in text
    assert summary["Auto-Submitted"] == "auto-replied"

    await put_off(outbox, 3)
    await notifier.tell()
    assert len(notices(outbox)) == MOST_AN_HOUR + 1, "they have been told that they would not be told"
    clock.hours += 1
    await put_off(outbox, 2)
    await notifier.tell()
    assert len(notices(outbox)) == MOST_AN_HOUR + 3


async def test_one_senders_many_delays_take_nothing_from_anothers(outbox: Outbox) -> None:
    await put_off(outbox, MOST_AN_HOUR + 2)
    await put_off(outbox, 1, sender="carol@here.test")
    await later(outbox, 5).tell()
    assert notices(outbox).count("carol@here.test") == 1


async def test_who_wants_no_notices_of_delays_gets_no_summary(outbox: Outbox) -> None:
    await put_off(outbox, MOST_AN_HOUR)
    await put_off(outbox, 5, notify="FAILURE")
    await later(outbox, 5).tell()
    assert len(notices(outbox)) == MOST_AN_HOUR


async def test_two_processes_write_no_summary_of_the_same_delays(outbox: Outbox) -> None:
    both = [later(outbox, 5) for _ in range(2)]
    for notifier in both:
        for _ in range(MOST_AN_HOUR):
            notifier._notice_rate.note("alice@here.test", time.time() + 5 * HOUR)
    await put_off(outbox, 10)
    await asyncio.gather(*(notifier.tell() for notifier in both))
    assert notices(outbox) == ["alice@here.test"]


def test_a_senders_hour_begins_anew_after_an_hour_or_when_the_clock_goes_back() -> None:
    restraint = NoticeRate(most=1)
    seen = []
    for now in (0, 10, 20, HOUR - 1, HOUR, HOUR - 1):
        seen.append(restraint.manner("ann", now))
        restraint.note("ann", now)
    assert seen == ["singly", "summary", "silence", "silence", "singly", "singly"]


async def arrive(outbox: Outbox, *recipients: QueuedRecipient, raw: bytes = MESSAGE) -> None:
    """What smtpd writes when a sender wants to hear of their mail's arrival."""
    ref = await contents.astore(outbox.db, raw)
    now = int(time.time())
    await outbox.db.awrite(
        lambda tx: arrivals.add(tx, Arrival(contents.attach(tx, ref), "carol@here.test", "QQ1", now, recipients))
    )


async def test_a_sender_who_asked_is_told_once_that_his_mail_arrived(outbox: Outbox) -> None:
    await arrive(outbox, QueuedRecipient("alice@here.test", orcpt="rfc822;Alice@here.test"))
    await asyncio.gather(*(later(outbox, 0).tell() for _ in range(4)))
    notice = await notice_to(outbox, "carol")
    (person,) = fields_of(notice)
    assert notice["Subject"] == "Your message was delivered"
    assert (person["Action"], person["Status"]) == ("delivered", "2.1.5")
    assert person["Original-Recipient"] == "rfc822; Alice@here.test"
    assert outbox.sql("SELECT count(*) FROM arrivals") == ["0"]


async def test_the_arrival_of_a_message_that_was_deleted_meanwhile_is_told_without_its_header(outbox: Outbox) -> None:
    await arrive(outbox, QueuedRecipient("alice@here.test"))
    outbox.sql("DELETE FROM contents")
    await later(outbox, 0).tell()
    notice = await notice_to(outbox, "carol")
    assert len(list(notice.iter_parts())) == 2
