"""Which proxy may say where a request came from, and what it said.

X-Forwarded-For, -Proto, -Host and -Prefix count only when they come over a Unix socket (its permissions say who may
connect) or over loopback from a Unix user who is configured for it: on a shared host every customer reaches loopback.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

from onifast_shared.machine import log

from onifast_web.http.ignored_proxy import IgnoredProxies
from onifast_web.http.peer import Peer

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# What channel.py puts into the environment: the connection's Peer.
PEER = "onifast.peer"
CLIENT = "onifast.client"
# Takes the name of the caller, once it is known.
CALLER = "onifast.caller"
# What to tell an administrator whose proxy is not trusted; not there where all is well.
IGNORED_PROXY = "onifast.ignored_proxy"
# The client of a proxy that does not say whom it speaks for: anybody.
SHARED_CLIENT = "proxy"

_logger = log.get("web")
_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PREFIX")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class ForwardedMiddleware:
    """Applies the headers of a trusted proxy to the WSGI environment, and takes those of everybody else away.

    Afterwards SCRIPT_NAME is the prefix, REMOTE_ADDR the browser's address, and `CLIENT` the key that failed logins
    are counted by: the address, or on an untrusted loopback connection the Unix user at its other end; SHARED_CLIENT
    where a proxy does not say.
    """

    def __init__(self, app: Application, *, url_prefix: str = "") -> None:
        self._app = app
        self._prefix = url_prefix
        self._ignored = IgnoredProxies(_logger)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        said = {name: environ.pop(name) for name in _HEADERS if name in environ}
        peer = environ.get(PEER) or Peer(f"address:{environ.get('REMOTE_ADDR')}")
        environ[CLIENT] = peer.client
        if peer.is_trusted_proxy:
            _apply(environ, said)
        elif said:
            environ[IGNORED_PROXY] = self._ignored.noted(peer, said)
        prefix = _prefix(said, peer.is_trusted_proxy) or self._prefix
        _mount(environ, prefix)
        return self._app(environ, start_response)


def claimed_address(forwarded_for: str) -> str:
    """The client that a proxy speaks for; "" where it does not say, or says nonsense."""
    # The last entry is the one that the trusted proxy itself added; those before it are hearsay.
    client = forwarded_for.rsplit(",", 1)[-1].strip()
    return client if _is_address(client) else ""


def _apply(environ: Environ, said: dict[str, str]) -> None:
    client = claimed_address(said.get("HTTP_X_FORWARDED_FOR", ""))
    if client:
        environ["REMOTE_ADDR"] = client
    environ[CLIENT] = f"address:{client}" if client else SHARED_CLIENT
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
