"""Claims of those who live are theirs, however late they were renewed."""

from __future__ import annotations

from onifast_outbox.claiming.leases import Leases
from onifast_shared.accepting import accept
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import store as queue
from onifast_shared.queue.claims import ClaimCapacity
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.store import Claim, Lease, QueuedRecipient, Submission


def claimed(db: Database, settings: Settings, lease: Lease) -> Claim:
    submission = Submission(sender="ann@here.test", origin="api", owner="ann")
    accept.submit(db, b"\r\nx\r\n", submission, [QueuedRecipient("bob@remote.test")])
    found = db.write(lambda tx: queue_claims.claim(tx, NextHops(tx, settings), lease, ClaimCapacity(1), 2e9))
    return found.claims[0]


def run_out(leases: Leases) -> Lease:
    """A lease that ended just after this machine started."""
    return Lease(leases.new().boot_id, 0, 1)


def test_after_a_long_stall_what_is_put_back_is_not_ours(database: Database, settings: Settings) -> None:
    ours, others = Leases(database, 20.0), Leases(database, 20.0)
    mine, dead = (claimed(database, settings, run_out(ours)) for _ in range(2))
    ours.keep(mine.token)
    assert database.write(ours.release_dead) == 1
    assert database.write(others.release_dead) == 0
    held = database.read(lambda tx: [bool(queue.holds(tx, one.token, [one.rows[0].id])) for one in (mine, dead)])
    assert held == [True, False]


def test_a_claim_that_is_let_go_is_put_back_like_any_other(database: Database, settings: Settings) -> None:
    leases = Leases(database, 20.0)
    one = claimed(database, settings, run_out(leases))
    leases.keep(one.token)
    leases.drop(one.token)
    assert database.write(leases.release_dead) == 1
