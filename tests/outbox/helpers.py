"""A deliverer in the test's own process: a database, a DNS server, and one round of delivery at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlite_shell
from onifast_outbox.program import OutboxProgram, assemble
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import AcceptedSubmission
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from fakes.dns import DnsServer

MESSAGE = (
    b"From: Alice <alice@here.test>\r\nTo: bob@remote.test\r\nSubject: Hello\r\n"
    b"Message-ID: <1@here.test>\r\nDate: Sat, 01 Nov 2025 10:00:00 +0000\r\n\r\nHello Bob,\r\n.\r\n.hidden\r\n"
)


@dataclass
class Outbox:
    """The deliverer and what it works on."""

    settings: Settings
    db: Database
    dns: DnsServer
    program: OutboxProgram

    def reassemble(self, **changes: Any) -> None:
        """Wire the deliverer anew, with other settings."""
        self.settings = replace(self.settings, **changes)
        self.program = assemble(self.settings, self.db)

    async def submit(
        self,
        *recipients: str | QueuedRecipient,
        sender: str = "alice@here.test",
        raw: bytes = MESSAGE,
        ret: str | None = None,
        envid: str | None = None,
        smtputf8: bool = False,
        owner: str | None = None,
    ) -> AcceptedSubmission:
        """Queues a message as smtpd and web do."""
        queued = [QueuedRecipient(each) if isinstance(each, str) else each for each in recipients]
        submission = Submission(sender=sender, origin="smtp", owner=owner, ret=ret, envid=envid, smtputf8=smtputf8)
        return await accept.asubmit(self.db, raw, submission, queued)

    async def round(self) -> None:
        """Delivers what is due now, as much at a time as destinations take, and waits until that is done."""
        await self.program.dispatcher.drain()
        while self.program.dispatcher.in_flight:
            await self.program.dispatcher.finish(30)
            await self.program.dispatcher.drain()

    async def deliver_all(self) -> None:
        """Delivers what is due and what comes of it (bounces)."""
        for _ in range(3):
            await self.round()

    def sql(self, statement: str) -> list[str]:
        """What a script sees."""
        return sqlite_shell.run(self.db.path, statement)

    def states(self) -> dict[str, str]:
        """Status by recipient."""
        return dict(row.split("|", 1) for row in self.sql("SELECT recipient, status FROM outbox ORDER BY id"))

    def error(self, recipient: str) -> str:
        """What last_error says."""
        return "\n".join(self.sql(f"SELECT last_error FROM outbox WHERE recipient = '{recipient}'"))

    def mail_of(self, owner: str) -> list[bytes]:
        """Every message in a user's inbox, oldest first."""
        ids = [int(row) for row in self.sql(f"SELECT id FROM emails WHERE owner = '{owner}' ORDER BY id")]
        return [self.db.read(lambda tx, each=each: mailbox.raw(tx, each)) for each in ids]  # type: ignore[misc]


def patience(seconds: float) -> dict[str, Any]:
    """The settings of every wait for another server's reply."""
    names = ("greeting", "mail", "rcpt", "data", "block", "end")
    return {"smtp_timeout": seconds, **{f"smtp_{name}_timeout": seconds for name in names}}


def start(settings: Settings, db: Database, dns: DnsServer, users: Sequence[str] = ("alice", "carol")) -> Outbox:
    """A deliverer for here.test, whose users own an address each."""
    for user in users:
        address = Address.parse(f"{user}@here.test")
        db.write(lambda tx, address=address, user=user: addresses.add(tx, address, user))  # type: ignore[misc]
    return Outbox(settings, db, dns, assemble(settings, db))
