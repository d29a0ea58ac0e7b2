"""Who is served next: fairness over senders and domains, and what a round of claims costs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.log import Secret
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import ready_rows
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue import store as queue
from onifast_shared.queue.claims import (
    MOST_BARREN,
    MOST_PUT_OFF,
    SMALL,
    ClaimAllowance,
    ClaimCapacity,
    LaneRound,
    LaneTurns,
    Unreachable,
)
from onifast_shared.queue.next_hops import LOCAL, NextHops
from onifast_shared.queue.ready_rows import SHORT
from onifast_shared.queue.store import Claim, DeliveryAttempt, Lease, QueuedRecipient, Submission
from onifast_shared.transport import relay
from onifast_shared.transport.relay import Relay
from onifast_shared.values.reply import Reply

NOW = 1_700_000_000
LEASE = Lease("boot-1", 0, 60_000)
NO_ANSWER = Unreachable(Reply(451, "4.4.1", "dead.test does not answer"), NOW + 3000)


class Queue:
    """A queue, and a deliverer's turns over it."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        self.turns = LaneTurns()

    def submit(self, by: str, *recipients: str, raw: bytes = b"\r\nx\r\n") -> list[int]:
        submission = Submission(sender=f"{by}@sender.test", origin="api", owner=by)
        queued = [QueuedRecipient(recipient) for recipient in recipients]
        return accept.submit(self.db, raw, submission, queued).outbox_ids

    def fill(self, by: str, domain: str, rows: int) -> None:
        """As many messages of one sender to one domain."""
        self.submit(by, f"x@{domain}")
        self.db.write(lambda tx: tx.execute(_CONTENTS, {"rows": rows - 1}))
        self.db.write(lambda tx: tx.execute(_ROWS))

    def round(self, total: int = 1, **wanted: object) -> LaneRound:
        asked = ClaimCapacity(total, turns=self.turns, **wanted)  # type: ignore[arg-type]
        settings = self.settings
        found = self.db.write(lambda tx: queue_claims.claim(tx, NextHops(tx, settings), LEASE, asked, NOW))
        self.turns = found.turns
        return found

    def claim(self, total: int = 1, **wanted: object) -> list[Claim]:
        return self.round(total, **wanted).claims

    def ask(self, sql: str) -> list[object]:
        return [row[0] for row in self.db.read(lambda tx: tx.execute(sql).fetchall())]


_CONTENTS = """
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :rows)
    INSERT INTO contents (size, data, created_ts) SELECT 4, x'0d0a780a', 0 FROM counted WHERE :rows > 0
"""
_ROWS = """
    INSERT INTO outbox (sender, recipient, subject, body, status, attempts, last_error, created_at, content_id, owner,
                        origin, queued_ts, next_attempt_ts, domain, lane, ready)
    SELECT o.sender, o.recipient, '', '', 'pending', 0, '', o.created_at, c.id, o.owner, o.origin, o.queued_ts, 0,
           o.domain, o.lane, 1
    FROM contents c, (SELECT * FROM outbox ORDER BY id DESC LIMIT 1) o
    WHERE c.id > o.content_id
"""


@pytest.fixture
def waiting(database: Database, settings: Settings) -> Queue:
    return Queue(database, settings)


def who(claims: list[Claim]) -> list[str | None]:
    return [one.submission.owner for one in claims]


def where(claims: list[Claim]) -> list[str]:
    return [one.destination for one in claims]


def gate(**openings: ClaimAllowance) -> Callable[[str], ClaimAllowance]:
    named = {name.replace("_", "."): opening for name, opening in openings.items()}
    return lambda destination: named.get(destination, ClaimAllowance())


def test_a_single_message_goes_next_beside_50_000_of_another_sender(waiting: Queue) -> None:
    waiting.fill("loud", "remote.test", 50_000)
    assert who(waiting.claim(3)) == ["loud"] * 3
    waiting.submit("quiet", "ann@remote.test")
    assert "quiet" in who(waiting.claim(2))


def test_senders_take_turns(waiting: Queue) -> None:
    for sender in ("a", "b", "c"):
        waiting.fill(sender, "remote.test", 10)
    assert who([waiting.claim()[0] for _ in range(6)]) == ["a", "b", "c", "a", "b", "c"]


def test_domains_of_one_sender_take_turns(waiting: Queue) -> None:
    for domain in ("a.test", "b.test", "c.test"):
        waiting.fill("ann", domain, 5)
    assert where(waiting.claim(6)) == ["a.test", "b.test", "c.test"] * 2


def test_the_oldest_message_of_a_sender_and_domain_goes_first(waiting: Queue) -> None:
    first, second = (waiting.submit("ann", "x@remote.test")[0] for _ in range(2))
    assert [one.rows[0].id for one in waiting.claim(2)] == [first, second]


def test_a_destination_without_room_holds_nobody_up(waiting: Queue) -> None:
    waiting.fill("ann", "busy.test", 20)
    waiting.fill("ann", "free.test", 3)
    waiting.fill("bob", "busy.test", 20)
    found = waiting.round(10, gate=gate(busy_test=ClaimAllowance(2)))
    assert sorted(where(found.claims)) == ["busy.test"] * 2 + ["free.test"] * 3
    assert sorted(map(str, who(found.claims)))[-1] == "bob"
    assert not found.more


def test_a_thousand_domains_without_room_are_passed_over_bit_by_bit(waiting: Queue) -> None:
    """A round over all of them would keep other writers waiting, at each end of a delivery anew."""
    waiting.submit("loud", *(f"x@busy{number}.test" for number in range(1000)))
    waiting.submit("quiet", "x@free.test")
    asked: list[str] = []

    def opening(name: str) -> ClaimAllowance:
        asked.append(name)
        return ClaimAllowance(free=int(name == "free.test"))

    rounds = [waiting.round(10, gate=opening) for _ in range(2)]
    assert who([one for each in rounds for one in each.claims]) == ["quiet"]
    assert rounds[0].more and len(asked) <= 2 * MOST_BARREN


def test_unproven_destinations_do_not_get_every_place(waiting: Queue) -> None:
    for number in range(8):
        waiting.submit("ann", f"x@new{number}.test")
    waiting.fill("ann", "known.test", 4)
    opening = lambda name: ClaimAllowance(is_proven=name == "known.test")  # noqa: E731
    assert where(waiting.claim(10, unproven=3, gate=opening)).count("known.test") == 4
    assert len(waiting.claim(10, unproven=3, gate=opening)) == 3


def test_recipients_of_one_message_in_one_domain_go_together_and_other_domains_apart(waiting: Queue) -> None:
    waiting.submit("ann", "a@one.test", "b@two.test", "c@one.test")
    claims = waiting.claim(5)
    assert [[row.recipient for row in one.rows] for one in claims] == [["a@one.test", "c@one.test"], ["b@two.test"]]


def test_a_relay_takes_recipients_of_many_domains_a_hundred_at_a_time(waiting: Queue) -> None:
    server = Relay("Relay.Test", 587, "", Secret(""), "none")
    waiting.db.write(lambda tx: relay.put(tx, server))
    waiting.submit(
        "ann", *(f"x@d{number}.test" for number in range(60)), *(f"{number}@d1.test" for number in range(60))
    )
    claims = waiting.claim(5)
    assert [len(one.rows) for one in claims] == [100, 20]
    assert set(where(claims)) == {"relay.test:587"}


def test_recipients_here_are_one_claim_that_needs_no_opening(waiting: Queue, settings: Settings) -> None:
    waiting.db.write(
        lambda tx: tx.execute("INSERT INTO domains (domain, owner) VALUES ('a.test', 'x'), ('b.test', 'x')")
    )
    waiting.submit("ann", "x@a.test", "x@b.test", "x@remote.test")
    waiting.submit("bob", "no address")
    claims = waiting.claim(5, unproven=0, gate=lambda _: ClaimAllowance(0, is_proven=False))
    assert where(claims) == [LOCAL, LOCAL]
    assert [[row.recipient for row in one.rows] for one in claims] == [["x@a.test", "x@b.test"], ["no address"]]


def test_the_small_messages_bytes_come_with_the_claim(waiting: Queue) -> None:
    waiting.submit("ann", "a@one.test", "b@two.test", raw=b"\r\nhello\r\n")
    waiting.submit("bob", "a@one.test", raw=b"x" * (SMALL + 1))
    contents = {one.submission.owner: one.content for one in waiting.claim(5)}
    assert contents == {"ann": b"\r\nhello\r\n", "bob": None}


def test_large_messages_wait_for_memory_and_small_ones_pass_them(waiting: Queue) -> None:
    for number in range(3):
        waiting.submit("ann", f"x@big{number}.test", f"y@big{number + 5}.test", raw=b"x" * (SMALL + 1))
    waiting.submit("ann", "x@small.test")
    claims = waiting.claim(10, octets=2 * SMALL)
    # The second recipient of the same message takes no more memory.
    assert sorted(where(claims)) == ["big0.test", "big5.test", "small.test"]
    assert waiting.claim(10, octets=0, held=[claims[0].content_id]) == []


def test_mail_for_a_dead_destination_is_put_off_without_a_claim(waiting: Queue) -> None:
    waiting.fill("ann", "dead.test", 20)
    waiting.fill("bob", "dead.test", 20)
    waiting.submit("bob", "x@live.test")
    found = waiting.round(10, gate=gate(dead_test=ClaimAllowance(0, unreachable=NO_ANSWER)))
    assert where(found.claims) == ["live.test"]
    assert found.put_off == {"dead.test": 40}
    assert waiting.ask("SELECT DISTINCT last_error FROM outbox WHERE domain = 'dead.test'") == [str(NO_ANSWER.reply)]
    assert waiting.ask("SELECT count(*) FROM outbox WHERE attempts") == [0]
    assert waiting.claim(10) == []


def test_much_mail_for_a_dead_destination_is_put_off_in_steps(waiting: Queue) -> None:
    waiting.fill("ann", "dead.test", MOST_PUT_OFF + 10)
    rounds = [waiting.round(10, gate=gate(dead_test=ClaimAllowance(0, unreachable=NO_ANSWER))) for _ in range(2)]
    assert [(found.put_off["dead.test"], found.more) for found in rounds] == [(MOST_PUT_OFF, True), (10, False)]


def test_what_is_put_off_comes_back_spread_and_never_after_its_lifetime(waiting: Queue) -> None:
    waiting.fill("ann", "dead.test", 50)
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET queued_ts = ?, sender = sender", (NOW,)))
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET queued_ts = ? WHERE id = 1", (NOW - 10_000,)))
    waiting.round(10, gate=gate(dead_test=ClaimAllowance(0, unreachable=NO_ANSWER)), lifetime=10_100)
    due = [int(str(each)) for each in waiting.ask("SELECT next_attempt_ts FROM outbox ORDER BY id")]
    assert due[0] == NOW + 100
    assert len(set(due[1:])) == 49
    assert all(NO_ANSWER.until_ts <= each < NO_ANSWER.until_ts + 600 for each in due[1:])


def test_what_waited_for_a_dead_destination_in_vain_is_claimed_with_the_answer(waiting: Queue) -> None:
    waiting.submit("ann", "x@dead.test")
    closed = gate(dead_test=ClaimAllowance(0, unreachable=NO_ANSWER))
    assert waiting.claim(10, gate=closed) == []
    waiting.db.write(lambda tx: queue_due.promote(tx, NOW + 5000))
    assert [one.unreachable for one in waiting.claim(10, gate=closed)] == [NO_ANSWER.reply]


def test_mail_is_woken_when_its_destination_answers(waiting: Queue) -> None:
    waiting.fill("ann", "dead.test", 30)
    waiting.submit("ann", "x@other.test")
    waiting.round(40, gate=gate(dead_test=ClaimAllowance(0, unreachable=NO_ANSWER), other_test=ClaimAllowance(0)))
    assert waiting.db.write(lambda tx: queue_due.wake(tx, "dead.test", NOW, 1)) == 1
    assert len(waiting.claim(40, gate=gate(other_test=ClaimAllowance(0)))) == 1
    assert waiting.db.write(lambda tx: queue_due.wake(tx, "dead.test", NOW)) == 29
    claims = waiting.claim(40, gate=gate(other_test=ClaimAllowance(0)))
    assert [one.unreachable for one in claims] == [None] * 29


def test_rows_that_are_held_or_postponed_are_not_claimed(waiting: Queue) -> None:
    held, postponed, due = (waiting.submit("ann", "x@remote.test")[0] for _ in range(3))
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET status = 'held' WHERE id = ?", (held,)))
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET next_attempt_ts = ? WHERE id = ?", (NOW + 9, postponed)))
    assert [one.rows[0].id for one in waiting.claim(5)] == [due]
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET status = 'pending' WHERE id = ?", (held,)))
    waiting.db.write(lambda tx: queue_due.promote(tx, NOW + 9))
    assert [one.rows[0].id for one in waiting.claim(5)] == [held, postponed]


def test_a_readdressed_row_goes_where_it_says_now(waiting: Queue) -> None:
    (row_id,) = waiting.submit("ann", "x@old.test")
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET recipient = 'x@new.test' WHERE id = ?", (row_id,)))
    assert waiting.claim() == []
    assert waiting.db.write(queue_due.place) == 1
    waiting.db.write(lambda tx: queue_due.promote(tx, NOW))
    assert where(waiting.claim()) == ["new.test"]


@pytest.mark.parametrize(
    ("recipient", "domain"),
    [
        ("x@Remote.Test", "remote.test"),
        ('"a@b"@remote.test', "remote.test"),
        ("x@bücher.test", "xn--bcher-kva.test"),
        ("x@[192.0.2.1]", "[192.0.2.1]"),
        ("nobody", ""),
        ("ä", ""),
    ],
)
def test_a_recipients_domain_is_found(recipient: str, domain: str) -> None:
    assert queue.domain_of(recipient) == domain


def test_a_lane_is_the_login_then_the_owner_then_the_senders_domain() -> None:
    assert queue.lane_of("a@x.test", "ann", "user:ann") == "user:ann"
    assert queue.lane_of("a@x.test", "ann", None) == "ann"
    assert queue.lane_of("a@x.test", None, None) == "x.test"
    assert queue.lane_of("", None, None) == ""


def test_lanes_that_run_out_drop_out_of_the_turns_of_a_round(waiting: Queue) -> None:
    for by, messages in (("ann", 1), ("bob", 3), ("eve", 2)):
        for number in range(messages):
            waiting.submit(by, f"x@d{number}.test")
    lanes = [claim.submission.owner for claim in waiting.claim(10)]
    assert lanes == ["ann", "bob", "eve", "bob", "eve", "bob"]
    assert waiting.claim(10) == []


@pytest.mark.parametrize(("size", "is_read"), [(100, True), (SHORT + 1, True), (SMALL, True), (SMALL + 1, False)])
def test_small_messages_come_with_their_claim(waiting: Queue, size: int, is_read: bool) -> None:
    raw = b"\r\n" + b"x" * (size - 2)
    waiting.submit("ann", "x@remote.test", "y@remote.test", raw=raw)
    (claim,) = waiting.claim()
    assert (claim.size, len(claim.rows)) == (size, 2)
    assert claim.content == (raw if is_read else None)


# What it costs


def statements() -> list[str]:
    modules = (queue_claims, queue_due, ready_rows)
    named = [value for module in modules for name, value in vars(module).items() if name.startswith("_")]
    return [text for text in named if isinstance(text, str) and re.match(r"\s*(SELECT|UPDATE)", text)]


def test_no_statement_of_claiming_scans(database: Database) -> None:
    def plans(tx: Connection) -> list[str]:
        return [
            str(row[3])
            for sql in statements()
            for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?")).fetchall()
        ]

    found = database.read(plans)
    assert len(statements()) > 10
    assert [line for line in found if line.startswith("SCAN") and line != "SCAN CONSTANT ROW"] == []
    assert [line for line in found if "TEMP B-TREE" in line] == []


def test_looking_for_what_crashes_and_other_programs_left_reads_only_that(database: Database) -> None:
    def plan(tx: Connection, sql: str) -> str:
        return str(tx.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?")).fetchall()[0][3])

    assert "outbox_unknown" in database.read(lambda tx: plan(tx, queue_scripts._HOLD_UNKNOWN))
    release = f"{queue._BACK} AND lease_until < 0"
    assert "outbox_leased" in database.read(lambda tx: plan(tx, release))


def steps(tx: Connection, work: Callable[[], object]) -> int:
    """Steps of SQLite's virtual machine, to the nearest ten."""
    count = 0

    def note() -> bool:
        nonlocal count
        count += 10
        return False

    tx.set_progress_handler(note, 10)
    try:
        work()
    finally:
        tx.set_progress_handler(None)
    return count


def cost(waiting: Queue) -> int:
    """What it takes to look, promote, claim and settle once."""

    def work(tx: Connection) -> None:
        queue_due.glance(tx)
        queue_due.promote(tx, NOW)
        found = queue_claims.claim(
            tx, NextHops(tx, waiting.settings), LEASE, ClaimCapacity(1, turns=waiting.turns), NOW
        )
        waiting.turns = found.turns
        (one,) = found.claims
        queue.settle(tx, one.token, one.rows[0].id, "sent", attempt=DeliveryAttempt(NOW, 1, "delivered"))

    def measure(tx: Connection) -> int:
        return steps(tx, lambda: work(tx))

    return max(waiting.db.write(measure) for _ in range(3))


def test_a_claim_and_its_result_cost_the_same_however_many_rows_wait(waiting: Queue) -> None:
    waiting.fill("ann", "remote.test", 10)
    before = cost(waiting)
    waiting.fill("ann", "remote.test", 30_000)  # ready
    waiting.fill("bob", "remote.test", 10_000)
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET ready = 0, next_attempt_ts = 2e9 WHERE owner = 'bob'"))
    waiting.fill("eve", "remote.test", 10_000)
    waiting.db.write(lambda tx: tx.execute("UPDATE outbox SET ready = 0, status = 'sent' WHERE owner = 'eve'"))
    assert cost(waiting) <= before * 1.2
