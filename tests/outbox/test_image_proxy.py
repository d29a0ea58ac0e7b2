"""Images that outbox fetches for readers: which, from where, and how many."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from functools import partial

import pytest
from onifast_outbox.image_proxy import fetcher
from onifast_outbox.image_proxy.fetcher import ImageFetcher
from onifast_shared.db.database import Database
from onifast_shared.image_proxy import store
from onifast_shared.image_proxy.store import ImageRequest, ProxiedImage
from onifast_shared.machine import dns as shared_dns
from onifast_shared.machine.config import Settings
from onifast_shared.webhooks import targets

from fakes.certificates import Authority
from fakes.dns import DnsServer
from fakes.https_server import HttpsServer, Page

GIF = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
IMAGE = Page(GIF, content_type="image/gif")
IN_PIECES = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(GIF), GIF)
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def server() -> Iterator[HttpsServer]:
    """A plain web server, with an image at /a.gif."""
    with HttpsServer(None) as running:
        running.pages["/a.gif"] = IMAGE
        yield running


@pytest.fixture
def images(outbox_settings: Settings, database: Database, dns: DnsServer) -> ImageFetcher:
    """One that may ask this machine, as only a test's may."""
    dns.set("web.test", "A", "127.0.0.1")
    context = Authority(outbox_settings.root).issue("any.test").client_context()
    resolver = shared_dns.resolver(outbox_settings)
    return ImageFetcher(database, resolver, context, may_ask=targets.or_in(LOOPBACK))


async def fetched(images: ImageFetcher, database: Database, url: str) -> ProxiedImage | None:
    await database.awrite(lambda tx: store.ask(tx, "alice", [url], time.time()))
    await images.run_once()
    await images.finish()
    return await database.aread(lambda tx: store.get(tx, "alice", url))


async def test_an_image_is_fetched_and_nothing_of_its_reader_is_told(
    images: ImageFetcher, database: Database, server: HttpsServer
) -> None:
    url = f"http://web.test:{server.port}/a.gif"
    assert await fetched(images, database, url) == ProxiedImage("image/gif", GIF)
    assert server.asked[0].headers.keys() == {"host", "user-agent", "connection", "accept"}
    assert await fetched(images, database, url) is not None
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "page",
    [
        Page(SVG, content_type="image/svg+xml"),
        Page(SVG, content_type="image/png"),
        Page(b"<html><script>alert(1)</script>", content_type="image/gif"),
        Page(GIF, status=404),
        Page(b"GIF89a" + b"x" * store.LARGEST),
        Page(GIF, headers={"Content-Encoding": "gzip"}),
        Page(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
        Page(raw=IN_PIECES + b"1\r\nx\r\n" * 25_000 + b"0\r\n\r\n"),
        Page(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 25_000 + IN_PIECES + b"0\r\n\r\n"),
        Page(status=302),
        Page(status=302, headers={"Location": "file:///etc/passwd"}),
        Page(status=302, headers={"Location": "http://["}),
        Page(status=302, headers={"Location": "/x"}),
    ],
    ids=[
        "svg",
        "svg-as-png",
        "html",
        "error",
        "large",
        "compressed",
        "no-http",
        "crumbs",
        "interim",
        "nowhere",
        "file",
        "no-url",
        "circle",
    ],
)
async def test_what_is_no_image_is_answered_as_none(
    images: ImageFetcher, database: Database, server: HttpsServer, page: Page
) -> None:
    server.pages["/x"] = page
    assert await fetched(images, database, f"http://web.test:{server.port}/x") == ProxiedImage("", b"")
    assert len(server.asked) <= fetcher.MOST_REDIRECTS + 1


async def test_redirects_are_followed(images: ImageFetcher, database: Database, server: HttpsServer) -> None:
    server.pages["/x"] = Page(status=301, headers={"Location": "y?z"})
    server.pages["/y?z"] = Page(status=307, headers={"Location": f"//web.test:{server.port}/a.gif"})
    found = await fetched(images, database, f"http://web.test:{server.port}/x")
    assert found == ProxiedImage("image/gif", GIF)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/a.gif", "http://web.test:{}/a.gif", "http://[::ffff:127.0.0.1]:{}/a.gif"]
)
async def test_what_only_this_machine_can_reach_is_not_asked(
    outbox_settings: Settings, images: ImageFetcher, database: Database, server: HttpsServer, url: str
) -> None:
    context = Authority(outbox_settings.root).issue("any.test").client_context()
    careful = ImageFetcher(database, shared_dns.resolver(outbox_settings), context)
    assert await fetched(careful, database, url.format(server.port)) == ProxiedImage("", b"")
    assert server.asked == []


async def test_each_redirect_is_judged_by_the_address_that_it_leads_to(
    outbox_settings: Settings, database: Database, dns: DnsServer, server: HttpsServer
) -> None:
    dns.set("web.test", "A", "127.0.0.1")
    dns.set("inner.test", "A", "127.0.0.9")
    context = Authority(outbox_settings.root).issue("any.test").client_context()
    only_one = targets.or_in([ipaddress.ip_network("127.0.0.1/32")])
    images = ImageFetcher(database, shared_dns.resolver(outbox_settings), context, may_ask=only_one)
    with HttpsServer(None, host="127.0.0.9") as inner:
        inner.pages["/a.gif"] = IMAGE
        server.pages["/x"] = Page(status=302, headers={"Location": f"http://inner.test:{inner.port}/a.gif"})
        assert await fetched(images, database, f"http://web.test:{server.port}/x") == ProxiedImage("", b"")
        assert len(server.asked) == 1 and inner.asked == []


@pytest.mark.parametrize(("address", "port"), [("8.8.8.8", 25), ("10.0.0.1", 443), ("::1", 443)])
def test_other_services_are_left_alone(address: str, port: int) -> None:
    assert fetcher.may_be_asked("8.8.8.8", 80)
    assert not fetcher.may_be_asked(address, port)


async def test_who_has_very_many_images_holds_up_nobody(database: Database) -> None:
    many = [f"http://a.test/{number}" for number in range(1000)]
    await database.awrite(lambda tx: store.ask(tx, "alice", many, time.time()))
    await database.awrite(lambda tx: store.ask(tx, "bob", ["http://b.test/"], time.time()))
    found = await database.aread(lambda tx: store.unanswered(tx, time.time(), 1000))
    assert [each.owner for each in found].count("alice") == store.AT_ONCE_OF_ONE
    assert "bob" in [each.owner for each in found[:2]]
    assert await database.aread(lambda tx: store.waiting(tx, "alice", many, time.time())) == store.MOST_WAITING


async def test_the_oldest_images_make_room(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_OCTETS", 250)
    urls = [f"http://a.test/{number}" for number in range(5)]
    await database.awrite(lambda tx: store.ask(tx, "alice", urls, 1000))
    for request in await database.aread(lambda tx: store.unanswered(tx, 1000, 10)):
        image = ProxiedImage("image/gif", b"x" * 100)
        await database.awrite(partial(store.answer, request=request, image=image, now=1000))
    there = [await database.aread(partial(store.get, owner="alice", url=url)) is not None for url in urls]
    assert there == [False, False, False, True, True]


async def test_a_day_later_nothing_is_left(database: Database) -> None:
    await database.awrite(lambda tx: store.ask(tx, "alice", ["http://a.test/"], 1000))
    request = ImageRequest(1, "alice", "http://a.test/")
    await database.awrite(lambda tx: store.answer(tx, request, ProxiedImage("image/gif", GIF), 1000))
    assert await database.awrite(lambda tx: store.sweep(tx, 1000 + store.KEPT)) == 1


async def test_what_failed_is_tried_again_a_minute_later(database: Database) -> None:
    urls = ["http://a.test/"]
    await database.awrite(lambda tx: store.ask(tx, "alice", urls, 1000))
    await database.awrite(lambda tx: store.answer(tx, ImageRequest(1, "alice", urls[0]), None, 1000))
    assert await database.aread(lambda tx: store.missing(tx, "alice", urls, 1030)) == []
    assert await database.aread(lambda tx: store.missing(tx, "alice", urls, 1061)) == urls
