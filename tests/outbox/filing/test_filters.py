"""Filters act on mail as it is judged: once, in their order, with a log; and on mail that was here before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from onifast_outbox.filing import indexer
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery
from onifast_shared.accepting.distribution import trace_of
from onifast_shared.filters import acting, rules, runs, store
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.runs import FilterRun
from onifast_shared.mailboxes import labels, mailbox, preferences, sender_choices
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.parsing import parse
from onifast_shared.values.address import Address
from outbox.helpers import Outbox

NOW = 1_800_000_000.0
CAROL = Address.parse("carol@here.test")
EVE = Address.parse("eve@remote.test")


def letter(
    subject: str = "Invoice 17", sender: str = "Eve <eve@remote.test>", fields: str = "", body: str = ""
) -> bytes:
    head = f"From: {sender}\r\nTo: carol@here.test\r\nSubject: {subject}\r\nMessage-ID: <1@remote.test>\r\n{fields}"
    return f"{head}\r\n{body or 'Text.'}\r\n".encode()


async def arrive(outbox: Outbox, raw: bytes, *, folder: str = "inbox", sender: Address | None = EVE) -> int:
    """A message comes in for carol, and is judged; its number."""
    delivery = LocalDelivery("carol", str(CAROL), trace_of(sender, CAROL), folder)
    incoming = IncomingMessage(str(sender or ""), [delivery], {"spf": "none"}, file_copies=False)
    (email_id,) = (await accept.deliver(outbox.db, raw, incoming)).email_ids
    await settle(outbox)
    return email_id


async def settle(outbox: Outbox) -> None:
    while await indexer.run_once(outbox.db, settings=outbox.settings):
        pass


def has_filter(
    outbox: Outbox, *acts: dict[str, Any], owner: str = "carol", name: str = "Invoices", **rule: Any
) -> MailFilter:
    """carol has a filter for what has "invoice" in its subject, or as is said."""
    found = {"conditions": [{"field": "subject", "test": "contains", "values": ["invoice"]}], **rule}
    parsed = rules.parse({**found, "acts": list(acts)})
    return outbox.db.write(lambda tx: store.add(tx, owner, name, parsed, now=NOW))


def label(outbox: Outbox, name: str, *, is_folder: bool = False) -> int:
    return outbox.db.write(lambda tx: labels.create(tx, "carol", name, is_folder=is_folder, now=NOW)).id


def row(outbox: Outbox, email_id: int) -> EmailRow:
    found = outbox.db.read(lambda tx: mailbox.get(tx, "carol", email_id))
    assert found is not None
    return found


def names(outbox: Outbox, email_id: int) -> list[str]:
    """The labels and the own folder of a message."""
    sql = (
        f"SELECT l.name FROM email_labels e JOIN labels l ON l.id = e.label_id WHERE e.email_id = {email_id} ORDER BY 1"
    )
    return outbox.sql(sql)


def log(outbox: Outbox, email_id: int | None = None) -> list[tuple[str, list[tuple[str, str, str]]]]:
    lines = outbox.db.read(
        lambda tx: store.log_of(tx, "carol", email_id) if email_id else store.log_page(tx, "carol").rows
    )
    return [(each.filter_name, [(deed.do, deed.name, deed.failed) for deed in each.deeds]) for each in lines]


def queued(outbox: Outbox) -> list[str]:
    return outbox.sql("SELECT origin, sender, recipient, owner, submitted_by FROM outbox ORDER BY id")


async def test_a_filter_labels_stars_reads_and_moves_and_says_so(outbox: Outbox) -> None:
    work, folder = label(outbox, "Work"), label(outbox, "Bills", is_folder=True)
    has_filter(
        outbox,
        {"do": "label", "label_id": work}, {"do": "folder", "label_id": folder}, {"do": "star"}, {"do": "read"},
    )  # fmt: skip
    email_id, other = await arrive(outbox, letter()), await arrive(outbox, letter("Lunch"))
    found = row(outbox, email_id)
    assert (found.folder, found.is_starred, found.is_read) == ("archive", True, True)
    assert names(outbox, email_id) == ["Bills", "Work"]
    done = [("label", "Work", ""), ("folder", "Bills", ""), ("star", "", ""), ("read", "", "")]
    assert log(outbox, email_id) == [("Invoices", done)]
    assert row(outbox, other).folder == "inbox" and not names(outbox, other) and not log(outbox, other)


async def test_filters_of_others_and_those_that_are_off_do_nothing(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "trash"}, owner="alice")
    off = has_filter(outbox, {"do": "trash"})
    outbox.db.write(lambda tx: store.change(tx, off, is_on=False, now=NOW))
    assert row(outbox, await arrive(outbox, letter())).folder == "inbox"


async def test_a_message_is_acted_on_once_however_often_it_is_looked_at(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "forward", "to": "bob@remote.test"}, {"do": "star"})
    email_id = await arrive(outbox, letter())
    for _ in range(3):
        outbox.sql(f"UPDATE emails SET indexed = 0, is_starred = 0 WHERE id = {email_id}")
        await settle(outbox)
    assert len(queued(outbox)) == 1 and not row(outbox, email_id).is_starred and len(log(outbox)) == 1


async def test_who_dies_before_the_commit_has_done_nothing(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that filters do is in the transaction that judges the message."""
    has_filter(outbox, {"do": "forward", "to": "bob@remote.test"}, {"do": "trash"})

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("onifast_outbox.webhooks.events.note_received", killed)
        delivery = LocalDelivery("carol", str(CAROL), trace_of(EVE, CAROL))
        await accept.deliver(outbox.db, letter(), IncomingMessage(str(EVE), [delivery], {}, file_copies=False))
        with pytest.raises(BaseException):  # noqa: B017
            await indexer.run_once(outbox.db, settings=outbox.settings)
    assert not queued(outbox) and not log(outbox)
    await settle(outbox)
    assert len(queued(outbox)) == 1 and len(log(outbox)) == 1


async def test_a_bug_of_ours_leaves_mail_where_it_is(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    has_filter(outbox, {"do": "star"}, {"do": "label", "label_id": 1})
    monkeypatch.setattr(acting, "_on_message", lambda *_: 1 / 0)
    found = row(outbox, await arrive(outbox, letter()))
    assert found.folder == "inbox" and not found.is_starred


async def test_what_cannot_be_done_is_told_and_stops_nothing_else(outbox: Outbox) -> None:
    gone = label(outbox, "Gone")
    has_filter(outbox, {"do": "label", "label_id": gone}, {"do": "star"})
    outbox.sql(f"DELETE FROM labels WHERE id = {gone}")
    email_id = await arrive(outbox, letter())
    assert row(outbox, email_id).is_starred
    assert log(outbox, email_id) == [("Invoices", [("label", "", "it is gone"), ("star", "", "")])]


@pytest.mark.parametrize(("acts", "place"), [({"do": "trash"}, "trash"), ({"do": "reject"}, "trash"),
                                             ({"do": "folder", "folder": "junk"}, "junk"),
                                             ({"do": "folder", "folder": "archive"}, "archive")])  # fmt: skip
async def test_places_and_what_cannot_be_refused_any_more(outbox: Outbox, acts: dict[str, Any], place: str) -> None:
    has_filter(outbox, acts)
    email_id = await arrive(outbox, letter())
    assert row(outbox, email_id).folder == place
    assert not queued(outbox), "nobody is told by a bounce"
    assert outbox.sql("SELECT count(*) FROM junk_lessons") == ["0"], "nothing is learned from it"


async def test_junk_stays_junk_unless_a_filter_is_about_that(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "folder", "folder": "archive"}, {"do": "star"}, {"do": "forward", "to": "b@remote.test"})
    email_id = await arrive(outbox, letter(), folder="junk")
    assert row(outbox, email_id).folder == "junk" and row(outbox, email_id).is_starred and not queued(outbox)
    failed = [(do, why) for _, deeds in log(outbox, email_id) for do, _, why in deeds]
    assert failed == [("folder", "it is junk"), ("star", ""), ("forward", "it is junk")]


async def test_never_to_junk_and_junk_to_trash(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "folder", "folder": "inbox"})
    has_filter(outbox, {"do": "trash"}, name="Away", conditions=[{"field": "junk", "test": "present"}])
    assert row(outbox, await arrive(outbox, letter(), folder="junk")).folder == "inbox"
    assert row(outbox, await arrive(outbox, letter("Pills"), folder="junk")).folder == "trash"
    assert row(outbox, await arrive(outbox, letter("Lunch"))).folder == "inbox"


# Forwards


async def test_a_message_is_forwarded_as_forwards_are(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "forward", "to": "bob@remote.test"})
    await arrive(outbox, letter())
    (found,) = queued(outbox)
    origin, sender, recipient, owner, by = found.split("|")
    assert (origin, recipient, owner, by) == ("forward", "bob@remote.test", "carol", "forward:carol@here.test")
    assert sender.startswith("SRS0=") and sender.endswith("@here.test")
    (raw,) = outbox.db.read(lambda tx: [bytes(each[0]) for each in tx.execute(
        "SELECT c.data FROM outbox o JOIN contents c ON c.id = o.content_id")])  # fmt: skip
    assert raw.startswith(b"Delivered-To: carol@here.test\r\n") and b"Return-Path" not in raw


async def test_two_accounts_that_forward_to_each_other_stop_at_once(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "forward", "to": "alice@here.test"}, match="every", conditions=[])
    has_filter(outbox, {"do": "forward", "to": "carol@here.test"}, match="every", conditions=[], owner="alice")
    await arrive(outbox, letter())
    for _ in range(5):
        await outbox.round()
        await settle(outbox)
    assert outbox.sql("SELECT owner, count(*) FROM emails GROUP BY 1") == ["alice|1", "carol|1"]
    told = outbox.sql("SELECT deeds FROM filter_log WHERE owner = 'alice'")
    assert [json.loads(each) for each in told] == [
        [{"do": "forward", "name": "carol@here.test", "failed": "it has been there"}]
    ]


async def test_a_ring_of_three_is_seen_too_and_forwarding_to_oneself(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "forward", "to": "CAROL@here.test"}, name="Self", match="every", conditions=[])
    has_filter(outbox, {"do": "forward", "to": "alice@here.test"}, match="every", conditions=[])
    outbox.sql("INSERT INTO mail_addresses VALUES ('dan@here.test', 'here.test', 'dan', 'dan', NULL)")
    has_filter(outbox, {"do": "forward", "to": "dan@here.test"}, match="every", conditions=[], owner="alice")
    has_filter(outbox, {"do": "forward", "to": "carol@here.test"}, match="every", conditions=[], owner="dan")
    await arrive(outbox, letter(body="x" * 300_000))
    for _ in range(6):
        await outbox.round()
        await settle(outbox)
    assert outbox.sql("SELECT owner, count(*) FROM emails GROUP BY 1") == ["alice|1", "carol|1", "dan|1"]
    assert {row.split("|")[0] for row in queued(outbox)} == {"forward"}, "and nobody was sent a bounce"


# Answers


async def test_a_template_is_answered_once_a_day(outbox: Outbox) -> None:
    has_filter(outbox, {"do": "reply", "text": "We got your invoice.", "subject": "Thank you"})
    await arrive(outbox, letter())
    second = await arrive(outbox, letter())
    (found,) = queued(outbox)
    assert found == "autoreply||eve@remote.test|carol|user:carol"
    assert log(outbox, second) == [("Invoices", [("reply", "eve@remote.test", "its sender was answered lately")])]
    (raw,) = outbox.db.read(lambda tx: [bytes(each[0]) for each in tx.execute(
        "SELECT c.data FROM outbox o JOIN contents c ON c.id = o.content_id")])  # fmt: skip
    answer = parse(raw)
    assert answer.header("auto-submitted") == "auto-replied" and answer.in_reply_to == "<1@remote.test>"
    assert (answer.subject, str(answer.sender), answer.to) == ("Thank you", "carol@here.test", "eve@remote.test")


# Blocked senders


@pytest.mark.parametrize("sender", ["eve@remote.test", "@remote.test", "@test.example"])
async def test_blocked_senders_are_not_sorted_answered_or_forwarded(outbox: Outbox, sender: str) -> None:
    outbox.db.write(lambda tx: sender_choices.choose(tx, "carol", sender, "blocked", NOW))
    has_filter(outbox, {"do": "forward", "to": "bob@remote.test"}, {"do": "folder", "folder": "inbox"})
    author = "Eve <eve@a.b.test.example>" if sender == "@test.example" else "Eve <eve@remote.test>"
    found = row(outbox, await arrive(outbox, letter(sender=author)))
    assert found.folder == "junk" and found.junk_reason == f"You have blocked {sender.removeprefix('@')}."
    outbox.db.write(lambda tx: preferences.put_blocked_to_trash(tx, "carol", True))
    assert row(outbox, await arrive(outbox, letter(sender=author))).folder == "trash"
    assert not queued(outbox) and not log(outbox)


async def test_an_accepted_address_counts_for_more_than_its_blocked_domain(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: sender_choices.choose(tx, "carol", "@remote.test", "blocked", NOW))
    outbox.db.write(lambda tx: sender_choices.choose(tx, "carol", "eve@remote.test", "accepted", NOW))
    assert row(outbox, await arrive(outbox, letter())).folder == "inbox"


# Mail that was here before


def run(outbox: Outbox, *filters: MailFilter, folders: tuple[str, ...] = ("inbox",)) -> FilterRun:
    return outbox.db.write(lambda tx: runs.start(tx, "carol", list(filters), folders, now=NOW))


def standing(outbox: Outbox, run_id: int) -> FilterRun:
    found = outbox.db.read(lambda tx: runs.get(tx, "carol", run_id))
    assert found is not None
    return found


async def test_a_run_sorts_old_mail_in_steps_and_can_be_undone(outbox: Outbox) -> None:
    ids = [await arrive(outbox, letter("Invoice" if number % 2 else "Lunch")) for number in range(70)]
    work, folder = label(outbox, "Work"), label(outbox, "Bills", is_folder=True)
    found = has_filter(
        outbox,
        {"do": "label", "label_id": work}, {"do": "folder", "label_id": folder}, {"do": "read"},
        {"do": "forward", "to": "bob@remote.test"}, {"do": "reply", "text": "Hi"},
    )  # fmt: skip
    started = run(outbox, found)
    await settle(outbox)
    done = standing(outbox, started.id)
    assert (done.state, done.total, done.seen, done.changed) == ("done", 70, 70, 35)
    assert not queued(outbox), "it never answers or forwards"
    assert [names(outbox, ids[1]), row(outbox, ids[1]).is_read, names(outbox, ids[0])] == [["Bills", "Work"], True, []]
    assert log(outbox, ids[1])
    assert outbox.db.write(lambda tx: runs.undo(tx, "carol", started.id))
    await settle(outbox)
    assert standing(outbox, started.id).state == "undone"
    assert [(row(outbox, each).folder, row(outbox, each).is_read, names(outbox, each)) for each in ids] == [
        ("inbox", False, [])
    ] * 70
    assert not outbox.db.write(lambda tx: runs.undo(tx, "carol", started.id))


async def test_a_run_is_stopped_and_there_is_one_at_a_time(outbox: Outbox) -> None:
    found = has_filter(outbox, {"do": "trash"})
    email_id = await arrive(outbox, letter("Lunch"))
    started = run(outbox, found)
    with pytest.raises(rules.FilterError):
        run(outbox, found)
    assert outbox.db.write(lambda tx: runs.stop(tx, "carol", started.id, NOW))
    await settle(outbox)
    assert standing(outbox, started.id).state == "stopped" and row(outbox, email_id).folder == "inbox"
    assert not outbox.db.write(lambda tx: runs.stop(tx, "alice", started.id, NOW))


async def test_a_step_that_somebody_else_made_is_not_made_again(outbox: Outbox) -> None:
    await arrive(outbox, letter("Lunch"))
    found = has_filter(outbox, {"do": "trash"})
    started = run(outbox, found)
    outbox.db.write(lambda tx: runs.step(tx, started, [], NOW))
    assert standing(outbox, started.id).state == "done"
    outbox.db.write(lambda tx: runs.step(tx, started, [], NOW))
    assert standing(outbox, started.id).seen == 0


async def test_the_log_forgets_what_is_old(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 10)
    found = has_filter(outbox, {"do": "star"})

    def note(tx: Any) -> None:
        for number in range(200):
            store.note(tx, found, [store.FilterDeed("star")], email_id=number, sender="", subject="", now=NOW)

    outbox.db.write(note)
    assert int(outbox.sql("SELECT count(*) FROM filter_log")[0]) < 10 + 64
    page = outbox.db.read(lambda tx: store.log_page(tx, "carol", limit=5))
    assert [each.email_id for each in page.rows] == [199, 198, 197, 196, 195] and page.next_cursor
