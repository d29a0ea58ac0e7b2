"""A mailing of 1,000 messages to 50 domains: what is dead, slow or refuses holds up nobody in it, and nobody beside it.

The program's own process does it, against scripted servers: 35 domains live, 5 are dead, 5 slow, and 5 refuse.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import sqlite_shell
from onifast_outbox.destinations.states import START
from onifast_shared.accepting import accept
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from fakes.dns import DnsServer
from fakes.smtp_script import STALL
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import MESSAGE
from .programs import Program

pytestmark = pytest.mark.slow

KINDS = {"live": 35, "dead": 5, "slow": 5, "refusing": 5}
ADDRESSES = {"live": "127.0.0.25", "dead": "127.0.0.41", "slow": "127.0.0.42", "refusing": "127.0.0.43"}
EACH = 20
PATIENCE = 120.0
SLOW_SECONDS = 1.0


def submit(db: Database, by: str, recipient: str) -> None:
    submission = Submission(sender=f"{by}@here.test", origin="web", owner=by, submitted_by=f"user:{by}")
    accept.submit(db, MESSAGE, submission, [QueuedRecipient(recipient)])


@contextmanager
def releasing(server: ScriptedSmtpServer) -> Iterator[None]:
    """The server goes on with what it has stalled, once in a while."""
    done = threading.Event()

    def release() -> None:
        while not done.wait(SLOW_SECONDS):
            server.release()

    thread = threading.Thread(target=release)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def sent(settings: Settings, like: str) -> int:
    sql = f"SELECT count(*) FROM outbox WHERE status = 'sent' AND recipient LIKE '{like}'"
    return int(sqlite_shell.run(settings.database, sql)[0])


def seconds_until(settings: Settings, like: str, count: int) -> float:
    """How long it took until so many rows were sent."""
    began = time.monotonic()
    while sent(settings, like) < count:
        assert time.monotonic() - began < PATIENCE, f"{sent(settings, like)} of {count} {like}"
        time.sleep(0.1)
    return time.monotonic() - began


def test_all_that_live_get_theirs_whatever_the_others_do(
    run: Callable[..., Program], settings: Settings, database: Database, dns: DnsServer, port: int
) -> None:
    database.write(lambda tx: addresses.add(tx, Address.parse("shop@here.test"), "shop"))
    for kind, address in ADDRESSES.items():
        dns.set(f"mx.{kind}.test", "A", address)
        for number in range(KINDS[kind]):
            dns.set(f"{kind}{number}.test", "MX", f"10 mx.{kind}.test")
    for number in range(EACH):
        for kind, count in KINDS.items():
            for domain in range(count):
                submit(database, "shop", f"x{number}@{kind}{domain}.test")
    with ExitStack() as stack:
        live = stack.enter_context(ScriptedSmtpServer(host=ADDRESSES["live"], port=port))
        slow = stack.enter_context(ScriptedSmtpServer({"DATA": STALL}, host=ADDRESSES["slow"], port=port))
        refusal = {"RCPT": "550 5.7.1 not from you"}
        stack.enter_context(ScriptedSmtpServer(refusal, host=ADDRESSES["refusing"], port=port))
        stack.enter_context(releasing(slow))
        program = run(lease_seconds="20s")
        program.wait_for(" started ")
        submit(database, "ann", "single@live0.test")
        single = seconds_until(settings, "single@%", 1)
        all_live = single + seconds_until(settings, "x%@live%", KINDS["live"] * EACH)
        all_slow = all_live + seconds_until(settings, "x%@slow%", KINDS["slow"] * EACH)
        print(f"seconds: single {single:.1f}, live {all_live:.1f}, slow {all_slow:.1f}")
        assert program.stop() == 0
        received = Counter(message.rcpt_to[0] for message in (*live.messages, *slow.messages))
    assert set(received.values()) == {1}
    assert len(received) == (KINDS["live"] + KINDS["slow"]) * EACH + 1
    states = "SELECT DISTINCT status FROM outbox WHERE recipient LIKE"
    assert sqlite_shell.run(settings.database, f"{states} '%@refusing%'") == ["failed"]
    tried = "SELECT count(*) FROM outbox WHERE attempts > 0 AND recipient LIKE '%@dead%'"
    assert int(sqlite_shell.run(settings.database, tried)[0]) <= KINDS["dead"] * (START + 2)
