"""There is room for everybody: idle, slow and many connections keep nobody out."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from onifast_shared.machine import sockets
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_web.http.forwarded import CLIENT, Environ, ForwardedMiddleware
from onifast_web.serving.answers import SMALL_BODY
from onifast_web.serving.serve import WebServer

from peers.ports import free_port
from web.serving.test_serve import COOKIE, PROGRAM, connect, environment, offer
from web.support import Live, serve

SLOW_HEADER = b"GET /login HTTP/1.1\r\nHost: h\r\nX-Slow: "
SLOW_BODY = b"POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nu"
FORWARDED = {"X-Forwarded-For": "203.0.113.7"}
MIB = 1024 * 1024
BIG = 32 * MIB

# A customer's program on this host. Nothing may be imported after it has become nobody.
CUSTOMER = """
import os, socket, sys
import encodings.idna
port, wanted, sent = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
held = []
for _ in range(wanted):
    held.append(socket.create_connection(("127.0.0.1", port), 20))
    held[-1].sendall(sent)
print("held", flush=True)
sys.stdin.read()
"""


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def say(environ: Environ, start_response: Callable[..., object]) -> list[bytes]:
    """An app that says who asks; at /big it says so at length."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    environ["wsgi.input"].read()
    return [b"x" * MIB] * (BIG // MIB) if environ["PATH_INFO"] == "/big" else [environ[CLIENT].encode()]


@contextlib.contextmanager
def running(settings: Settings, clock: Callable[[], float] = time.monotonic) -> Iterator[Live]:
    listener = sockets.bind(Listen("127.0.0.1", 0))
    host, port = listener.getsockname()
    server = WebServer(ForwardedMiddleware(say), [listener], settings, clock=clock)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Live(host, port, server, thread)
    finally:
        server.stop()
        thread.join(60)
        assert not thread.is_alive()


@contextlib.contextmanager
def held(live: Live, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that do nothing more than they have to."""
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connections.append(stack.enter_context(socket.create_connection((live.host, live.port), 20)))
            with contextlib.suppress(OSError):  # it may be hung up on already
                connections[-1].sendall(sent)
        yield connections


def is_served(live: Live) -> bool:
    with connect(live) as connection:
        connection.request("GET", "/login")
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200


def is_closed(connection: socket.socket) -> bool:
    """Whether the server hangs up within the connection's time-out."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", SLOW_HEADER, SLOW_BODY, b"\r\n", SLOW_BODY[:-1]])
def test_a_newcomer_is_served_beside_a_thousand_who_hold_on(app: Flask, settings: Settings, sent: bytes) -> None:
    with serve(app, settings) as live, held(live, 1000, sent):
        assert is_served(live)


@pytest.mark.clock
def test_a_newcomer_is_served_within_a_second_beside_a_thousand(app: Flask, settings: Settings) -> None:
    with serve(app, settings) as live, held(live, 1000):
        began = time.monotonic()
        assert is_served(live)
        assert time.monotonic() - began < 1.0


def test_a_request_that_is_under_way_is_not_hung_up_on_for_newcomers(settings: Settings) -> None:
    few = dataclasses.replace(settings, max_http_connections=8)
    ask = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with running(few) as live, held(live, 1, ask) as (first,), first.makefile("rb") as answer:
        assert answer.readline().startswith(b"HTTP/1.1 100") and answer.readline() == b"\r\n"
        with held(live, 100):
            assert is_served(live)
            first.sendall(b"abc")
            assert answer.readline().startswith(b"HTTP/1.1 200")


@pytest.mark.root
@pytest.mark.parametrize("sent", ["", SLOW_BODY.decode()])
def test_a_unix_user_of_this_host_has_his_share_and_no_more(settings: Settings, sent: str) -> None:
    few = dataclasses.replace(settings, max_http_connections=64)
    with running(few) as live, held(live, 20) as ours:
        command = [sys.executable, "-c", CUSTOMER, str(live.port), "200", sent]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as customer:
            assert customer.stdout is not None
            assert customer.stdout.readline() == "held\n"
            # We are a trusted proxy: our idle connections stay, since theirs did not fill the room.
            for connection in ours:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert connection.recv(8) == b"HTTP/1.0"
            customer.communicate("")


def test_a_client_of_a_proxy_has_his_share_of_requests_and_the_proxy_all(settings: Settings) -> None:
    few = dataclasses.replace(settings, max_http_connections=64)
    mine = SLOW_BODY.replace(b"Host: h", b"Host: h\r\nX-Forwarded-For: 203.0.113.7")
    others = SLOW_BODY.replace(b"Host: h", b"Host: h\r\nX-Forwarded-For: 203.0.113.8")
    with running(few) as live, held(live, 8, mine) as slow, held(live, 1, others):
        assert _status(live, FORWARDED) == (429, "10")
        assert _status(live, {"X-Forwarded-For": "203.0.113.9"})[0] == _status(live, {})[0] == 200
        slow[0].close()
        while _status(live, FORWARDED)[0] != 200:  # until it has noticed
            pass


def _status(live: Live, headers: dict[str, str]) -> tuple[int, str | None]:
    with connect(live) as connection:
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200 or json.loads(body)["status"] == answer.status
        return answer.status, answer.headers["Retry-After"]


@pytest.mark.parametrize("sent", [b"", SLOW_HEADER, SLOW_BODY])
def test_who_does_nothing_more_is_hung_up_on_in_time(settings: Settings, sent: bytes) -> None:
    clock = Clock()
    with running(settings, clock) as live, held(live, 3, sent) as connections:
        assert is_served(live)
        clock.now += 61
        assert is_served(live)  # wakes it
        assert all(is_closed(connection) for connection in connections)


def test_who_does_not_take_his_answer_keeps_no_thread_and_is_hung_up_on(settings: Settings) -> None:
    clock = Clock()
    one = dataclasses.replace(settings, http_threads=1, max_message_size=BIG)
    with running(one, clock) as live, held(live, 1, b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n") as (reader,):
        assert reader.recv(8) == b"HTTP/1.1"
        assert is_served(live)  # by the only thread
        clock.now += 61
        assert is_served(live)  # wakes it
        with contextlib.suppress(ConnectionError):
            assert len(_all_of(reader)) < BIG


def test_an_answer_that_fills_all_room_keeps_its_thread_for_a_minute_at_the_most(settings: Settings) -> None:
    clock = Clock()
    one = dataclasses.replace(settings, http_threads=1)
    with running(one, clock) as live, held(live, 1, b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n") as (reader,):
        assert reader.recv(8) == b"HTTP/1.1"  # the only thread waits for the rest to be taken
        with connect(live) as other:
            other.request("GET", "/")
            clock.now += 61
            with contextlib.suppress(OSError), held(live, 1):  # wakes it
                assert other.getresponse().status == 200


def _all_of(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read()


def test_a_slow_large_body_gives_way_to_another(settings: Settings) -> None:
    clock = Clock()
    with running(settings, clock) as live, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(offer(live, "/compose", COOKIE)[0]) for _ in range(8)]
        refused, line = offer(live, "/compose", COOKIE)
        refused.close()
        assert b" 503 " in line
        clock.now += 11
        taken, line = offer(live, "/compose", COOKIE)
        stack.enter_context(taken)
        assert b" 100 " in line and is_closed(slow[0])


def test_one_client_has_a_part_of_the_room_for_large_bodies(live: Live) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            taken, line = offer(live, "/compose", COOKIE | FORWARDED)
            stack.enter_context(taken)
            assert b" 100 " in line
        third, line = offer(live, "/compose", COOKIE | FORWARDED)
        stack.enter_context(third)
        assert b" 503 " in line
        other, line = offer(live, "/compose", COOKIE | {"X-Forwarded-For": "203.0.113.8"})
        stack.enter_context(other)
        assert b" 100 " in line


def test_tcp_and_unix_sockets_are_served_together(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    both = [sockets.bind(Listen("127.0.0.1", 0)), sockets.bind(Listen("", 0, path))]
    addresses = [both[0].getsockname(), str(path)]
    server = WebServer(ForwardedMiddleware(say), both, settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        for listening, address in zip(both, addresses, strict=True):
            with socket.socket(listening.family) as connection:
                connection.settimeout(20)
                connection.connect(address)
                connection.sendall(b"GET / HTTP/1.0\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n")
                assert connection.makefile("rb").read().endswith(b"address:203.0.113.7")
    finally:
        server.stop()
        thread.join(20)


def test_a_request_whose_body_is_still_coming_is_finished_before_it_stops(settings: Settings) -> None:
    with running(settings) as live, connect(live) as connection, connect(live) as idle:
        idle.request("GET", "/")
        assert idle.getresponse().read()
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "6")
        connection.endheaders(b"abc")
        assert is_served(live)  # by now the beginning has been read
        live.server.stop()
        assert idle.sock is not None and is_closed(idle.sock)
        connection.send(b"def")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        live.thread.join(20)


def test_who_had_connected_when_it_stops_is_answered(settings: Settings) -> None:
    listener = sockets.bind(Listen("127.0.0.1", 0))
    server = WebServer(ForwardedMiddleware(say), [listener], settings)
    with socket.create_connection(listener.getsockname(), 20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        server._stopping = True  # before it has taken anybody in
        server.run()
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 200")


def test_urgent_data_wakes_it_once(settings: Settings) -> None:
    with running(settings) as live, held(live, 1) as (connection,):
        connection.send(b"!", socket.MSG_OOB)
        assert is_closed(connection)


def test_a_shortage_of_descriptors_is_one_line_and_ends_by_itself(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    environ = environment(tmp_path, HTTP_LISTEN=f"127.0.0.1:{port}", HTTP_PROCESSES="1")
    with log.open("w") as stderr, subprocess.Popen([PROGRAM], env=environ, stderr=stderr) as process:
        while "started" not in log.read_text():
            assert process.poll() is None
        live = Live("127.0.0.1", port, None, None)  # type: ignore[arg-type]
        assert is_served(live)
        used = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 4, hard))
        with held(live, 100):
            assert is_served(live)
            assert is_served(live)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    lines = [line for line in log.read_text().splitlines() if "connections-short" in line]
    assert len(lines) == 1 and "Traceback" not in log.read_text()


def test_large_bodies_are_let_go_when_their_client_breaks_off(live: Live) -> None:
    for _ in range(30):
        connection, line = offer(live, "/compose", COOKIE)
        connection.close()
        assert line
    with connect(live) as sender:
        sender.request("POST", "/compose", b"x" * (SMALL_BODY + 1), COOKIE)
        assert sender.getresponse().status == 303
