"""What is known of one session: aiosmtpd's `Session`, and what a server needs to know besides."""

from __future__ import annotations

import asyncio
import time

from aiosmtpd.smtp import Session
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.values import queue_ids

from onifast_smtpd.clients.client import Client, Origin, Tls


class ClientSession(Session):
    """A session's state, which each hook of `MailHandler` is given.

    Of aiosmtpd's fields, `host_name` is what the client calls itself (None before EHLO), `extended_smtp` whether it
    said EHLO, `proxy_data` what a proxy said, `auth_data` the PanelUser who logged in. TLS is in `tls` and not in
    `ssl`: a proxy may have ended it.
    """

    client: Client
    auth_data: PanelUser | None  # type: ignore[assignment]  # aiosmtpd: "can contain anything"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.name = queue_ids.new()
        self.tls: Tls | None = None
        self.messages = 0
        self.login_failures = 0
        self.login_checked = 0.0
        self.told_of_client = False
        self._known_origin: Origin | None = None

    @property
    def user(self) -> PanelUser | None:
        """Who logged in."""
        return self.auth_data

    def log_in(self, user: PanelUser) -> None:
        """Somebody logged in just now."""
        self.authenticated = True
        self.auth_data = user
        self.login_checked = time.monotonic()

    def forget(self) -> None:
        """What the client said before TLS began is no longer true (RFC 3207 section 4.2)."""
        self.host_name = self.authenticated = self.auth_data = None

    @property
    def origin(self) -> Origin:
        """Where what is sent now comes from: the same object as long as nothing of it changes."""
        known, helo = self._known_origin, self.host_name or ""
        if (
            known is None
            or known.client is not self.client
            or known.user is not self.auth_data
            or known.tls is not self.tls
            or (known.helo, known.extended) != (helo, self.extended_smtp)
        ):
            known = Origin(self.name, self.client, helo, self.extended_smtp, self.tls, self.auth_data)
            self._known_origin = known
        return known

    @property
    def may_relay(self) -> bool:
        """Whether mail of this session may go to any domain."""
        return self.origin.may_relay

    @property
    def may_hold(self) -> bool:
        """Whether FUTURERELEASE is offered: to those who submit (RFC 4865 section 3), logged in yet or not."""
        return self.client.service.needs_login or self.may_relay
