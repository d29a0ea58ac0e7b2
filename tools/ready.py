"""Whether the three programs answer, seen from outside as their clients see them."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TIMEOUT = 2.0  # seconds for one look
FAILED_STATES = {"BACKOFF", "EXITED", "FATAL"}


def smtp_answers(address: tuple[str, int]) -> bool:
    """Whether a greeting comes (RFC 5321 section 4.2: 220)."""
    try:
        with socket.create_connection(address, TIMEOUT) as client:
            greeting = client.recv(512)
            client.sendall(b"QUIT\r\n")
            client.recv(512)
    except OSError:
        return False
    return greeting.startswith(b"220")


def http_answers(address: tuple[str, int]) -> bool:
    """Whether the web server serves a page, a redirection to its login included."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def port_in_use(address: tuple[str, int]) -> str | None:
    """Why an address cannot be listened on, or None."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return None


def states(control_socket: Path) -> Mapping[str, str]:
    """supervisord's state of each program; empty while supervisord does not answer."""
    connection = _UnixConnection(control_socket)
    try:
        call = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
        connection.request("POST", "/RPC2", call, {"Content-Type": "text/xml"})
        (answer,), _ = xmlrpc.client.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return {}
    finally:
        connection.close()
    processes: Any = answer
    return {process["name"]: process["statename"] for process in processes}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(TIMEOUT)
        try:
            client.connect(str(self._path))
        except OSError:
            client.close()
            raise
        self.sock = client
