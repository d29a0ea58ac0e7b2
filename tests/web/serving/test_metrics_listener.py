"""The listener for monitoring programs: the numbers, and nothing else, on sockets of its own."""

from __future__ import annotations

import http.client
import socket

from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.metrics import store
from onifast_web.serving.metrics_listener import telling


def _asked(port: int, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = (answer.status, answer.headers["Content-Type"], answer.read().decode())
    connection.close()
    return found


def test_it_tells_the_numbers_to_who_asks(settings: Settings, database: Database) -> None:
    database.write(lambda tx: store.add(tx, "smtpd", {("received_messages", "service=smtp"): 3}, 1_700_000_000))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with telling([listening], settings, database):
            with socket.create_connection(("127.0.0.1", port)):  # one who says nothing and goes
                pass
            status, kind, text = _asked(port, "/metrics")
            assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
            assert 'onifast_mail_received_messages_total{program="smtpd",service="smtp"} 3\n' in text
            assert _asked(port, "/")[0] == 404
