"""Asks the filer for copies of received messages, and records in the database what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import PurePath
from typing import NamedTuple

from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import indexing, mailbox
from onifast_shared.mailboxes.indexing import UnfiledMessage

from onifast_outbox import maillog
from onifast_outbox.filing.filer import ANSWER, CHECK, COLLECT, DONE, NEVER, REQUEST, WRITE

# Names in one question; each has some 30 bytes, and the answer holds a kilobyte.
CHECK_LIMIT = 20

# How long a copy that was written waits for others, to be recorded with them.
RECORD_SECONDS = 0.25


class FilerGone(Exception):
    """The filer process has ended; only a restart of the program brings it back, with the rights it needs."""


class Filer:
    """Our end of the channel to the filer process."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def write(self, owner: str, name: str, content: bytes) -> tuple[int, str]:
        """(DONE, path), or LATER or NEVER with the reason. Raises FilerGone."""
        return await self._ask(WRITE, owner, name, content)

    async def missing(self, owner: str, names: Sequence[str]) -> list[str]:
        """Those of at most CHECK_LIMIT names that are no files in the owner's mail directory. Raises FilerGone."""
        kind, text = await self._ask(CHECK, owner, "", "\n".join(names).encode())
        return text.split("\n") if kind == DONE and text else []

    async def collect(self, owner: str, server: str) -> tuple[int, str]:
        """(DONE, how many messages that waited in the owner's home were handed in), or why not. Raises FilerGone."""
        return await self._ask(COLLECT, owner, "", server.encode())

    async def _ask(self, kind: int, owner: str, name: str, content: bytes) -> tuple[int, str]:
        encoded_owner, encoded_name = owner.encode(), name.encode()
        header = REQUEST.pack(kind, len(encoded_owner), len(encoded_name), len(content))
        async with self._lock:
            try:
                reader, writer = await self._connected()
                writer.writelines([header, encoded_owner, encoded_name, content])
                await writer.drain()
                result, length = ANSWER.unpack(await reader.readexactly(ANSWER.size))
                return result, (await reader.readexactly(length)).decode("utf-8", "replace")
            except (OSError, asyncio.IncompleteReadError) as error:
                raise FilerGone("the filer process has ended") from error

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._channel)
        return self._streams

    async def close(self) -> None:
        """Ends the filer: it stops when its channel closes."""
        if self._streams is None:
            self._channel.close()
            return
        self._streams[1].close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._streams[1].wait_closed()


class Copy(NamedTuple):
    """A message's copy as the filer has written it, or the reason why not; `at` is on the monotonic clock."""

    item: UnfiledMessage
    kind: int
    text: str
    at: float


class Filing:
    """Files what is waiting, oldest first."""

    def __init__(self, db: Database, filer: Filer) -> None:
        self._db = db
        self._filer = filer

    async def run_once(self, now: float) -> int:
        """Files the copies that are due; how many were tried. Raises FilerGone, DatabaseError."""
        if not await self._db.apeek(lambda tx: indexing.has_unfiled(tx, now)):
            return 0
        items = await self._db.aread(lambda tx: indexing.unfiled(tx, now))
        copies: list[Copy] = []
        try:
            for item in items:
                if copies and time.monotonic() > copies[0].at + RECORD_SECONDS:
                    done, copies = copies, []
                    await self._record(done, now)
                copies += await self._file(item)
        finally:
            await self._record(copies, now)
        return len(items)

    async def look_for_missing(self) -> None:
        """Has copies that are not there any more written anew. Raises FilerGone, DatabaseError."""
        after = 0
        while copies := await self._db.aread(lambda tx, after=after: indexing.filed(tx, after)):  # type: ignore[misc]
            after = copies[-1].id
            for owner, group in groupby(sorted(copies, key=attrgetter("home")), key=attrgetter("home")):
                names = ((each.id, PurePath(each.path).name, indexing.copy_folder(each.address)) for each in group)
                await self._look_for(owner, {f"{folder}{name}": email_id for email_id, name, folder in names if name})

    async def _look_for(self, owner: str, ids: dict[str, int]) -> None:
        names = list(ids)
        for start in range(0, len(names), CHECK_LIMIT):
            gone = await self._filer.missing(owner, names[start : start + CHECK_LIMIT])
            for email_id in (ids[name] for name in gone if name in ids):
                await self._db.awrite(lambda tx, email_id=email_id: indexing.refile(tx, email_id))  # type: ignore[misc]

    async def _file(self, item: UnfiledMessage) -> list[Copy]:
        """Has the copy written; nothing for a message that is gone meanwhile, or whose owner is."""
        raw = await self._db.aread(lambda tx: mailbox.raw(tx, item.id) if indexing.is_owners(tx, item) else None)
        if raw is None:
            return []
        kind, text = await self._filer.write(item.home, f"{indexing.copy_folder(item.address)}{copy_name(item)}", raw)
        return [Copy(item, kind, text, time.monotonic())]

    async def _record(self, copies: list[Copy], now: float) -> None:
        """Records copies in one commit: each writes whole pages, which neighbours share. A crash only repeats them."""
        if copies:
            await self._db.awrite(lambda tx: _record(tx, copies, now))
        for item, kind, text, _at in copies:
            maillog.filed(item.queue_id, item.id, item.owner, text, written=kind == DONE)


def copy_name(item: UnfiledMessage) -> str:
    """The copy's file name: when it came and its number, the same at every try."""
    return f"{datetime.fromtimestamp(item.received_ts, UTC):%Y%m%dT%H%M%SZ}-{item.id}.eml"


def _record(tx: Connection, copies: list[Copy], now: float) -> None:
    for item, kind, text, _at in copies:
        if kind == DONE:
            indexing.set_filed(tx, item.id, text)
        else:
            indexing.set_filing_failed(tx, item.id, text, now, permanent=kind == NEVER)
