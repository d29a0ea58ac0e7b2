"""Vacation notes answer people once in a while, and nothing that a program wrote (RFC 3834, RFC 5230)."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_outbox.filing import indexer
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery
from onifast_shared.accepting.distribution import trace_of
from onifast_shared.dkim import keys
from onifast_shared.filters import rules, store, vacations
from onifast_shared.filters.rules import FilterError
from onifast_shared.filters.vacations import VacationNote
from onifast_shared.limits import store as limits
from onifast_shared.limits.subjects import Subject
from onifast_shared.message.parsing import Parsed, parse
from onifast_shared.message.vcard import Card
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses, contacts
from onifast_shared.values.address import Address
from outbox.helpers import Outbox

from fakes.smtp_server import ScriptedSmtpServer

CAROL = Address.parse("carol@here.test")
AWAY = VacationNote(is_on=True, subject="Away", text="I am away.", html="<p>I am <b>away</b>.</p>")


def letter(*, to: str = "Carol <carol@here.test>", sender: str = "eve@remote.test", fields: str = "") -> bytes:
    head = f"From: Eve <{sender}>\r\nTo: {to}\r\nSubject: Lunch?\r\nMessage-ID: <1@remote.test>\r\n"
    return f"{head}References: <0@remote.test>\r\n{fields}\r\nText.\r\n".encode()


async def arrive(
    outbox: Outbox,
    raw: bytes | None = None,
    *,
    sender: str = "eve@remote.test",
    folder: str = "inbox",
    authentication: dict[str, Any] | None = None,
    recipient: Address = CAROL,
) -> None:
    """A message comes in for carol, and is judged."""
    mail_from = Address.parse(sender) if sender else None
    delivery = LocalDelivery("carol", str(recipient), trace_of(mail_from, recipient), folder)
    found = {"spf": "none"} if authentication is None else authentication
    incoming = IncomingMessage(sender, [delivery], found, file_copies=False)
    await accept.deliver(outbox.db, raw or letter(sender=sender or "eve@remote.test"), incoming)
    while await indexer.run_once(outbox.db, settings=outbox.settings):
        pass


def put(outbox: Outbox, note: VacationNote = AWAY, **changes: Any) -> VacationNote:
    made = VacationNote(**(vars(note) | changes))
    return outbox.db.write(lambda tx: vacations.put(tx, "carol", made))


def answers(outbox: Outbox) -> list[Parsed]:
    rows = outbox.db.read(
        lambda tx: [
            bytes(row[0])
            for row in tx.execute(
                "SELECT c.data FROM outbox o JOIN contents c ON c.id = o.content_id"
                " WHERE o.origin = 'autoreply' ORDER BY o.id"
            )
        ]
    )
    return [parse(row) for row in rows]


async def test_who_writes_is_answered_as_the_rfcs_say(outbox: Outbox) -> None:
    put(outbox)
    await arrive(outbox)
    (found,) = answers(outbox)
    assert found.header("auto-submitted") == "auto-replied"
    assert (found.subject, found.text, str(found.sender), found.to) == (
        "Away", "I am away.\n", "carol@here.test", "eve@remote.test",
    )  # fmt: skip
    assert "<b>away</b>" in (found.html or "")
    assert found.in_reply_to == "<1@remote.test>" and found.references == ["<0@remote.test>", "<1@remote.test>"]
    row = outbox.sql("SELECT sender, recipient, owner, submitted_by, dsn_notify FROM outbox")
    assert row == ["|eve@remote.test|carol|user:carol|NEVER"]


async def test_without_a_subject_it_is_the_messages_marked(outbox: Outbox) -> None:
    put(outbox, subject="")
    await arrive(outbox)
    assert answers(outbox)[0].subject == "Auto: Lunch?"


async def test_a_sender_is_answered_once_a_week_or_as_often_as_is_chosen(outbox: Outbox) -> None:
    put(outbox, days=3)
    await arrive(outbox)
    await arrive(outbox, letter(sender="EVE@remote.test"), sender="EVE@Remote.test")
    await arrive(outbox, sender="prvs=1234567890=eve@remote.test")
    await arrive(outbox, sender="dan@remote.test")
    assert len(answers(outbox)) == 2
    outbox.sql("UPDATE auto_replies SET replied_ts = replied_ts - 3 * 86400 - 1")
    await arrive(outbox)
    assert len(answers(outbox)) == 3
    assert outbox.db.read(lambda tx: vacations.answered(tx, "carol"))[0][0] == "eve@remote.test"


async def test_a_new_text_goes_to_everybody_again(outbox: Outbox) -> None:
    put(outbox)
    await arrive(outbox)
    put(outbox)
    await arrive(outbox)
    assert len(answers(outbox)) == 1
    put(outbox, text="Back on Monday.")
    await arrive(outbox)
    assert [each.text for each in answers(outbox)] == ["I am away.\n", "Back on Monday.\n"]


@pytest.mark.parametrize(
    "fields",
    [
        "List-Id: <news.remote.test>\r\n",
        "List-Unsubscribe: <https://remote.test/>\r\n",
        "Precedence: bulk\r\n",
        "Precedence: LIST\r\n",
        "Precedence: junk\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Auto-Submitted: auto-replied (vacation)\r\n",
        "X-Autoreply: yes\r\n",
        "X-Auto-Response-Suppress: DR, OOF\r\n",
        "X-Loop: x@remote.test\r\n",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n',
    ],
)
async def test_what_a_program_wrote_or_went_to_many_is_not_answered(outbox: Outbox, fields: str) -> None:
    put(outbox)
    await arrive(outbox, letter(fields=fields))
    assert not answers(outbox)


async def test_a_message_that_says_it_was_not_automatic_is_answered(outbox: Outbox) -> None:
    put(outbox)
    await arrive(outbox, letter(fields="Auto-Submitted: no\r\nX-Auto-Response-Suppress: DR\r\n"))
    assert len(answers(outbox)) == 1


@pytest.mark.parametrize(
    "sender",
    [
        "", "MAILER-DAEMON@remote.test", "owner-news@remote.test", "news-request@remote.test", "no-reply@remote.test",
        "noreply@remote.test", "bounces+carol=here.test@remote.test", "postmaster@remote.test", "carol@here.test",
        "news-bounces@remote.test",
    ],
)  # fmt: skip
async def test_nobody_is_answered_who_is_no_person_or_oneself(outbox: Outbox, sender: str) -> None:
    put(outbox)
    await arrive(outbox, sender=sender)
    assert not answers(outbox)


@pytest.mark.parametrize("to", ["all@elsewhere.test", "undisclosed-recipients:;", "dan@here.test"])
async def test_only_what_was_written_to_oneself_is_answered(outbox: Outbox, to: str) -> None:
    put(outbox)
    await arrive(outbox, letter(to=to))
    assert not answers(outbox)


async def test_in_cc_and_with_a_tag_it_was_written_to_oneself(outbox: Outbox) -> None:
    put(outbox)
    await arrive(outbox, letter(to="x@y.test", fields="Cc: carol+shop@here.test\r\n"))
    assert [str(each.sender) for each in answers(outbox)] == ["carol@here.test"]


@pytest.mark.parametrize("found", [{"spf": "fail"}, {"spf": "softfail"}, {"spf": "none", "dmarc": "fail"}])
async def test_a_sender_who_may_be_forged_is_not_answered(outbox: Outbox, found: dict[str, str]) -> None:
    put(outbox)
    await arrive(outbox, authentication=found)
    assert not answers(outbox)


async def test_junk_and_what_a_filter_throws_away_is_not_answered(outbox: Outbox) -> None:
    put(outbox)
    await arrive(outbox, folder="junk")
    rule = rules.parse({"match": "every", "acts": [{"do": "trash"}]})
    outbox.db.write(lambda tx: store.add(tx, "carol", "Away with it", rule, now=0))
    await arrive(outbox)
    assert not answers(outbox)


async def test_it_answers_from_its_first_to_its_last_moment(outbox: Outbox) -> None:
    note = VacationNote(is_on=True, text="x", from_ts=1000, until_ts=2000)
    assert [note.answers_at(now) for now in (999, 1000, 1999, 2000)] == [False, True, True, False]
    assert note.awaits(999) and not note.awaits(1000)
    put(outbox, from_ts=1000, until_ts=2000)
    await arrive(outbox)
    put(outbox, is_on=False)
    await arrive(outbox)
    assert not answers(outbox)


async def test_an_address_has_a_note_of_its_own(outbox: Outbox) -> None:
    info = Address.parse("info@here.test")
    outbox.db.write(lambda tx: addresses.add(tx, info, "carol"))
    put(outbox, address="info@here.test", text="The shop is closed.")
    await arrive(outbox)
    assert not answers(outbox)
    await arrive(outbox, letter(to="info@here.test"), recipient=info)
    put(outbox)
    await arrive(outbox)
    assert [(each.text, str(each.sender)) for each in answers(outbox)] == [
        ("The shop is closed.\n", "info@here.test"),
        ("I am away.\n", "carol@here.test"),
    ]


async def test_a_contact_gets_the_other_text_too(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: contacts.add(tx, "carol", Card("Eve", "", ("eve@remote.test",), ()), 1))
    put(outbox, known_text="Call me.")
    await arrive(outbox)
    assert [each.text for each in answers(outbox)] == ["Call me.\n"]


async def test_whom_one_has_written_to_gets_another_text_or_is_alone_answered(outbox: Outbox) -> None:
    raw = b"From: carol@here.test\r\nTo: eve@remote.test\r\nSubject: Hi\r\n\r\nHi\r\n"
    sent = Submission("carol@here.test", "web", owner="carol", submitted_by="user:carol")
    await accept.asubmit(outbox.db, raw, sent, [QueuedRecipient("eve@remote.test")])
    put(outbox, known_text="Call me.", known_html="<p>Call me.</p>")
    await arrive(outbox)
    await arrive(outbox, sender="dan@remote.test")
    put(outbox, audience="known", text="Only you.")
    await arrive(outbox)
    await arrive(outbox, sender="dan@remote.test")
    assert [(each.text, each.to) for each in answers(outbox)] == [
        ("Call me.\n", "eve@remote.test"),
        ("I am away.\n", "dan@remote.test"),
        ("Only you.\n", "eve@remote.test"),
    ]


async def test_two_who_are_away_do_not_answer_each_other(outbox: Outbox) -> None:
    put(outbox)
    outbox.db.write(lambda tx: vacations.put(tx, "alice", VacationNote(is_on=True, text="So am I.")))
    await outbox.submit("carol@here.test", sender="alice@here.test", owner="alice", raw=(
        b"From: alice@here.test\r\nTo: carol@here.test\r\nSubject: Hi\r\n\r\nHi\r\n"))  # fmt: skip
    for _ in range(5):
        await outbox.round()
        while await indexer.run_once(outbox.db, settings=outbox.settings):
            pass
    assert [each.to for each in answers(outbox)] == ["alice@here.test"]
    assert len(outbox.mail_of("alice")) == 1, "which has arrived"


async def test_an_answer_counts_against_limits_and_is_left_out_when_they_are_used_up(outbox: Outbox) -> None:
    put(outbox)
    outbox.db.write(lambda tx: limits.put(tx, Subject("user", "carol"), {"messages_per_hour": 1}))
    for number in range(5):
        await arrive(outbox, sender=f"eve{number}@remote.test")
    assert 1 <= len(answers(outbox)) < 5


async def test_an_answer_is_signed_like_any_mail_of_its_author_and_goes_out_from_nobody(outbox: Outbox) -> None:
    keys.generate(outbox.settings.certs_dir, "here.test")
    put(outbox)
    await arrive(outbox)
    with ScriptedSmtpServer(None, host="127.0.0.25", port=outbox.settings.outbound_port) as peer:
        await outbox.round()
    (message,) = peer.messages
    assert message.data.startswith(b"DKIM-Signature:") and b"d=here.test" in message.data
    assert (message.mail_from, outbox.states()) == ("", {"eve@remote.test": "sent"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "x" * 50_001}, "text"),
        ({"subject": "a\r\nBcc: b@c.test"}, "subject"),
        ({"days": 0}, "days"),
        ({"days": 31}, "days"),
        ({"audience": "friends"}, "audience"),
        ({"address": "alice@here.test"}, "address"),
        ({"address": "nobody"}, "address"),
        ({"from_ts": 2000, "until_ts": 1000}, "until"),
        ({"until_ts": 10**12}, "until"),
    ],
)
def test_what_is_no_note_is_refused(outbox: Outbox, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(FilterError) as raised:
        put(outbox, **changes)
    assert raised.value.field == field
