"""docs/proxy.md, taken at its word: real web servers before the live webmail, below /mail."""

from __future__ import annotations

import re
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from http.cookiejar import Cookie, CookieJar
from pathlib import Path

import pytest
from folders import open_folder
from onifast_shared.db.database import Database
from onifast_shared.machine import sockets
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_web.app import create_app
from onifast_web.serving.serve import WebServer

from fakes.certificates import Authority, Certificate
from peers import web_servers
from web.composing import LETTER
from web.support import add_user, deliver

pytestmark = [pytest.mark.peers, pytest.mark.root]

PAGE = Path(__file__).parents[2] / "docs/proxy.md"
KINDS = ("nginx", "apache", "caddy")
SOCKETS = {
    "nginx": ("http://127.0.0.1:4031", "http://unix:/run/onifast-mail/web.sock"),
    "apache": ('"http://127.0.0.1:4031/mail/"', '"unix:/run/onifast-mail/web.sock|http://localhost/mail/"'),
    "caddy": ("127.0.0.1:4031", "unix//run/onifast-mail/web.sock"),
}
CUT = {  # what each server says to take the prefix off the path
    "nginx": ("http://127.0.0.1:4031;", "http://127.0.0.1:4031/;"),
    "apache": ("127.0.0.1:4031/mail/", "127.0.0.1:4031/"),
    "caddy": ("handle /mail/*", "handle_path /mail/*"),
}


def configuration(kind: str, place: int = 0) -> str:
    found: list[str] = re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return found[place]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for the servers' files, which their accounts reach."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def certificate(place: Path) -> Certificate:
    made = Authority(place).issue("localhost")
    made.key.parent.chmod(0o755)
    made.key.chmod(0o644)  # Caddy reads it as www-data
    return made


@contextmanager
def serving(settings: Settings, database: Database, listen: Listen) -> Iterator[tuple[str, int]]:
    """onifast-web at a TCP port or a Unix socket; gives the socket's name."""
    listener = sockets.bind(listen, group=settings.http_socket_group)
    name = listener.getsockname()
    server = WebServer(create_app(settings, database), [listener], settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield name
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


class Visitor:
    """A browser without scripts, that follows what it is told and keeps cookies."""

    def __init__(self, root: str, certificate: Certificate) -> None:
        self.root = root
        self.cookies = CookieJar()
        context: ssl.SSLContext = certificate.client_context()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, address in the end, and the page."""
        return self._open(urllib.request.Request(urllib.parse.urljoin(self.root, path)))

    def post(self, path: str, fields: dict[str, str]) -> tuple[int, str, str]:
        data = urllib.parse.urlencode(fields).encode()
        headers = {"Origin": self.root, "Content-Type": "application/x-www-form-urlencoded"}
        return self._open(urllib.request.Request(urllib.parse.urljoin(self.root, path), data, headers))

    def log_in(self, user: str) -> tuple[int, str, str]:
        return self.post("/mail/login", {"username": user, "password": f"{user} password"})

    def cookie(self) -> Cookie:
        [found] = self.cookies
        return found

    def _open(self, request: urllib.request.Request) -> tuple[int, str, str]:
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.url, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.url, error.read().decode(errors="replace")


def links(page: str) -> set[str]:
    found = {unescape(link) for link in re.findall(r'\b(?:href|src|action)="([^"]*)"', page)}
    return {link.partition("#")[0] for link in found if not link.startswith(("#", "mailto:", "data:"))}


def crawl(visitor: Visitor) -> int:
    """Opens whatever is linked, from the inbox on: all lies below /mail and is there. Returns how much it was."""
    waiting, seen = ["/mail/"], set[str]()
    while waiting and len(seen) < 120:
        path = waiting.pop(0)
        status, _, page = visitor.get(path)
        assert status in {200, 405} or path.startswith("/mail/api/"), (path, status)
        for link in sorted(links(page) if "<html" in page else ()):
            url = urllib.parse.urljoin(urllib.parse.urljoin(visitor.root, path), link)
            assert url.startswith(f"{visitor.root}/mail/"), (path, link)
            where = url.removeprefix(visitor.root)
            if where not in seen and "logout" not in where:
                seen.add(where)
                waiting.append(where)
    return len(seen)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["kept", "cut", "socket"])
def test_the_whole_webmail_lies_below_the_prefix(
    kind: str, way: str, settings: Settings, database: Database, certificate: Certificate
) -> None:
    deliver(database, subject="Hello")
    text, place = configuration(kind), certificate.authority.parent
    path = place / "run" / "web.sock"
    path.parent.mkdir(mode=0o755)
    if way == "cut":
        text = text.replace(*CUT[kind])
    if way == "socket":
        text = text.replace(*SOCKETS[kind]).replace("/run/onifast-mail/web.sock", str(path))
        settings = replace(settings, http_socket_group="www-data")
        listen = Listen("", 0, path)
    else:
        settings = replace(settings, trusted_proxy_users=("root", "www-data"))
        listen = Listen("127.0.0.1", 0)
    with serving(settings, database, listen) as name:
        text = text.replace("127.0.0.1:4031", f"127.0.0.1:{name[1]}")
        with web_servers.running(kind, text, place / kind, certificate.chain, certificate.key) as root:
            visitor = Visitor(root, certificate)
            assert visitor.get("/mail")[1] == f"{root}/mail/login"
            status, where, page = visitor.log_in("demo")
            assert (status, where) == (200, f"{root}/mail/folders/inbox") and "Hello" in page
            cookie = visitor.cookie()
            assert cookie.path == "/mail" and cookie.secure
            assert crawl(visitor) > 20


# Not Caddy: it hangs up on whoever still sends when the answer is there.
@pytest.mark.parametrize("kind", ["nginx", "apache"])
def test_what_is_too_large_is_told_by_us(
    kind: str, settings: Settings, database: Database, certificate: Certificate, place: Path
) -> None:
    settings = replace(settings, trusted_proxy_users=("root", "www-data"), max_message_size=4 * 1024 * 1024)
    with serving(settings, database, Listen("127.0.0.1", 0)) as name:
        text = configuration(kind).replace("127.0.0.1:4031", f"127.0.0.1:{name[1]}")
        with web_servers.running(kind, text, place / kind, certificate.chain, certificate.key) as root:
            visitor = Visitor(root, certificate)
            _, _, page = visitor.log_in("demo")
            token = re.search(r'name="csrf-token" content="([^"]+)"', page)
            assert token
            fields = {"csrf_token": token[1], "do": "save", "subject": "Long"} | LETTER
            status, _, page = visitor.post("/mail/compose", fields | {"text": "ab \n" * 500_000})
            assert status == 200, (status, re.findall(r"<p[^>]*error[^>]*>([^<]*)", page))
            status, _, page = visitor.post("/mail/compose", fields | {"text": "ab \n" * 2_500_000})
            assert status == 413 and "the most that Onifast Mail takes" in page, (status, page[:500])


def test_a_web_server_that_is_not_trusted_is_named_in_the_log_and_to_administrators(
    settings: Settings,
    database: Database,
    certificate: Certificate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add_user(settings, "root-admin", is_admin=True)
    settings = replace(settings, url_prefix="/mail")  # else nobody gets as far as the login behind such a server
    with serving(settings, database, Listen("127.0.0.1", 0)) as name:
        text = configuration("nginx").replace("127.0.0.1:4031", f"127.0.0.1:{name[1]}")
        with web_servers.running(
            "nginx", text, certificate.authority.parent / "nginx", certificate.chain, certificate.key
        ) as root:
            for user, is_told in (("root-admin", True), ("demo", False)):
                visitor = Visitor(root, certificate)
                _, _, page = visitor.post("/mail/login", {"username": user, "password": f"{user} password"})
                assert ("came through the Unix user www-data" in page) is is_told, page[:3000]
    lines = [record.getMessage() for record in caplog.records if "proxy-not-trusted" in record.getMessage()]
    assert len(lines) == 1 and "unix_user=www-data" in lines[0] and "setting=trusted_proxy_users" in lines[0], lines
    assert "X-Forwarded-Prefix" in lines[0]


def test_mail_programs_and_other_sites_reach_what_they_ask(
    settings: Settings, database: Database, certificate: Certificate, place: Path
) -> None:
    settings = replace(settings, trusted_proxy_users=("root", "www-data"), imap_host="imap.host.test")
    with serving(settings, database, Listen("127.0.0.1", 0)) as name:
        text = configuration("nginx", 1).replace("127.0.0.1:4031", f"127.0.0.1:{name[1]}")
        text = text.replace("shop.example", "example.test")
        with web_servers.running("nginx", text, place / "nginx", certificate.chain, certificate.key) as root:

            def ask(host: str, path: str, body: bytes | None = None) -> tuple[int, str]:
                request = urllib.request.Request(root + path, body, {"Host": host, "Content-Type": "text/xml"})
                status, _, page = Visitor(root, certificate)._open(request)
                return status, page

            assert "imap.host.test" in ask("autoconfig.example.test", "/mail/config-v1.1.xml")[1]
            assert "imap.host.test" in ask("autoconfig.example.test", "/.well-known/autoconfig/mail/config-v1.1.xml")[1]
            asked = b"<a><EMailAddress>demo@example.test</EMailAddress></a>"
            assert "imap.host.test" in ask("autodiscover.example.test", "/Autodiscover/AutoDiscover.xml", asked)[1]
            assert "mode: testing" in ask("mta-sts.example.test", "/.well-known/mta-sts.txt")[1]
            assert ask("mta-sts.evil.test", "/.well-known/mta-sts.txt")[0] == 404
            assert ask("autoconfig.example.test", "/login")[0] == 404
