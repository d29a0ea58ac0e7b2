"""The app on a real database, with two users of the panel, and as a live server on a free port."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

import fresh_database
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import preferences
from onifast_web.app import create_app
from playwright.sync_api import Browser as Chrome

from fakes.dns import DnsServer
from peers.browser import chromium
from web.support import Browser, Clock, Live, Panel, add_user, give_address, serve


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/web/test_browser.py --webmail-png docs/webmail.png` makes the README's picture anew."""
    parser.addoption("--webmail-png", type=Path, help="where the browser test puts the README's picture of the webmail")


@pytest.fixture(scope="module")
def chrome(request: pytest.FixtureRequest) -> Iterator[Chrome]:
    """One Chromium for all tests of a module: the whole browser where the module sets WHOLE_BROWSER."""
    with chromium(whole=getattr(request.module, "WHOLE_BROWSER", False)) as browser:
        yield browser


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS server with no records yet."""
    with DnsServer({}) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, dns: DnsServer) -> Settings:
    """Settings on a tree of this test's, with an administrator and a user of the panel."""
    for name in ("users", "certs", "config"):
        (tmp_path / "onifast" / name).mkdir(parents=True)
    host, _, port = dns.address.rpartition(":")
    made = Settings(
        root=tmp_path / "onifast",
        home_root=tmp_path / "home",
        hostname="mail.host.test",
        dns_servers=((host, int(port)),),
        dns_timeout=20.0,
        max_message_size=256 * 1024,
        trusted_proxy_users=(),
    )
    add_user(made, "root-admin", is_admin=True)
    add_user(made, "demo")
    add_user(made, "maria")
    return made


@pytest.fixture
def database(settings: Settings, empty_database: Path) -> Iterator[Database]:
    """A database with an address for each user, who have seen the tour; demo owns example.test."""
    fresh_database.lay_down(empty_database, settings.database)
    opened = Database.open(settings.database, timeout=10)
    give_address(opened, "demo@example.test", "demo")
    give_address(opened, "maria@other.test", "maria")
    for username in ("root-admin", "demo", "maria"):
        opened.write(lambda tx, username=username: preferences.put_tour_done(tx, username))  # type: ignore[misc]
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that a test moves."""
    return Clock()


class CompiledTemplates(BytecodeCache):
    """The templates that were compiled so far: the tests make thousands of applications."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session")
def templates() -> BytecodeCache:
    """What keeps compiled templates for all tests."""
    return CompiledTemplates()


@pytest.fixture
def app(settings: Settings, database: Database, clock: Clock, templates: BytecodeCache) -> Flask:
    """The application."""
    made = create_app(settings, database, clock=clock)
    made.jinja_env.bytecode_cache = templates
    made.testing = True
    made.config["PROPAGATE_EXCEPTIONS"] = False
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that has not logged in."""
    return app.test_client()


@pytest.fixture
def browser(app: Flask) -> Browser:
    """A browser that demo has logged in with."""
    return Browser.logged_in(app.test_client(), "demo")


@pytest.fixture
def panel(app: Flask, settings: Settings) -> Panel:
    """The panel, with its service token."""
    return Panel(app.test_client(), settings.panel_token_path.read_text().strip())


@pytest.fixture
def live(app: Flask, settings: Settings) -> Iterator[Live]:
    """The app behind waitress on a free port of 127.0.0.1."""
    with serve(app, settings) as server:
        yield server


@pytest.fixture
def writing(settings: Settings, database: Database, templates: BytecodeCache) -> Iterator[Live]:
    """The same where the setting lets users' files be written."""
    others = dataclasses.replace(settings, writes_users=True)
    made = create_app(others, database)
    made.jinja_env.bytecode_cache = templates
    with serve(made, others) as server:
        yield server


@pytest.fixture
def change(settings: Settings, database: Database) -> Callable[..., FlaskClient]:
    """A client of an app with other settings on the same database."""

    def make(**values: object) -> FlaskClient:
        return create_app(dataclasses.replace(settings, **values), database).test_client()  # type: ignore[arg-type]

    return make
