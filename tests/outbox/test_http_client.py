"""What a small HTTPS client has to put up with."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_outbox.http_client import BadCertificate, HttpClient, HttpError, HttpResponse
from onifast_shared.machine import dns as shared_dns
from onifast_shared.machine.config import Settings

from fakes.certificates import Authority
from fakes.dns import DnsServer
from fakes.https_server import HttpsServer, Page


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[HttpsServer]:
    with HttpsServer(authority.issue("web.test").server_context()) as running:
        yield running


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer({"web.test": {"A": ["127.0.0.1"]}, "other.test": {"A": "127.0.0.1"}}) as running:
        yield running


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    return authority.issue("any.test").client_context()


def client(dns: DnsServer, context: ssl.SSLContext, timeout: float = 60) -> HttpClient:
    return HttpClient(shared_dns.resolver(Settings(dns_servers=((dns.host, dns.port),))), context, timeout=timeout)


async def fetch(server: HttpsServer, dns: DnsServer, context: ssl.SSLContext, page: Page) -> HttpResponse:
    server.pages["/x?y=1"] = page
    return await client(dns, context).get(f"https://web.test:{server.port}/x?y=1", limit=100)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
    ],
    ids=["chunked", "interim", "until the end"],
)
async def test_an_answer_may_come_in_many_forms(
    server: HttpsServer, dns: DnsServer, context: ssl.SSLContext, raw: bytes
) -> None:
    answer = await fetch(server, dns, context, Page(raw=raw))
    assert (answer.status, answer.body) == (200, b"abcde")


@pytest.mark.parametrize(
    "page",
    [
        Page(b"x" * 101),
        Page(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        Page(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc"),
        Page(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
        Page(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"),
        Page(raw=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        Page(raw=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", stall=True),
    ],
    ids=["too long", "cut off", "two lengths", "not HTTP", "endless header", "endless hints", "other protocol"],
)
async def test_what_is_no_answer_is_an_error(
    server: HttpsServer, dns: DnsServer, context: ssl.SSLContext, page: Page
) -> None:
    with pytest.raises(HttpError):
        await fetch(server, dns, context, page)


async def test_a_server_that_says_nothing_is_waited_for_so_long(
    server: HttpsServer, dns: DnsServer, context: ssl.SSLContext
) -> None:
    server.pages["/"] = Page(stall=True)
    with pytest.raises(HttpError, match=r"no answer within 0\.5 s"):
        await client(dns, context, timeout=0.5).get(f"https://web.test:{server.port}/", limit=100)


async def test_a_server_has_to_prove_its_name(server: HttpsServer, dns: DnsServer, context: ssl.SSLContext) -> None:
    with pytest.raises(BadCertificate):
        await client(dns, context).get(f"https://other.test:{server.port}/", limit=100)
    assert server.asked == []


@pytest.mark.parametrize("url", ["http://web.test/", "ftp://web.test/", "https:///x", "https://web.test:99999/", "x"])
async def test_only_https_is_spoken(dns: DnsServer, context: ssl.SSLContext, url: str) -> None:
    with pytest.raises(HttpError):
        await client(dns, context).get(url, limit=100)
    assert dns.queries == []


async def test_a_name_without_an_address_is_an_error(dns: DnsServer, context: ssl.SSLContext) -> None:
    with pytest.raises(HttpError, match="has no address"):
        await client(dns, context).get("https://nowhere.test/", limit=100)


@pytest.mark.parametrize(
    "page",
    [
        Page(b"x" * 101, status=202),
        Page(raw=b"HTTP/1.1 202 Fine\r\nContent-Length: 10\r\n\r\nabc"),
        Page(raw=b"HTTP/1.1 202 Fine\r\nContent-Length: 10\r\n\r\nabc", stall=True),
        Page(raw=b"HTTP/1.1 202 Fine\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
    ],
    ids=["too long", "cut off", "stalls", "broken"],
)
async def test_what_was_taken_is_taken_whatever_the_server_says_next(
    server: HttpsServer, dns: DnsServer, context: ssl.SSLContext, page: Page
) -> None:
    server.pages["/in"] = page
    timeout = 0.5 if page.stall else 60
    url = f"https://web.test:{server.port}/in"
    answer = await client(dns, context, timeout).post(url, "text/plain", b"hello", limit=100)
    assert answer.status == 202 and len(answer.body) <= 100
    assert [asked.body for asked in server.asked] == [b"hello"]
