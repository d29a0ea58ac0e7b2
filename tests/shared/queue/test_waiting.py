"""Mail that waits for its sender's time: called back, sent now, put off, and the race with a deliverer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery, SentCopy
from onifast_shared.db.database import Connection, Database
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.subjects import Subject
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message import compose, parsing
from onifast_shared.message.compose import Draft, OutgoingAttachment
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import view as queue_view
from onifast_shared.queue import waiting
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.queue.waiting import NoCopy, NotWaiting, TooLate
from onifast_shared.values import times

NOW = 4_000_000_000.0  # far ahead: submissions are dated by the real clock
LATER = int(NOW) + 3600


def submit(
    db: Database, *recipients: str, release_ts: int = LATER, undo: bool = False, copy: bool = True, origin: str = "web"
) -> list[int]:
    draft = Draft(
        from_="ann@example.test",
        to=list(recipients),
        subject="Plans",
        text="Hi",
        in_reply_to="<1@remote.test>",
        references=["<1@remote.test>"],
        attachments=[OutgoingAttachment("plan.txt", "text/plain", b"plan")],
    )
    submission = Submission("ann@example.test", origin, owner="ann", subject="Plans", release_ts=release_ts, undo=undo)
    queued = [QueuedRecipient(recipient) for recipient in recipients]
    kept = SentCopy("ann", ", ".join(recipients), bcc="eve@remote.test") if copy else None
    return accept.submit(db, compose.build(draft, "host.test"), submission, queued, kept).outbox_ids


def due(db: Database, now: float) -> int:
    """How many recipients a deliverer finds that wakes up at this time."""

    def count(tx: Connection) -> int:
        queue_due.place(tx)
        queue_due.promote(tx, now)
        return int(tx.execute("SELECT count(*) FROM outbox WHERE ready = 1 AND status = 'pending'").get)

    return db.write(count)


def claimed(db: Database, row_id: int) -> None:
    """A row as a deliverer has it that claimed it."""
    db.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sending' WHERE id = ?", (row_id,)))


def statuses(db: Database) -> list[str]:
    return [row.status for row in db.read(lambda tx: queue_view.list_page(tx, None)).rows]


def folder(db: Database, name: str) -> list[EmailRow]:
    return db.read(lambda tx: mailbox.list_page(tx, "ann", name)).rows


def test_a_message_waits_until_its_time(database: Database) -> None:
    submit(database, "a@remote.test", "b@remote.test")
    assert due(database, LATER - 1) == 0
    (found,) = database.read(lambda tx: waiting.scheduled(tx, "ann", NOW))
    assert (found.recipients, found.release_ts, found.undo) == (("a@remote.test", "b@remote.test"), LATER, False)
    assert database.read(lambda tx: waiting.count_scheduled(tx, "ann", NOW)) == 1
    assert database.read(lambda tx: waiting.scheduled(tx, "ann", LATER)) == []
    assert due(database, LATER) == 2


def test_only_what_waits_for_undo_is_offered_for_undo(database: Database) -> None:
    submit(database, "later@remote.test")
    submit(database, "first@remote.test", undo=True)
    submit(database, "second@remote.test", undo=True)
    found = database.read(lambda tx: waiting.undoable(tx, "ann", NOW))
    assert found is not None and found.recipients == ("second@remote.test",)
    assert [each.recipients for each in database.read(lambda tx: waiting.scheduled(tx, "ann", NOW))] == [
        ("later@remote.test",)
    ]
    assert database.read(lambda tx: waiting.undoable(tx, "bob", NOW)) is None


def test_a_message_called_back_is_a_draft_with_all_that_it_had(database: Database, settings: Settings) -> None:
    ids = submit(database, "a@remote.test", "eve@remote.test", undo=True)
    recalled = database.write(lambda tx: waiting.recall(tx, "ann", ids[0], settings, NOW))
    assert recalled.outbox_ids == ids and statuses(database) == ["cancelled", "cancelled"]
    assert due(database, LATER) == 0 and folder(database, "sent") == []
    (draft,) = folder(database, "drafts")
    assert draft.id == recalled.draft_id and draft.received_ts == int(NOW)
    parsed = parsing.parse(database.read(lambda tx: mailbox.raw(tx, draft.id)))
    assert parsed.to.startswith("a@remote.test") and parsed.header("bcc") == "eve@remote.test"
    assert parsed.references == ["<1@remote.test>"] and parsed.attachments[0].data == b"plan"


def test_a_message_that_is_on_its_way_to_one_is_called_back_from_nobody(database: Database, settings: Settings) -> None:
    ids = submit(database, "a@remote.test", "b@remote.test")
    claimed(database, ids[0])
    with pytest.raises(TooLate, match="1 of its 2 copies") as late:
        database.write(lambda tx: waiting.recall(tx, "ann", ids[1], settings, NOW))
    assert (late.value.gone, late.value.total) == (1, 2)
    assert statuses(database) == ["pending", "sending"] and len(folder(database, "sent")) == 1


def test_nobody_calls_back_what_is_not_his(database: Database, settings: Settings) -> None:
    (row_id,) = submit(database, "a@remote.test")
    with pytest.raises(NotWaiting):
        database.write(lambda tx: waiting.recall(tx, "bob", row_id, settings, NOW))
    with pytest.raises(NotWaiting):
        database.write(lambda tx: waiting.recall_email(tx, "bob", folder(database, "sent")[0].id, settings, NOW))


def test_what_has_no_copy_cannot_become_a_draft(database: Database, settings: Settings) -> None:
    (row_id,) = submit(database, "a@remote.test", copy=False)
    with pytest.raises(NoCopy):
        database.write(lambda tx: waiting.recall(tx, "ann", row_id, settings, NOW))
    assert statuses(database) == ["pending"]


def test_a_message_gets_another_time_and_its_date_with_it(database: Database) -> None:
    ids = submit(database, "a@remote.test", "b@remote.test")
    moment = LATER + 86400
    assert waiting.put_off(database, "ann", ids[1], moment, NOW) == ids
    assert due(database, moment - 1) == 0 and due(database, moment) == 2
    (copy,) = folder(database, "sent")
    sent = parsing.parse(database.read(lambda tx: mailbox.raw(tx, copy.id)))
    assert sent.date is not None and sent.date.timestamp() == moment and copy.received_ts == moment
    assert sent.attachments[0].data == b"plan"
    rows = database.read(lambda tx: queue_view.for_email(tx, copy.id))
    assert [(row.content_id, row.release_ts) for row in rows] == [(copy.content_id, moment)] * 2
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM contents").get) == 1


def test_a_message_that_is_sent_now_is_due_now(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    waiting.put_off(database, "ann", row_id, 0, NOW)
    assert due(database, NOW) == 1
    assert database.read(lambda tx: waiting.scheduled(tx, "ann", NOW)) == []
    assert folder(database, "sent")[0].received_ts == int(NOW)


def test_the_date_of_a_clients_message_is_its_own(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test", origin="smtp", copy=False)
    before = database.read(lambda tx: waiting._stored(tx, "ann", row_id, NOW)).raw
    waiting.put_off(database, "ann", row_id, LATER + 60, NOW)
    assert database.read(lambda tx: waiting._stored(tx, "ann", row_id, NOW)).raw == before


def test_what_waits_no_more_gets_no_other_time(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    with pytest.raises(NotWaiting):
        waiting.put_off(database, "ann", row_id, LATER + 60, LATER)
    with pytest.raises(NotWaiting):
        waiting.put_off(database, "bob", row_id, LATER + 60, NOW)


def raw_of(db: Database, content_id: int | None) -> bytes:
    assert content_id is not None
    return db.read(lambda tx: contents.read(tx, content_id))


def test_what_arrived_here_keeps_its_date_when_the_rest_gets_another_time(database: Database) -> None:
    first, second = submit(database, "a@remote.test", "bob@example.test")
    before = database.read(lambda tx: queue_view.get(tx, None, second))
    assert before is not None and before.content_id is not None
    content_id = before.content_id
    # As a deliverer leaves it that was told to send one copy before its time.
    incoming = IncomingMessage("ann@example.test", [LocalDelivery("bob", "bob@example.test")])
    database.write(lambda tx: accept.deliver_in(tx, content_id, 1, incoming))
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sent' WHERE id = ?", (second,)))
    raw = raw_of(database, content_id)

    assert waiting.put_off(database, "ann", first, LATER + 60, NOW) == [first]
    (arrived,) = database.read(lambda tx: mailbox.list_page(tx, "bob", "inbox")).rows
    assert database.read(lambda tx: mailbox.raw(tx, arrived.id)).endswith(raw) and arrived.content_id == content_id
    rows = {row.id: row for row in database.read(lambda tx: queue_view.list_page(tx, None)).rows}
    assert rows[second].content_id == content_id and rows[second].release_ts == LATER
    assert parsing.parse(raw_of(database, rows[first].content_id)).date != parsing.parse(raw).date


def test_a_copy_that_is_held_gets_the_other_time_with_the_rest(database: Database) -> None:
    first, second = submit(database, "a@remote.test", "b@remote.test")
    database.write(lambda tx: queue_view.act(tx, "ann", [second], "hold", NOW))
    assert waiting.put_off(database, "ann", first, LATER + 60, NOW) == [first, second]
    database.write(lambda tx: queue_view.act(tx, "ann", [second], "release", NOW))
    assert due(database, LATER + 59) == 0 and due(database, LATER + 60) == 2
    assert len(database.read(lambda tx: waiting.scheduled(tx, "ann", NOW))) == 1


def test_a_copy_that_was_cancelled_stays_cancelled_when_the_rest_gets_another_time(database: Database) -> None:
    first, second = submit(database, "a@remote.test", "b@remote.test")
    database.write(lambda tx: queue_view.act(tx, "ann", [second], "cancel", NOW))
    assert waiting.put_off(database, "ann", first, LATER + 60, NOW) == [first]
    assert due(database, LATER + 60) == 1 and statuses(database) == ["cancelled", "pending"]
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM contents").get) == 1


@pytest.mark.parametrize("let_go", ["release", "retry"])
def test_a_message_released_from_hold_keeps_its_time(database: Database, let_go: str) -> None:
    (row_id,) = submit(database, "a@remote.test")
    for action in ("hold", let_go):
        assert database.write(lambda tx, action=action: queue_view.act(tx, "ann", [row_id], action, NOW)) == [row_id]  # type: ignore[misc]
    assert due(database, LATER - 1) == 0 and due(database, LATER) == 1


def test_what_waits_for_its_time_is_not_tried_before(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    assert database.write(lambda tx: queue_view.act(tx, "ann", [row_id], "retry", NOW)) == []
    assert due(database, LATER - 1) == 0


def test_everybodys_are_counted_together(database: Database) -> None:
    submit(database, "a@remote.test", "b@remote.test")
    submit(database, "c@remote.test", undo=True)
    assert database.read(lambda tx: waiting.count_scheduled(tx, None, NOW)) == 1
    assert database.read(lambda tx: waiting.count_scheduled(tx, "bob", NOW)) == 0


ANN, DOMAIN = Subject("user", "ann"), Subject("domain", "example.test")


@pytest.fixture
def few(settings: Settings) -> Settings:
    """Two messages and five recipients an hour for users, no other limits."""
    none = {f"limit_{scope}_{counted}": 0 for scope in limit_subjects.SCOPES for counted in limit_subjects.PERIODS}
    return replace(settings, **none | {"limit_user_messages_per_hour": 2, "limit_user_recipients_per_hour": 5})  # type: ignore[arg-type]


def admitted(db: Database, settings: Settings, recipients: int, now: float) -> int:
    """Submits a message that counts against its sender's limits; its first queue row."""
    submission = Submission("ann@example.test", "web", owner="ann", submitted_by="user:ann", release_ts=LATER + 3600)
    queued = [QueuedRecipient(f"{n}@remote.test") for n in range(recipients)]
    subjects = db.read(lambda tx: limit_subjects.counted_for(tx, submission.submitted_by, submission.sender))
    assert subjects == [ANN, DOMAIN]

    def admit(tx: Connection) -> None:
        sending_limits.admit(tx, subjects, recipients, settings, now)

    done = accept.submit(db, b"Subject: x\r\n\r\nx\r\n", submission, queued, SentCopy("ann", "them"), admit=admit)
    written = [(times.stored(now), row_id) for row_id in done.outbox_ids]
    db.write(lambda tx: tx.executemany("UPDATE outbox SET created_at = ? WHERE id = ?", written))
    return done.outbox_ids[0]


def test_what_is_called_back_may_be_sent_again(database: Database, few: Settings) -> None:
    for now in (NOW, NOW + 10, NOW + 20.9):
        row_id = admitted(database, few, 5, now)
        with pytest.raises(LimitExceeded):
            admitted(database, few, 1, now)
        database.write(lambda tx, row_id=row_id, now=now: waiting.recall(tx, "ann", row_id, few, now + 9))  # type: ignore[misc]
    assert statuses(database) == ["cancelled"] * 15


def test_what_waited_long_gives_nothing_back(database: Database, few: Settings) -> None:
    row_id = admitted(database, few, 2, NOW)
    later = NOW + 3600
    admitted(database, few, 2, later)
    admitted(database, few, 2, later)
    database.write(lambda tx: waiting.recall(tx, "ann", row_id, few, later))
    with pytest.raises(LimitExceeded):
        admitted(database, few, 1, later)


def test_what_the_panel_sent_gives_nobody_anything_back(database: Database) -> None:
    for by in ("panel", None):
        assert database.read(lambda tx, by=by: limit_subjects.counted_for(tx, by, "ann@example.test")) == []  # type: ignore[misc]
