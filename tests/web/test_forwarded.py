"""Whose word counts about where a request came from."""

from __future__ import annotations

import os
from typing import Any

import pytest
from onifast_web.forwarded import CLIENT, LOCAL_ADDRESS, ForwardedMiddleware

SAID = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.7, 198.51.100.2",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "panel.example.test",
    "HTTP_X_FORWARDED_PREFIX": "/mail",
}
TCP = {LOCAL_ADDRESS: ("127.0.0.1", 4031), "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50000"}
UNIX = {LOCAL_ADDRESS: "/run/web.sock", "REMOTE_ADDR": "localhost", "REMOTE_PORT": "None"}


def seen(environ: dict[str, Any], owner: int | None = None, prefix: str = "", path: str = "/folders") -> dict[str, Any]:
    """The environment that the application gets, when `owner` is at the other end."""
    found: dict[str, Any] = {}

    def app(given: dict[str, Any], _start: object) -> list[bytes]:
        found.update(given)
        return []

    middleware = ForwardedMiddleware(app, trusted_users=("root",), url_prefix=prefix, owner_of=lambda *_: owner)
    middleware(
        {"PATH_INFO": path, "SCRIPT_NAME": "", "wsgi.url_scheme": "http", "HTTP_HOST": "h"} | environ, lambda: None
    )
    return found


@pytest.mark.parametrize("environ", [TCP, UNIX])
def test_a_trusted_proxy_is_believed(environ: dict[str, Any]) -> None:
    got = seen(environ | SAID, owner=0)
    assert got["REMOTE_ADDR"] == "198.51.100.2" and got["wsgi.url_scheme"] == "https"
    assert got["HTTP_HOST"] == "panel.example.test" and got["SCRIPT_NAME"] == "/mail"
    assert got[CLIENT] == "address:198.51.100.2"


def test_we_are_trusted_ourselves() -> None:
    assert seen(TCP | SAID, owner=os.getuid())["SCRIPT_NAME"] == "/mail"


@pytest.mark.parametrize("owner", [12345, None])
def test_another_customer_on_loopback_is_not_believed(owner: int | None) -> None:
    got = seen(TCP | SAID, owner=owner)
    assert got["REMOTE_ADDR"] == "127.0.0.1" and got["wsgi.url_scheme"] == "http"
    assert got["HTTP_HOST"] == "h" and got["SCRIPT_NAME"] == ""
    assert not any(name in got for name in SAID)


def test_an_untrusted_unix_user_is_counted_by_himself() -> None:
    assert seen(TCP, owner=12345)[CLIENT] == "uid:12345"


def test_another_machine_is_not_believed() -> None:
    got = seen(TCP | SAID | {"REMOTE_ADDR": "192.0.2.1"}, owner=0)
    assert got["REMOTE_ADDR"] == "192.0.2.1" and got["SCRIPT_NAME"] == "" and got[CLIENT] == "address:192.0.2.1"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("HTTP_X_FORWARDED_PREFIX", "//evil.example"),
        ("HTTP_X_FORWARDED_PREFIX", '/a" onload="x'),
        ("HTTP_X_FORWARDED_HOST", "evil.example/path"),
        ("HTTP_X_FORWARDED_PROTO", "javascript"),
        ("HTTP_X_FORWARDED_FOR", "not an address"),
    ],
)
def test_nonsense_is_not_taken_over(header: str, value: str) -> None:
    got = seen(TCP | {header: value}, owner=0)
    assert (got["SCRIPT_NAME"], got["HTTP_HOST"], got["wsgi.url_scheme"]) == ("", "h", "http")
    assert got["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize(("path", "inside"), [("/mail/folders", "/folders"), ("/mail", "/"), ("/mailbox", "/mailbox")])
def test_a_prefix_is_cut_off_the_path_where_the_proxy_left_it(path: str, inside: str) -> None:
    got = seen(TCP, prefix="/mail", path=path)
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == ("/mail", inside)
