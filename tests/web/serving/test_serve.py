"""The program behind a real socket: what arrives, what is refused, how it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from onifast_shared.machine import sockets
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_web.access import service_token
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.http.forwarded import Environ
from onifast_web.serving import large_bodies
from onifast_web.serving.answers import SMALL_BODY
from onifast_web.serving.channel import SENT_KEPT
from onifast_web.serving.serve import WebServer
from web.support import Live, serve

from peers.ports import free_port

PROGRAM = Path(sys.executable).with_name("onifast-web")


def connect(live: Live) -> contextlib.closing[http.client.HTTPConnection]:
    return contextlib.closing(http.client.HTTPConnection(live.host, live.port, timeout=20))


def test_it_answers_over_http(live: Live) -> None:
    with connect(live) as connection:
        connection.request("GET", "/login")
        answer = connection.getresponse()
        assert answer.status == 200 and b"Sign in" in answer.read()


def test_a_browsers_whole_way_in(live: Live) -> None:
    with connect(live) as connection:
        form = "username=demo&password=demo+password&next=/folders/sent"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": live.url}
        connection.request("POST", "/login", form, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 303 and answer.headers["Location"] == "/folders/sent"
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        connection.request("GET", "/folders/sent", headers={"Cookie": cookie})
        page = connection.getresponse()
        assert page.status == 200 and b"Sent" in page.read()


def test_our_own_user_may_speak_for_others_as_a_proxy(live: Live) -> None:
    with connect(live) as connection:
        headers = {"X-Forwarded-Prefix": "/mail", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "panel.example"}
        connection.request("GET", "/login", headers=headers)
        assert b'action="/mail/login"' in connection.getresponse().read()


def test_a_large_body_is_refused_before_it_is_received(live: Live) -> None:
    for path in ("/login", "/api/mail/send"):
        with connect(live) as connection:
            connection.putrequest("POST", path)
            connection.putheader("Content-Length", str(10**9))
            connection.endheaders()
            answer = connection.getresponse()
            assert answer.status == 413 and answer.headers["Content-Type"] == "application/problem+json"
            assert json.loads(answer.read())["status"] == 413


def test_who_sends_all_of_a_body_that_is_refused_still_gets_the_answer(live: Live) -> None:
    with socket.create_connection((live.host, live.port), 20) as connection:
        connection.sendall(b"POST /login HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\nContent-Length: 16000000\r\n\r\n")
        for _ in range(160):
            connection.sendall(bytes(100_000))  # closed at once, this is reset, and the answer with it
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ") and b"<h1>" in answer and b"the most that Onifast Mail takes" in answer


def test_who_lingers_after_a_refusal_is_the_first_to_go(live: Live) -> None:
    with socket.create_connection((live.host, live.port), 20) as connection:
        connection.sendall(b"POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 16000000\r\n\r\n")
        assert b" 413 " in connection.makefile("rb").read()  # to the end: nothing more is sent
        live.server.stop()  # which waits for whoever is at something
        live.thread.join(30)
        assert not live.thread.is_alive()


@pytest.mark.parametrize("request_line", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nHost h\r\n\r\n"])
def test_what_is_no_http_gets_a_problem_document(live: Live, request_line: bytes) -> None:
    with socket.create_connection((live.host, live.port), 20) as connection:
        connection.sendall(request_line)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.") and b" 400 " in answer and b"application/problem+json" in answer


def test_a_unix_socket_serves_too(app: Flask, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    server = WebServer(app, [sockets.bind(Listen("", 0, path))], settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(b"GET /login HTTP/1.0\r\nX-Forwarded-Prefix: /mail\r\n\r\n")
            assert b'action="/mail/login"' in connection.makefile("rb").read()
    finally:
        server.stop()
        thread.join(20)


def test_requests_in_progress_are_answered_before_it_stops(app: Flask, settings: Settings) -> None:
    began, go_on = threading.Event(), threading.Event()

    @allow(Who.ANYONE)
    def slow() -> str:
        began.set()
        go_on.wait(20)
        return "finished" * 1000

    app.view_functions["health:alive"] = slow
    with serve(app, settings) as live, connect(live) as connection, ThreadPoolExecutor(1) as pool:
        connection.request("GET", "/healthz")
        answer = pool.submit(lambda: connection.getresponse().read())
        assert began.wait(20)
        live.server.stop()
        refused = _until_refused(live)
        go_on.set()
        assert answer.result(20) == b"finished" * 1000
        assert refused


def _until_refused(live: Live) -> bool:
    """Whether new connections are refused, looked at until they are."""
    for _ in range(200):
        try:
            with socket.create_connection((live.host, live.port), 1):
                live.thread.join(0.05)
        except OSError:
            return True
    return False


def test_the_service_token_is_one_however_many_start_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config" / "panel.token"
    path.parent.mkdir()
    with ThreadPoolExecutor(8) as pool:
        tokens = {token.reveal() for token in pool.map(service_token.load_or_create, [path] * 32)}
    assert tokens == {path.read_text().strip()}
    assert list(path.parent.iterdir()) == [path]


def test_a_token_file_that_holds_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "panel.token"
    path.write_text("short")
    with pytest.raises(service_token.ServiceTokenError, match="shorter"):
        service_token.load_or_create(path)


# The program itself


def environment(tmp_path: Path, **settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ONIFAST_")}
    values = {"ROOT": str(tmp_path), "HOME_ROOT": str(tmp_path), "RUN_AS": "root", "HOSTNAME": "mail.host.test"}
    return inherited | {f"ONIFAST_MAIL_{name}": value for name, value in (values | settings).items()}


def test_it_says_where_it_serves_and_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [PROGRAM], env=environment(tmp_path, HTTP_LISTEN=listen), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert " started " in line and f"http={listen}" in line and "settings=" in line
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_wrong_setting_ends_it_with_one_line(tmp_path: Path) -> None:
    done = _run(environment(tmp_path, HTTP_THREADS="many"))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "HTTP_THREADS" in done.stderr


def test_a_port_in_use_ends_it_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = _run(environment(tmp_path, HTTP_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}"))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "http_listen" in done.stderr


def _run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM], env=environ, capture_output=True, text=True, timeout=30, check=False)


COOKIE = {"Cookie": "other=1; onifast_mail=token"}
BEARER = {"Authorization": "Bearer token"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/compose", COOKIE),
        ("/mail/compose", COOKIE),
        ("/api/mail/send", BEARER),
        ("/api/mail/drafts", BEARER),
        ("/panel/api/mail/send", BEARER | {"X-Forwarded-Prefix": "/panel/"}),
    ],
)
def test_large_mail_passes_where_mail_is_sent(settings: Settings, path: str, headers: dict[str, str]) -> None:
    body = b"x" * (SMALL_BODY + 100_000)
    with serve(measure, dataclasses.replace(settings, url_prefix="/mail")) as live, connect(live) as connection:
        connection.request("POST", path, body, headers)
        assert connection.getresponse().read() == str(len(body)).encode()
        connection.request("POST", path, iter([body]), headers)
        assert connection.getresponse().read() == str(len(body)).encode()


def measure(environ: Environ, start_response: Callable[..., object]) -> list[bytes]:
    """An app that says how large a request's body is."""
    start_response("200 OK", [])
    return [str(len(environ["wsgi.input"].read())).encode()]


def offer(live: Live, path: str, headers: dict[str, str]) -> tuple[socket.socket, bytes]:
    """A connection that asks whether a large body may come, and the first line of the answer."""
    connection = socket.create_connection((live.host, live.port), 20)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    length = f"Content-Length: {SMALL_BODY + 1}\r\nExpect: 100-continue\r\n"
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: h\r\n{length}{lines}\r\n".encode())
    with connection.makefile("rb") as answer:
        return connection, answer.readline()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/compose", {}),
        ("/compose", {"Cookie": "xonifast_mail=1; other=onifast_mail"}),
        ("/api/mail/send", {"Authorization": "Basic eDp5"}),
        ("/x/compose", COOKIE),
        ("/login", COOKIE),
        ("/static/api/mail/send", BEARER),
        ("/mail/login/compose", BEARER | {"X-Forwarded-Prefix": "/mail"}),
    ],
)
def test_nobody_sends_a_large_body_elsewhere_or_without_a_login(live: Live, path: str, headers: dict[str, str]) -> None:
    connection, line = offer(live, path, headers)
    with connection:
        assert b" 413 " in line


def test_there_is_room_for_a_few_large_bodies_at_once(live: Live) -> None:
    with contextlib.ExitStack() as taken:
        for _ in range(large_bodies.AT_ONCE):
            connection, line = offer(live, "/compose", COOKIE)
            taken.enter_context(connection)
            assert b" 100 " in line
        refused, line = offer(live, "/compose", COOKIE)
        with refused:
            assert b" 503 " in line
        with connect(live) as other:
            other.request("GET", "/login", headers=COOKIE)
            assert other.getresponse().status == 200
    assert any(_is_let_in(live) for _ in range(200))


def _is_let_in(live: Live) -> bool:
    connection, line = offer(live, "/compose", COOKIE)
    with connection:
        return b" 100 " in line


def test_what_was_sent_over_a_kept_connection_is_not_kept(settings: Settings) -> None:
    def answer(_: Environ, start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Length", "100000")])
        return [b"x" * 100_000]

    with serve(answer, settings) as live, connect(live) as connection:
        for _ in range(40):
            connection.request("GET", "/")
            assert len(connection.getresponse().read()) == 100_000
        (channel,) = live.server._channels
        held = sum(len(each.buf.file.getbuffer()) for each in channel.outbufs if each.buf is not None)
    assert held <= SENT_KEPT + 2 * 101_000


def test_an_answer_of_many_pieces_arrives_whole_however_it_is_taken(settings: Settings) -> None:
    pieces = [bytes([number]) * 70_000 for number in range(100)]

    def answer(_: Environ, start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Length", str(sum(map(len, pieces))))])
        return pieces

    with serve(answer, settings) as live, connect(live) as connection:
        for step in (1000, 500_000, 10_000_000):
            connection.request("GET", "/")
            found = connection.getresponse()
            assert b"".join(iter(lambda found=found, step=step: found.read(step), b"")) == b"".join(pieces)  # type: ignore[misc]
