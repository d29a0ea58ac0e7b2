"""Which proxy may say where a request came from, and what it said.

X-Forwarded-For, -Proto, -Host and -Prefix count only when they come over a Unix socket (its permissions say who may
connect) or over loopback from a Unix user who is configured for it: on a shared host every customer reaches loopback.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
from collections.abc import Callable, Iterable
from typing import Any

from onifast_shared import sockets

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Endpoint = tuple[str, int]

# What serve.py puts into the environment: our end of the connection, which WSGI has no name for.
LOCAL_ADDRESS = "onifast.local_address"
CLIENT = "onifast.client"
# The client of a proxy that does not say whom it speaks for: anybody.
SHARED_CLIENT = "proxy"

_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PREFIX")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class ForwardedMiddleware:
    """Applies the headers of a trusted proxy to the WSGI environment, and takes those of everybody else away.

    Afterwards SCRIPT_NAME is the prefix, REMOTE_ADDR the browser's address, and `CLIENT` the key that failed logins
    are counted by: the address, or on an untrusted loopback connection the Unix user at its other end; SHARED_CLIENT
    where a proxy does not say.
    """

    def __init__(
        self,
        app: Application,
        *,
        trusted_users: Iterable[str],
        url_prefix: str = "",
        owner_of: Callable[[Endpoint, Endpoint], int | None] = sockets.socket_owner,
    ) -> None:
        self._app = app
        self._trusted = frozenset({os.getuid(), *_uids(trusted_users)})
        self._prefix = url_prefix
        self._owner_of = owner_of

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        said = {name: environ.pop(name) for name in _HEADERS if name in environ}
        owner = self._owner(environ)
        trusted = owner is _UNIX_SOCKET or owner in self._trusted
        environ[CLIENT] = _client(environ, owner)
        if trusted:
            _apply(environ, said)
        prefix = _prefix(said, trusted) or self._prefix
        _mount(environ, prefix)
        return self._app(environ, start_response)

    def _owner(self, environ: Environ) -> int | None:
        """The uid at the other end; _UNIX_SOCKET; None where nobody can tell (another machine, a closed socket)."""
        if _came_by_unix_socket(environ):
            return _UNIX_SOCKET
        address, port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
        local = environ.get(LOCAL_ADDRESS)
        if local is None or not is_loopback(address) or not str(port).isdigit():
            return None
        return self._owner_of((local[0], local[1]), (address, int(port)))


_UNIX_SOCKET = -1


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine's own; IPv4-mapped addresses count as IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def _came_by_unix_socket(environ: Environ) -> bool:
    local = environ.get(LOCAL_ADDRESS)
    return local is not None and not isinstance(local, tuple)


def _uids(users: Iterable[str]) -> Iterable[int]:
    for user in users:
        try:
            yield pwd.getpwnam(user).pw_uid
        except KeyError:
            continue  # A user who does not exist on this machine owns no socket.


def _client(environ: Environ, owner: int | None) -> str:
    if owner is not None and owner >= 0:
        return f"uid:{owner}"
    return f"address:{environ.get('REMOTE_ADDR') or 'unix'}"


def _apply(environ: Environ, said: dict[str, str]) -> None:
    # The last entry is the one that the trusted proxy itself added; those before it are hearsay.
    client = said.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", 1)[-1].strip()
    if _is_address(client):
        environ["REMOTE_ADDR"] = client
    environ[CLIENT] = f"address:{client}" if _is_address(client) else SHARED_CLIENT
    scheme = said.get("HTTP_X_FORWARDED_PROTO", "").rsplit(",", 1)[-1].strip().lower()
    if scheme in {"http", "https"}:
        environ["wsgi.url_scheme"] = scheme
    host = said.get("HTTP_X_FORWARDED_HOST", "").rsplit(",", 1)[-1].strip()
    if _HOST.fullmatch(host):
        environ["HTTP_HOST"] = host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _prefix(said: dict[str, str], trusted: bool) -> str:
    prefix = said.get("HTTP_X_FORWARDED_PREFIX", "").rstrip("/") if trusted else ""
    return prefix if _PREFIX.fullmatch(prefix) else ""


def _mount(environ: Environ, prefix: str) -> None:
    """Makes `prefix` the SCRIPT_NAME, whether the proxy has already cut it off the path or not."""
    environ["SCRIPT_NAME"] = prefix
    path = environ.get("PATH_INFO", "")
    if prefix and (path == prefix or path.startswith(prefix + "/")):
        environ["PATH_INFO"] = path[len(prefix) :] or "/"
