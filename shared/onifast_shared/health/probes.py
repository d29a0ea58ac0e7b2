"""Asks a program where it listens whether it serves, as a client would: one connection, one answer, no mail."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from pathlib import Path

PATIENCE = 5.0
"""Seconds that a program has to answer; a client would not wait longer for a sign of life."""

_MOST_OCTETS = 4096


class Unanswered(Exception):
    """It did not answer as it should. The text is one line that says how."""


def greeting(listening: str, *, tls: bool = False) -> str:
    """The first line of an SMTP server's greeting (RFC 5321 section 4.2), which begins with 220. Raises Unanswered.

    `listening` is a socket's address as the program's start line has it. With `tls` the connection begins with a
    handshake; whose certificate it is does not matter here.
    """
    try:
        with _connected(listening) as plain, _wrapped(plain) if tls else plain as sock:
            line = sock.recv(_MOST_OCTETS).split(b"\r\n", 1)[0].decode("utf-8", "replace")
            if not line.startswith("220"):
                raise Unanswered(f"greets with {line!r}" if line else "hangs up without a greeting")
            with contextlib.suppress(OSError):
                sock.sendall(b"QUIT\r\n")
                sock.recv(_MOST_OCTETS)
            return line
    except ssl.SSLError as error:
        raise Unanswered(f"TLS fails: {error.reason or error}") from None
    except TimeoutError:
        raise Unanswered(f"does not answer within {PATIENCE:.0f} s") from None
    except OSError as error:
        raise Unanswered(error.strerror or str(error)) from None


def readiness(listening: str, prefix: str) -> None:
    """Asks the web program's `/readyz`. Raises Unanswered, in its own words where it says why."""
    connection = _HttpConnection(listening)
    try:
        connection.request("GET", f"{prefix}/readyz", headers={"Host": "localhost"})
        answer = connection.getresponse()
        body = answer.read(_MOST_OCTETS)
    except TimeoutError:
        raise Unanswered(f"does not answer within {PATIENCE:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise Unanswered(_detail(body) or f"answers {answer.status}")


def _detail(body: bytes) -> str:
    """What a problem document says (RFC 9457)."""
    with contextlib.suppress(ValueError):
        found = json.loads(body)
        if isinstance(found, dict) and isinstance(found.get("detail"), str):
            return str(found["detail"])
    return ""


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, listening: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._listening = listening

    def connect(self) -> None:
        self.sock = _connected(self._listening)


def _connected(listening: str) -> socket.socket:
    """A connection to a socket's address: a path, or HOST:PORT, where a wildcard means this host. Raises OSError."""
    if listening.startswith("/"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(PATIENCE)
            sock.connect(str(Path(listening)))
        except OSError:
            sock.close()
            raise
        return sock
    host, _, port = listening.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - not to listen there
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def _wrapped(sock: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)
