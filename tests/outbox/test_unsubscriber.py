"""One click: what outbox asks of a list, where it may ask it, and what it tells of the answer."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator

import pytest
from onifast_outbox.unsubscriber import Unsubscriber
from onifast_shared.db.database import Database
from onifast_shared.machine import dns as shared_dns
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import unsubscriptions
from onifast_shared.mailboxes.unsubscriptions import Unsubscription
from onifast_shared.webhooks import targets

from fakes.certificates import Authority
from fakes.dns import DnsServer
from fakes.https_server import HttpsServer, Page

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def authority(outbox_settings: Settings) -> Authority:
    return Authority(outbox_settings.root)


@pytest.fixture
def server(authority: Authority, dns: DnsServer) -> Iterator[HttpsServer]:
    """A list's server."""
    dns.set("list.test", "A", "127.0.0.1")
    with HttpsServer(authority.issue("list.test").server_context()) as running:
        yield running


async def asked(
    settings: Settings, database: Database, authority: Authority, url: str, *, anywhere: bool = True
) -> Unsubscription:
    resolver, context = shared_dns.resolver(settings), authority.issue("any.test").client_context()
    may_ask = targets.or_in(LOOPBACK) if anywhere else targets.may_be_asked
    await database.awrite(
        lambda tx: unsubscriptions.ask(tx, "alice", "news.list.test", time.time(), method="one-click", target=url)
    )
    assert await Unsubscriber(database, resolver, context, may_ask=may_ask).run_once() == 1
    found = await database.aread(lambda tx: unsubscriptions.find(tx, "alice", "news.list.test"))
    assert found and found.answered_ts is not None
    return found


async def test_the_list_is_posted_what_the_rfc_says_and_nothing_of_the_users(
    outbox_settings: Settings, database: Database, authority: Authority, server: HttpsServer
) -> None:
    server.pages["/u?x=1"] = server.pages["/u"] = Page(b"ok")
    found = await asked(outbox_settings, database, authority, f"https://list.test:{server.port}/u?x=1")
    assert found.problem == ""
    (request,) = server.asked
    assert (request.method, request.body) == ("POST", b"List-Unsubscribe=One-Click")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "cookie" not in request.headers and "referer" not in request.headers
    resolver, context = shared_dns.resolver(outbox_settings), authority.issue("any.test").client_context()
    assert await Unsubscriber(database, resolver, context).run_once() == 0


async def test_what_the_list_answers_is_told_in_words(
    outbox_settings: Settings, database: Database, authority: Authority, server: HttpsServer
) -> None:
    base = f"https://list.test:{server.port}"
    found = await asked(outbox_settings, database, authority, f"{base}/nowhere")
    assert found.problem == "the list’s server answered 404"


async def test_a_redirect_is_not_followed(
    outbox_settings: Settings, database: Database, authority: Authority, server: HttpsServer
) -> None:
    server.pages["/u"] = Page(b"", status=302, headers={"Location": "/other"})
    found = await asked(outbox_settings, database, authority, f"https://list.test:{server.port}/u")
    assert found.problem == "the list’s server answered 302"
    assert len(server.asked) == 1


async def test_this_machine_and_plain_http_are_never_asked(
    outbox_settings: Settings, database: Database, authority: Authority, server: HttpsServer
) -> None:
    url = f"https://list.test:{server.port}/u"
    found = await asked(outbox_settings, database, authority, url, anywhere=False)
    assert found.problem == "list.test has no address that may be asked from here"
    found = await asked(outbox_settings, database, authority, url.replace("https", "http"))
    assert found.problem == "not an https URL"
    assert server.asked == []


async def test_what_is_old_is_not_asked_any_more(
    outbox_settings: Settings, database: Database, authority: Authority
) -> None:
    old = time.time() - 2 * unsubscriptions.STALE
    await database.awrite(
        lambda tx: unsubscriptions.ask(tx, "alice", "x", old, method="one-click", target="https://list.test/")
    )
    resolver, context = shared_dns.resolver(outbox_settings), authority.issue("any.test").client_context()
    assert await Unsubscriber(database, resolver, context).run_once() == 0
