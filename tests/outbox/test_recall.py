"""Calling back while the deliverer claims: a message is taken back whole, or not at all."""

from __future__ import annotations

import asyncio
import time

from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.db.database import Connection
from onifast_shared.queue import waiting
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.queue.waiting import TooLate

from fakes.smtp_server import ScriptedSmtpServer

from .helpers import MESSAGE, Outbox

MESSAGES = 40
AT_ONCE = 8


async def submit(outbox: Outbox) -> int:
    """A message to a mailbox here and to another site, which are claimed apart; the first row's id."""
    submission = Submission("alice@here.test", "web", owner="alice", release_ts=int(time.time()), undo=True)
    to = [QueuedRecipient("carol@here.test"), QueuedRecipient("bob@remote.test")]
    accepted = await accept.asubmit(outbox.db, MESSAGE, submission, to, SentCopy("alice", "carol, bob"))
    return accepted.outbox_ids[0]


async def recall(outbox: Outbox, row_id: int) -> bool:
    """Whether the message came back."""

    def write(tx: Connection) -> None:
        waiting.recall(tx, "alice", row_id, outbox.settings, time.time())

    try:
        await outbox.db.awrite(write)
    except TooLate:
        return False
    return True


async def test_of_recall_and_claim_one_wins_for_the_whole_message(outbox: Outbox) -> None:
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port) as peer:
        ids = [await submit(outbox) for _ in range(MESSAGES)]
        delivering = asyncio.ensure_future(outbox.deliver_all())
        came_back: dict[int, bool] = {}
        # From the last one on and a few at once, so that deliverer and sender meet somewhere.
        for start in range(MESSAGES, 0, -AT_ONCE):
            some = ids[start - AT_ONCE : start]
            came_back |= zip(some, await asyncio.gather(*(recall(outbox, row_id) for row_id in some)), strict=True)
        await delivering
        await outbox.deliver_all()
        delivered = len(peer.messages)
    for row_id, is_back in came_back.items():
        states = outbox.sql(f"SELECT DISTINCT status FROM outbox WHERE id IN ({row_id}, {row_id + 1})")
        assert states == ["cancelled" if is_back else "sent"], row_id
    gone = list(came_back.values()).count(False)
    assert delivered == gone == len(outbox.mail_of("carol"))
    assert outbox.sql("SELECT count(*) FROM emails WHERE owner = 'alice' AND folder = 'drafts'") == [
        str(MESSAGES - gone)
    ]
