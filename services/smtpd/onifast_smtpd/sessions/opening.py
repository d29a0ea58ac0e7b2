"""What comes before the greeting (RFC 5321 section 3.1): for whom a proxy speaks, and who does not wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from onifast_shared.machine.config import Settings
from onifast_shared.machine.counting import count

from onifast_smtpd import maillog
from onifast_smtpd.clients.client import Service, speaks_for_others
from onifast_smtpd.clients.session import ClientSession
from onifast_smtpd.protocol import replies
from onifast_smtpd.protocol.proxy import ProxyError, read_header
from onifast_smtpd.protocol.replies import TurnedAway
from onifast_smtpd.protocol.wire import Gone, ServerWire


class SessionOpening:
    """The beginning of one session, up to its greeting."""

    def __init__(self, session: ClientSession, wire: ServerWire, settings: Settings, service: Service) -> None:
        self._session = session
        self._wire = wire
        self._settings = settings
        self._service = service

    async def hear_proxy(self, hook: Callable[[Any], Awaitable[object]]) -> None:
        """Lets a proxy say for whom it speaks; others of its network are clients like any. Raises Gone."""
        session, settings = self._session, self._settings
        if not self._is_proxy or not speaks_for_others(session.client, settings.proxy_networks, settings):
            return
        try:
            session.proxy_data = await read_header(self._wire.read_octets)
            await hook(session.proxy_data)
        except (ProxyError, TimeoutError) as error:
            maillog.no_proxy_header(session.name, session.client, str(error) or "no header in time")
            raise Gone from error

    async def catch_early_talker(self) -> None:
        """Those who do not wait for the greeting send no mail that anybody wants. Raises TurnedAway, Gone."""
        delay = self._settings.banner_delay
        if (
            self._service is Service.MX
            and delay
            and not self._session.client.is_local
            and await self._wire.hears(delay)
        ):
            raise self._spoke_early()

    def refuse_early_talker(self) -> None:
        """The same without a wait. Raises TurnedAway.

        Local programs are heard, as far as `ENDS_GROUP` goes; so are proxies that look whether we live.
        """
        is_heard = self._session.client.is_local or self._is_proxy
        if not is_heard and self._wire.is_ahead:
            raise self._spoke_early()

    @property
    def _is_proxy(self) -> bool:
        return any(self._session.client.ip in network for network in self._settings.proxy_networks)

    def _spoke_early(self) -> TurnedAway:
        count("sessions_turned_away", service=self._service.label)
        maillog.turned_away(self._session.client, replies.EARLY_TALKER.text)
        return TurnedAway(replies.EARLY_TALKER)
