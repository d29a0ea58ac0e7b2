"""What channel.py and listener.py count on in waitress: a version without it fails here, not in production."""

from __future__ import annotations

import inspect
import tomllib
from importlib.metadata import version

import pytest
from onifast_web.serving.channel import Channel, RequestParser
from onifast_web.serving.listener import Listener
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import Task, ThreadedTaskDispatcher

from tools.environment import PROJECT

OVERRIDDEN = [
    (HTTPChannel, "received", ["self", "data"]),
    (HTTPChannel, "service", ["self"]),
    (HTTPChannel, "write_soon", ["self", "data"]),
    (HTTPChannel, "send", ["self", "data", "do_close"]),
    (HTTPChannel, "handle_write", ["self"]),
    (HTTPChannel, "handle_close", ["self"]),
    (HTTPChannel, "handle_expt", ["self"]),
    (HTTPChannel, "handle_error", ["self"]),
    (HTTPChannel, "del_channel", ["self", "map"]),
    (HTTPChannel, "__init__", ["self", "server", "sock", "addr", "adj", "map"]),
    (HTTPRequestParser, "parse_header", ["self", "header_plus"]),
    (HTTPRequestParser, "received", ["self", "data"]),
    (HTTPRequestParser, "close", ["self"]),
    (BaseWSGIServer, "readable", ["self"]),
    (BaseWSGIServer, "handle_accept", ["self"]),
    (TcpWSGIServer, "set_socket_options", ["self", "conn"]),
    (UnixWSGIServer, "fix_addr", ["self", "addr"]),
    (Task, "build_response_header", ["self"]),
    (ThreadedTaskDispatcher, "set_thread_count", ["self", "count"]),
]


def test_a_major_version_that_nobody_has_tried_is_not_installed() -> None:
    wanted = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["web"]
    (waitress,) = [requirement for requirement in wanted if requirement.startswith("waitress")]
    assert waitress.endswith(",<4") and version("waitress").startswith("3.")


@pytest.mark.parametrize(("kind", "name", "parameters"), OVERRIDDEN)
def test_what_is_overridden_is_there_and_takes_what_we_hand_on(kind: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(kind, name)).parameters) == parameters


def test_what_is_read_is_there() -> None:
    channel = {"request", "requests", "total_outbufs_len", "close_when_flushed", "parser_class"} | {
        "outbufs",
        "outbuf_lock",
        "current_outbuf_count",
    }
    read = inspect.getsource(HTTPChannel)
    assert all(f"self.{name}" in read for name in channel)
    parser = {"headers_finished", "completed", "expect_continue", "body_bytes_received", "content_length", "chunked"}
    assert all(hasattr(HTTPRequestParser, name) for name in parser)
    assert "self.active_channels" in inspect.getsource(BaseWSGIServer)
    assert issubclass(Channel, HTTPChannel) and issubclass(RequestParser, HTTPRequestParser)
    assert issubclass(Listener, BaseWSGIServer)
