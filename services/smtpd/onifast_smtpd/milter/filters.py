"""The configured milters: each message goes to one after another, and each sees what those before it changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_shared.message.sections import RawMessage
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply

from onifast_smtpd import maillog
from onifast_smtpd.clients.client import Origin
from onifast_smtpd.milter.conversation import Conversation, FilterAnswer, FilterRequest, Macros
from onifast_smtpd.milter.editing import edited
from onifast_smtpd.milter.protocol import MilterTrouble

NOT_CHECKED = Reply(451, "4.7.1", "a content filter does not answer, try again later")


@dataclass(frozen=True)
class FilterResult:
    """What the filters make of a message: what it is now, how it is refused, or why it should be put aside."""

    message: RawMessage
    refusal: Reply | None = None
    quarantine: str | None = None

    @property
    def reason(self) -> str:
        """Why it should be put aside, in words."""
        return (self.quarantine or "").rstrip(".") or "no reason given"


@dataclass(frozen=True)
class FilteredMessage:
    """A message on its way in or out, and between whom; `client_name` is the client's name in DNS, "" where unknown.

    `username` is whose mail it is, where a junk filter learns for each user apart and it is one user's; "" otherwise.
    """

    origin: Origin
    queue_id: str
    mail_from: Address | None
    recipients: Sequence[Address]
    message: RawMessage
    client_name: str = ""
    username: str = ""
    received: bytes = b""
    """Our own field: junk filters read in it who the client is, and milters are told of that by name."""

    @cached_property
    def traced(self) -> bytes:
        """The message below our own field."""
        return self.received + self.message.octets


class Milters:
    """Asks the configured filters; one for a program."""

    def __init__(self, settings: Settings) -> None:
        self._where = settings.milters
        self._hostname = settings.hostname
        self._timeout = settings.milter_timeout
        self._goes_on = settings.milter_failure == "accept"
        self._most = settings.max_message_size

    @property
    def are_there(self) -> bool:
        """Whether any is configured."""
        return bool(self._where)

    async def filter(self, filtered: FilteredMessage) -> FilterResult:
        """What the message is after all filters, or why the first of them refuses it."""
        message, quarantine = filtered.message, None
        for where in self._where:
            answer = await self._ask(where, self._request(filtered, message))
            if answer.refusal:
                return FilterResult(message, answer.refusal)
            message = edited(message, answer.edits)
            quarantine = quarantine if answer.quarantine is None else answer.quarantine
        return FilterResult(message, quarantine=quarantine)

    def _request(self, filtered: FilteredMessage, message: RawMessage) -> FilterRequest:
        origin, client = filtered.origin, filtered.origin.client
        user = origin.user.username if origin.user else ""
        tls, cipher = (origin.tls.version, origin.tls.cipher) if origin.tls else ("", "")
        return FilterRequest(
            client.address,
            client.port,
            filtered.client_name,
            origin.helo,
            str(filtered.mail_from or ""),
            [*map(str, filtered.recipients)],
            Macros(self._hostname, client.service.label, filtered.queue_id, user, tls, cipher),
            message,
        )

    async def _ask(self, where: Listen, request: FilterRequest) -> FilterAnswer:
        """One filter's word; where it has none in time, what `milter_failure` says."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._converse(where, request)
        except (MilterTrouble, OSError, EOFError, TimeoutError) as error:
            maillog.milter_trouble(request.macros.queue_id, str(where), error)
            return FilterAnswer() if self._goes_on else FilterAnswer(NOT_CHECKED)

    async def _converse(self, where: Listen, request: FilterRequest) -> FilterAnswer:
        if where.unix_path:
            reader, writer = await asyncio.open_unix_connection(where.unix_path)
        else:
            reader, writer = await asyncio.open_connection(where.host, where.port)
        try:
            answer = await Conversation(reader, writer, self._most).hold(request)
        except BaseException:
            writer.transport.abort()  # what a filter that hangs has not read must not stay in memory
            raise
        writer.close()
        return answer
