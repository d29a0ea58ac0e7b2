"""A proxy that nobody trusts: what it says of its requests does not count, and whoever set it up is to learn why."""

from __future__ import annotations

import logging
import pwd
from collections.abc import Iterable

from onifast_shared.machine import log

from onifast_web.http.peer import Peer

_NAMED_AT_MOST = 32  # Unix users a process names; a host has few web servers, and many customers with curl


class IgnoredProxies:
    """Names each in the log once. What it is given stands for requests with X-Forwarded-… by somebody untrusted."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._named: set[str] = set()

    def noted(self, peer: Peer, headers: Iterable[str]) -> str:
        """What to tell an administrator whose request came that way."""
        user = _unix_user(peer.client)
        key = user or "somebody on another machine"
        if key not in self._named and len(self._named) < _NAMED_AT_MOST:
            self._named.add(key)
            names = ",".join(_header(name) for name in headers)
            self._name(user, names)
        if user:
            return (
                f"This page came through the Unix user {user}, which says where the browser is and is not believed."
                " If that is your web server, name it in the setting trusted_proxy_users: until then links lack its"
                " prefix, and all visitors count as one when passwords are wrong."
            )
        return (
            "This page came through a proxy that is not on this machine, or whose Unix user cannot be told. It is not"
            " believed: let one on this machine pass requests on, by a Unix socket (setting http_listen) or as a Unix"
            " user of the setting trusted_proxy_users."
        )

    def _name(self, user: str, headers: str) -> None:
        mend = "trusted_proxy_users" if user else "http_listen"
        log.event(
            self._logger, "proxy-not-trusted", logging.WARNING, unix_user=user or "?", ignored=headers, setting=mend
        )


def _unix_user(client: str) -> str:
    """The name behind `uid:33`, or the number; "" where the client is known by an address alone."""
    kind, _, number = client.partition(":")
    if kind != "uid":
        return ""
    try:
        return pwd.getpwuid(int(number)).pw_name
    except KeyError:
        return number


def _header(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").title()
