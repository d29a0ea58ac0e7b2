"""Dialogues of real sessions while somebody watches: what was said is written down, but for passwords."""

from __future__ import annotations

import time

from onifast_shared.tracing import store
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.store import Watched
from onifast_smtpd.clients.client import Service

from .conftest import PASSWORDS
from .helpers import HERE, World


async def test_a_watched_submission_shows_its_dialogue_without_the_password(world: World) -> None:
    now = time.time()
    flag = TraceFlag(world.database.path)
    flag.raise_until(now + 600)
    world.database.write(lambda tx: store.watch(tx, Watched(client=HERE), "test", now, now + 600))
    async with await world.client(HERE, Service.SUBMISSION) as client:
        assert (await client.log_in("alice", PASSWORDS["alice"])).startswith("235 2.7.0")
        await client.deliver("alice@here.test", "you@remote.test", message=b"Subject: s\r\n\r\nx\r\n")
    await world.stop()
    (session,) = world.database.read(lambda tx: store.sessions(tx, Watched(address="you@"), time.time()))
    said = world.database.read(lambda tx: store.lines(tx, session.id))
    text = "\n".join(f"{line.who}: {line.text}" for line in said)
    assert "server: 220 mail.host.test ESMTP" in text
    assert "client: AUTH PLAIN ***" in text
    assert "client: RCPT TO:<you@remote.test>" in text
    assert "server: 250 2.0.0 message accepted" in text
    assert "note: over: " in text
    assert PASSWORDS["alice"] not in text
    flag.close()
