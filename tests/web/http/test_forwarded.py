"""Whose word counts about where a request came from."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest
from onifast_web.http.forwarded import CLIENT, IGNORED_PROXY, PEER, ForwardedMiddleware
from onifast_web.http.peer import Peer, Peers, places

SAID = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.7, 198.51.100.2",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "panel.example.test",
    "HTTP_X_FORWARDED_PREFIX": "/mail",
}
HERE = ("127.0.0.1", 4031)
LOCAL = ("127.0.0.1", 50000)
TCP = {"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50000"}


def peer(local: Any, remote: Any, owner: int | None = None) -> Peer:
    """Who is at the end `remote`, when `owner` is the Unix user there."""
    return Peers(("root",), lambda *_: owner).find(local, remote)


ROOT = peer(HERE, LOCAL, 0)
UNIX_SOCKET = peer("/run/web.sock", "")


def seen(environ: dict[str, Any], who: Peer | None = None, prefix: str = "", path: str = "/folders") -> dict[str, Any]:
    """The environment that the application gets of a request by `who`."""
    found: dict[str, Any] = {}

    def app(given: dict[str, Any], _start: object) -> list[bytes]:
        found.update(given)
        return []

    request: dict[str, Any] = {"PATH_INFO": path, "SCRIPT_NAME": "", "wsgi.url_scheme": "http", "HTTP_HOST": "h"}
    request |= {} if who is None else {PEER: who}
    ForwardedMiddleware(app, url_prefix=prefix)(request | environ, lambda: None)
    return found


@pytest.mark.parametrize("proxy", [ROOT, UNIX_SOCKET])
def test_a_trusted_proxy_is_believed(proxy: Peer) -> None:
    got = seen(TCP | SAID, proxy)
    assert got["REMOTE_ADDR"] == "198.51.100.2" and got["wsgi.url_scheme"] == "https"
    assert got["HTTP_HOST"] == "panel.example.test" and got["SCRIPT_NAME"] == "/mail"
    assert got[CLIENT] == "address:198.51.100.2"


def test_we_are_trusted_ourselves() -> None:
    assert seen(TCP | SAID, peer(HERE, LOCAL, os.getuid()))["SCRIPT_NAME"] == "/mail"


@pytest.mark.parametrize("owner", [12345, None])
def test_another_customer_on_loopback_is_not_believed(owner: int | None) -> None:
    got = seen(TCP | SAID, peer(HERE, LOCAL, owner))
    assert got["REMOTE_ADDR"] == "127.0.0.1" and got["wsgi.url_scheme"] == "http"
    assert got["HTTP_HOST"] == "h" and got["SCRIPT_NAME"] == ""
    assert not any(name in got for name in SAID)


def test_an_untrusted_unix_user_is_counted_by_himself() -> None:
    assert seen(TCP, peer(HERE, LOCAL, 12345))[CLIENT] == "uid:12345"


def test_another_machine_is_not_believed() -> None:
    got = seen(TCP | SAID | {"REMOTE_ADDR": "192.0.2.1"}, peer(HERE, ("192.0.2.1", 50000), 0))
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
    got = seen(TCP | {header: value}, ROOT)
    assert (got["SCRIPT_NAME"], got["HTTP_HOST"], got["wsgi.url_scheme"]) == ("", "h", "http")
    assert got["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize(("path", "inside"), [("/mail/folders", "/folders"), ("/mail", "/"), ("/mailbox", "/mailbox")])
def test_a_prefix_is_cut_off_the_path_where_the_proxy_left_it(path: str, inside: str) -> None:
    got = seen(TCP, prefix="/mail", path=path)
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == ("/mail", inside)


def test_an_address_is_counted_by_its_networks_and_a_unix_user_by_himself() -> None:
    assert peer(HERE, ("192.0.2.1", 9)).places == places("::ffff:192.0.2.1") == ("192.0.2.1",)
    assert places("2001:db8:1:2::3") == ("2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48")
    assert peer(HERE, LOCAL, pwd.getpwnam("nobody").pw_uid).places == (f"uid:{pwd.getpwnam('nobody').pw_uid}",)
    assert peer(HERE, LOCAL).places == ("127.0.0.1",)
    assert ROOT.places == UNIX_SOCKET.places == ()


def test_a_proxy_that_is_not_trusted_is_named_once_with_the_setting_that_trusts_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    user = pwd.getpwnam("nobody")
    told: list[str] = []

    def app(environ: dict[str, Any], _start: object) -> list[bytes]:
        told.append(environ.get(IGNORED_PROXY, ""))
        return []

    middleware = ForwardedMiddleware(app)
    for who in (peer(HERE, LOCAL, user.pw_uid), peer(HERE, ("192.0.2.1", 9)), peer(HERE, ("192.0.2.2", 9)), ROOT):
        for said in (SAID, SAID, {}):
            middleware({"PATH_INFO": "/", PEER: who} | said, lambda: None)
    assert ["nobody" in text for text in told[:3]] == [True, True, False] and "trusted_proxy_users" in told[0]
    assert "not on this machine" in told[3] and told[9:] == ["", "", ""]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 and "unix_user=nobody" in lines[0] and "setting=http_listen" in lines[1], lines


def test_it_does_not_name_without_end(caplog: pytest.LogCaptureFixture) -> None:
    middleware = ForwardedMiddleware(lambda _environ, _start: [])
    for number in range(1000):
        middleware({"PATH_INFO": "/", PEER: Peer(f"uid:{number + 70_000}")} | SAID, lambda: None)
    assert len(caplog.records) == 32
