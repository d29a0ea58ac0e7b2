"""Hold rules: which mail waits for a person, and that what they released goes."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlite_shell
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import hold_rules
from onifast_shared.queue import store as queue
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.claims import ClaimCapacity
from onifast_shared.queue.hold_rules import HoldRule, Pattern, RuleError
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.store import Lease, QueuedRecipient, Submission

LEASE = Lease("boot", 0, 60_000)


class Queue:
    """A queue, claimed from by one deliverer."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.db = database
        self.settings = settings

    def add(
        self, *recipients: str, sender: str = "ann@here.test", owner: str | None = "ann", messages: int = 1
    ) -> list[int]:
        """Messages for all of these recipients."""
        ref = contents.store(self.db, b"Subject: x\r\n\r\nx\r\n")
        queued, what, now = (
            [QueuedRecipient(each) for each in recipients],
            Submission(sender, "smtp", owner),
            time.time(),
        )

        def enqueue(tx: Any) -> list[int]:
            made = (queue.enqueue(tx, contents.attach(tx, ref), what, queued, now) for _ in range(messages))
            return [row_id for ids in made for row_id in ids]

        return self.db.write(enqueue)

    def rule(self, *parties: str, note: str = "") -> HoldRule:
        """A new rule: sender, recipient, user."""
        made = self.db.write(lambda tx: hold_rules.add(tx, Pattern.parse(*parties), note, "root", time.time()))
        assert made is not None
        return made

    def act(self, action: str, ids: list[int], owner: str | None = None) -> list[int]:
        """What an owner does, or an administrator."""
        return self.db.write(lambda tx: queue_view.act(tx, owner, ids, action, time.time()))

    def claim(self) -> list[str]:
        """The recipients of all that is claimed now, until nothing more is."""

        def once(tx: Any) -> queue_claims.LaneRound:
            queue_due.promote(tx, time.time())
            return queue_claims.claim(tx, NextHops(tx, self.settings), LEASE, ClaimCapacity(1000), time.time())

        found: list[str] = []
        while (given := self.db.write(once)).claims or given.more:
            found += [row.recipient for each in given.claims for row in each.rows]
        return sorted(found)

    def sql(self, text: str) -> list[str]:
        """What a script sees."""
        return sqlite_shell.run(self.db.path, text)


@pytest.fixture
def waiting(database: Database, settings: Settings) -> Queue:
    """An empty queue."""
    return Queue(database, settings)


@pytest.mark.parametrize(
    ("parties", "held"),
    [
        (("ann@here.test",), True),
        (("ANN@here.test",), True),
        (("here.test",), True),
        (("@here.test",), True),
        (('"ann"@here.test',), True),
        (("*@here.test",), True),
        (("bob@here.test",), False),
        (("sub.here.test",), False),
        (("", "eve@there.test"), True),
        (("", "there.test"), True),
        (("", "here.test"), False),
        (("", "", "ann"), True),
        (("", "", "bob"), False),
        (("here.test", "there.test", "ann"), True),
        (("here.test", "there.test", "bob"), False),
        (("here.test", "elsewhere.test"), False),
    ],
)
def test_a_rule_holds_what_fits_all_of_it(waiting: Queue, parties: tuple[str, ...], held: bool) -> None:
    waiting.rule(*parties)
    waiting.add("eve@there.test")
    assert waiting.claim() == ([] if held else ["eve@there.test"])
    assert waiting.sql("SELECT status FROM outbox") == ["held" if held else "sending"]


def test_a_held_row_says_which_rule_holds_it_and_not_its_note(waiting: Queue) -> None:
    rule = waiting.rule("here.test", note="stolen  password")
    waiting.add("eve@there.test")
    waiting.claim()
    assert waiting.sql("SELECT last_error FROM outbox") == [f"held by rule {rule.id} (mail from @here.test)"]
    assert rule.note == "stolen password"
    assert waiting.db.read(hold_rules.list_all) == [rule]
    assert waiting.db.read(hold_rules.count_held) == {rule.id: 1}


def test_a_rule_for_one_recipient_lets_the_messages_others_go(waiting: Queue) -> None:
    waiting.rule("", "eve@there.test")
    waiting.add("adam@there.test", "eve@there.test", "zoe@there.test", "eve@else.test")
    assert waiting.claim() == ["adam@there.test", "eve@else.test", "zoe@there.test"]


def test_a_rule_counts_for_what_waits_already(waiting: Queue) -> None:
    waiting.add("eve@there.test")
    waiting.sql("UPDATE outbox SET status = 'deferred', attempts = 1")
    waiting.rule("here.test")
    assert waiting.claim() == []


def test_what_was_released_is_not_held_again(waiting: Queue) -> None:
    waiting.rule("here.test")
    waiting.rule("", "there.test")
    ids = waiting.add("eve@there.test")
    waiting.claim()
    assert waiting.act("release", ids) == ids
    assert waiting.claim() == ["eve@there.test"]


def test_what_a_rule_holds_is_let_go_by_administrators_alone(waiting: Queue) -> None:
    waiting.rule("here.test")
    ids = waiting.add("eve@there.test")
    waiting.claim()
    for action in ("release", "retry"):
        assert waiting.act(action, ids, owner="ann") == []
    assert waiting.act("cancel", ids, owner="ann") == ids


def test_what_its_owner_held_and_released_is_no_way_around_a_rule(waiting: Queue) -> None:
    waiting.rule("here.test")
    ids = waiting.add("eve@there.test")
    assert waiting.act("hold", ids, owner="ann") == waiting.act("release", ids, owner="ann") == ids
    assert waiting.claim() == []
    assert waiting.act("release", ids) == ids
    assert waiting.act("hold", ids, owner="ann") == waiting.act("release", ids, owner="ann") == ids
    assert waiting.claim() == ["eve@there.test"]


def test_a_panel_releases_by_sql(waiting: Queue) -> None:
    waiting.rule("here.test")
    waiting.add("eve@there.test")
    waiting.claim()
    waiting.sql("UPDATE outbox SET status = 'pending'")
    assert waiting.claim() == ["eve@there.test"]


def test_many_held_messages_keep_nobody_else_waiting(waiting: Queue) -> None:
    waiting.rule("ann@here.test")
    waiting.add("eve@there.test", messages=700)
    waiting.add("eve@there.test", sender="bob@here.test", owner="bob")
    assert waiting.claim() == ["eve@there.test"]
    assert waiting.sql("SELECT count(*) FROM outbox WHERE status = 'held'") == ["700"]


def test_ending_a_rule_lets_new_mail_go_and_keeps_the_rest(waiting: Queue) -> None:
    rule = waiting.rule("here.test")
    ids = waiting.add("eve@there.test")
    waiting.claim()
    assert waiting.db.write(lambda tx: hold_rules.remove(tx, rule.id))
    assert not waiting.db.write(lambda tx: hold_rules.remove(tx, rule.id))
    waiting.add("adam@there.test")
    assert waiting.claim() == ["adam@there.test"]
    assert waiting.sql("SELECT id FROM outbox WHERE status = 'held'") == list(map(str, ids))


def test_what_a_rule_held_is_released_together_in_steps(waiting: Queue) -> None:
    rule = waiting.rule("here.test")
    waiting.rule("", "else.test")
    waiting.add("eve@there.test", messages=3)
    waiting.add("eve@else.test", sender="bob@second.test")
    waiting.claim()
    steps = [waiting.db.write(lambda tx: hold_rules.release(tx, rule.id, time.time(), 2)) for _ in range(3)]
    assert steps == [2, 1, 0]
    assert waiting.claim() == ["eve@there.test"] * 3


def test_there_is_one_rule_of_a_kind(waiting: Queue) -> None:
    waiting.rule("here.test")
    again = waiting.db.write(lambda tx: hold_rules.add(tx, Pattern.parse("@HERE.test"), "", "root", 1.0))
    assert again is None


@pytest.mark.parametrize("parties", [(), ("", " ", ""), ("no domain",), ("a@b@c",), ("", "x@"), ("*",)])
def test_a_rule_needs_an_address_a_domain_or_a_user(parties: tuple[str, ...]) -> None:
    with pytest.raises(RuleError):
        Pattern.parse(*parties)


@given(text=st.text(max_size=40))
def test_whatever_is_written_becomes_a_pattern_or_an_error(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except RuleError:
        return
    assert "@" in pattern.sender
    assert Pattern.parse(pattern.sender) == pattern
