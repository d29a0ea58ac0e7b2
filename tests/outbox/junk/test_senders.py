"""Unknown senders: their mail is kept apart by choice, until they are accepted or blocked."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from onifast_outbox.filing import indexer
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery
from onifast_shared.acts import steps
from onifast_shared.junk import senders
from onifast_shared.mailboxes import counts, labels, mailbox, preferences, sender_choices
from onifast_shared.mailboxes.sender_choices import SenderChoice
from onifast_shared.queue import returns
from onifast_shared.webhooks import store as webhooks
from outbox.helpers import MESSAGE, Outbox

NOW = 1_800_000_000.0
PASSED = {"dmarc": "pass", "spf": "pass"}


@pytest.fixture(autouse=True)
def wanted(outbox: Outbox) -> None:
    """carol keeps unknown senders apart."""
    outbox.db.write(lambda tx: preferences.put_keeps_unknown_apart(tx, "carol", True))


def letter(sender: str = "eve@remote.test", fields: str = "") -> bytes:
    return f"From: Eve <{sender}>\r\nTo: carol@here.test\r\nSubject: Hello\r\n{fields}\r\nText.\r\n".encode()


async def arrive(outbox: Outbox, *messages: bytes, authentication: dict[str, Any] | None = None) -> list[int]:
    """Messages come in together, and are judged together; their numbers."""
    found = list[int]()
    for raw in messages:
        incoming = IncomingMessage(
            "bounces@remote.test", [LocalDelivery("carol", "carol@here.test")], authentication or {"spf": "none"},
            file_copies=False,
        )  # fmt: skip
        found += (await accept.deliver(outbox.db, raw, incoming)).email_ids
    while await indexer.run_once(outbox.db):
        pass
    return found


def place(outbox: Outbox, email_id: int) -> str:
    """Where a message lies: a folder, or the name of an own one."""
    sql = (
        "SELECT coalesce((SELECT l.name FROM email_labels e JOIN labels l ON l.id = e.label_id"
        f" WHERE e.email_id = m.id AND l.is_folder = 1), m.folder) FROM emails m WHERE id = {email_id}"
    )
    return outbox.sql(sql)[0]


def decide(outbox: Outbox, email_id: int, choice: SenderChoice) -> int:
    return outbox.db.write(lambda tx: senders.decide(tx, "carol", [email_id], choice, came="inbox", now=NOW)).done


async def test_a_first_message_lies_apart_and_counts_in_no_inbox(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: webhooks.create(tx, "carol", "https://x.test/", ["received"], NOW))
    first, second = await arrive(outbox, letter(), letter())
    assert [place(outbox, each) for each in (first, second)] == [senders.FOLDER] * 2
    (third,) = await arrive(outbox, letter(), authentication=PASSED)
    assert place(outbox, third) == senders.FOLDER, "nobody is known by mail that lies apart"
    assert outbox.db.read(lambda tx: counts.of(tx, "carol"))["inbox"].unread == 0
    (label,) = outbox.db.read(lambda tx: labels.list_all(tx, "carol"))
    assert (label.total, label.unread) == (3, 3)
    told = [json.loads(row)["data"] for row in outbox.sql("SELECT payload FROM webhook_events ORDER BY id")]
    assert [each["folder"] for each in told] == ["archive"] * 3


async def test_without_the_choice_all_comes_to_the_inbox(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: preferences.put_keeps_unknown_apart(tx, "carol", False))
    (email_id,) = await arrive(outbox, letter())
    assert place(outbox, email_id) == "inbox"


async def test_who_is_accepted_has_all_moved_to_the_inbox_and_comes_there(outbox: Outbox) -> None:
    first, second, other = await arrive(outbox, letter(), letter(), letter("mallory@remote.test"))
    assert decide(outbox, second, "accepted") == 2
    (later,) = await arrive(outbox, letter("EVE@remote.test"))
    assert [place(outbox, each) for each in (first, second, later)] == ["inbox"] * 3
    assert place(outbox, other) == senders.FOLDER
    assert outbox.sql("SELECT count(*) FROM junk_lessons") == ["0"]


async def test_who_is_blocked_has_all_moved_to_junk_and_comes_there(outbox: Outbox) -> None:
    first, second = await arrive(outbox, letter(), letter())
    assert decide(outbox, first, "blocked") == 2
    (later,) = await arrive(outbox, letter(), authentication=PASSED)
    assert [place(outbox, each) for each in (first, second, later)] == ["junk"] * 3
    assert outbox.sql(f"SELECT junk_reason FROM emails WHERE id = {later}") == ["You have blocked eve@remote.test."]
    assert outbox.sql("SELECT wanted FROM junk_lessons") == ["junk"] * 2


async def test_a_mailing_list_is_accepted_with_a_message_of_it(outbox: Outbox) -> None:
    of_list = "List-Id: Gardens <garden.lists.test>\r\n"
    first, second = await arrive(outbox, letter("a@one.test", of_list), letter("b@two.test", of_list))
    assert decide(outbox, first, "accepted") == 2
    (later,) = await arrive(outbox, letter("c@three.test", of_list))
    assert [place(outbox, each) for each in (first, second, later)] == ["inbox"] * 3
    (by_hand,) = await arrive(outbox, letter("c@three.test"))
    assert place(outbox, by_hand) == "inbox", "their mail lies in the inbox by now"
    # Who is blocked is so on a list that was accepted too, and the list is not blocked with them.
    decide(outbox, second, "blocked")
    blocked, other = await arrive(outbox, letter("b@two.test", of_list), letter("d@four.test", of_list))
    assert [place(outbox, each) for each in (blocked, other)] == ["junk", "inbox"]


async def test_whom_one_wrote_to_and_who_answers_are_known(outbox: Outbox) -> None:
    await outbox.submit("eve@remote.test", raw=MESSAGE)
    outbox.sql("UPDATE outbox SET owner = 'carol', submitted_by = 'user:carol'")
    (content_id,) = outbox.sql("SELECT content_id FROM outbox")
    outbox.db.write(lambda tx: returns.note_sent(tx, {int(content_id): "<1@here.test>"}))
    written, answering, other = await arrive(
        outbox,
        letter(),
        letter("support@elsewhere.test", "In-Reply-To: <1@here.test>\r\n"),
        letter("mallory@remote.test", "In-Reply-To: <2@here.test>\r\n"),
    )
    assert [place(outbox, each) for each in (written, answering, other)] == ["inbox", "inbox", senders.FOLDER]


async def test_an_account_here_is_known_unless_somebody_else_uses_its_name(outbox: Outbox) -> None:
    await outbox.submit("carol@here.test", raw=letter("alice@here.test"))
    outbox.sql("UPDATE outbox SET submitted_by = 'user:alice'")
    await outbox.round()
    await indexer.run_once(outbox.db)
    (inside,) = outbox.sql("SELECT id FROM emails WHERE owner = 'carol'")
    (outside,) = await arrive(outbox, letter("bob@here.test"))
    assert [place(outbox, int(inside)), place(outbox, outside)] == ["inbox", senders.FOLDER]


async def test_whom_one_let_in_before_or_moved_to_the_inbox_is_known(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: preferences.put_keeps_unknown_apart(tx, "carol", False))
    await arrive(outbox, letter("old@remote.test"))
    outbox.db.write(lambda tx: preferences.put_keeps_unknown_apart(tx, "carol", True))
    (apart,) = await arrive(outbox, letter())
    outbox.db.write(lambda tx: mailbox.move(tx, "carol", [apart], "inbox"))
    found = await arrive(outbox, letter(), letter("old@remote.test"))
    assert [place(outbox, each) for each in found] == ["inbox", "inbox"]


async def test_junk_stays_junk_and_a_folder_that_is_gone_is_made_anew(outbox: Outbox) -> None:
    await arrive(outbox, letter())
    outbox.sql("DELETE FROM labels")
    outbox.db.write(lambda tx: labels.create(tx, "carol", senders.FOLDER, now=NOW))
    (email_id,) = await arrive(outbox, letter("b@remote.test"))
    assert place(outbox, email_id) == f"{senders.FOLDER} 2"
    incoming = IncomingMessage("", [LocalDelivery("carol", "carol@here.test", folder="junk")], {}, file_copies=False)
    (junk,) = (await accept.deliver(outbox.db, letter("c@remote.test"), incoming)).email_ids
    await indexer.run_once(outbox.db)
    assert place(outbox, junk) == "junk"


async def test_what_comes_without_an_author_lies_apart(outbox: Outbox) -> None:
    (email_id,) = await arrive(outbox, b"Subject: x\r\n\r\nText.\r\n")
    assert place(outbox, email_id) == senders.FOLDER
    assert decide(outbox, email_id, "accepted") == 1
    assert outbox.sql("SELECT count(*) FROM sender_choices") == ["0"]


async def test_the_latest_choices_are_kept(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_choices, "MOST", 3)
    for number in range(5):
        name = f"{number}@remote.test"
        outbox.db.write(partial(sender_choices.choose, owner="carol", sender=name, choice="accepted", now=number))
    found = outbox.db.read(lambda tx: sender_choices.list_all(tx, "carol"))
    assert [each.sender for each in found] == ["2@remote.test", "3@remote.test", "4@remote.test"]


@pytest.mark.parametrize("before", [None, "accepted"])
async def test_a_decision_is_undone_with_its_choice(outbox: Outbox, before: SenderChoice | None) -> None:
    (first,) = await arrive(outbox, letter())
    if before:
        outbox.db.write(lambda tx: sender_choices.choose(tx, "carol", "eve@remote.test", before, NOW - 100))
    act = outbox.db.write(lambda tx: senders.decide(tx, "carol", [first], "blocked", came="inbox", now=NOW))
    assert place(outbox, first) == "junk"
    assert outbox.db.write(lambda tx: steps.undo(tx, act, NOW)).state == "undone"
    assert place(outbox, first) == senders.FOLDER
    found = outbox.db.read(lambda tx: sender_choices.list_all(tx, "carol"))
    assert [each.choice for each in found] == ([before] if before else [])


async def test_what_was_chosen_since_stays_as_a_decision_is_undone(outbox: Outbox) -> None:
    (first,) = await arrive(outbox, letter())
    act = outbox.db.write(lambda tx: senders.decide(tx, "carol", [first], "blocked", came="inbox", now=NOW))
    decide(outbox, first, "accepted")
    outbox.db.write(lambda tx: steps.undo(tx, act, NOW))
    assert place(outbox, first) == "inbox"
    assert [each.choice for each in outbox.db.read(lambda tx: sender_choices.list_all(tx, "carol"))] == ["accepted"]
