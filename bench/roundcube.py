"""make bench-roundcube - how long a list, a message and a search take, beside Roundcube over Dovecot.

    PYTHONPATH=tests .venv/bin/python -m bench.roundcube [--directory DIR] [--messages N] [--requests N]
                                                         [--format maildir|mdbox] [--unpack]

Puts the same 100,000 messages into one inbox of each: into a database of ours (bench/mailbox_database.py) and into a
Maildir, or a mdbox made of it, in DIRECTORY (default var/bench-roundcube), where the next run finds them. Then it asks
both in turn over kept connections, logged in as a browser is, by one client and by eight, and prints milliseconds of
wall clock (median, 95th percentile) and the processor's for a request; at the end the memory (PSS) of all processes of
each. Roundcube's page of a folder has no messages in it: its script asks for them, which is a second request.

Roundcube comes from Debian's packages, which `--unpack` brings; without them, or without root, only we are measured.
"""

from __future__ import annotations

import argparse
import http.client
import re
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path

from bench import mailbox_database, roundcube_stack, web_memory
from bench.letters import LARGE, RARE, TENTH, Numbers
from bench.roundcube_stack import FORMATS, StackMissing
from bench.servers import cpu_seconds, program
from bench.web_load import Case, Latency, measure
from peers.ports import free_port

CLIENTS = (1, 8)
REQUESTS = 200
_DIRECTORY = Path(__file__).parent.parent / "var/bench-roundcube"
_WORDS = (RARE, TENTH)
_REST = 15  # seconds


@dataclass(frozen=True)
class Webmail:
    """One that is measured: its name, where it listens, its first process, all sessions, and what it is asked."""

    name: str
    address: tuple[str, int]
    pid: int
    sessions: Sequence[int]
    cases: Sequence[Case]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures both, and prints a line for each case of each."""
    parser = argparse.ArgumentParser(description="Measure the webmail beside Roundcube over Dovecot.")
    parser.add_argument("--directory", type=Path, default=_DIRECTORY)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    parser.add_argument("--unpack", action="store_true", help="bring Debian's packages first")
    asked = parser.parse_args(arguments)
    numbers = Numbers(asked.messages, asked.messages, 2)
    if asked.unpack:
        roundcube_stack.unpack(asked.directory / "packages")
    began = time.monotonic()
    mailbox_database.build(asked.directory / "ours", numbers)
    print(f"{asked.messages} messages in one inbox, ours made in {time.monotonic() - began:.0f} s (or there before)")
    with ExitStack() as stack:
        webmails = [stack.enter_context(_ours(asked.directory / "ours"))]
        try:
            webmails.append(stack.enter_context(_roundcube(asked.directory, numbers, asked.format)))
        except (StackMissing, TimeoutError) as error:
            print(error)
        _print_table(webmails, asked.requests)
    return 0


def _print_table(webmails: Sequence[Webmail], requests: int) -> None:
    print(f"{'':46}" + "".join(f"{f'{clients} clients':>26}" for clients in CLIENTS))
    print(f"{'':46}" + f"{'median    p95   /s  CPU ms':>26}" * len(CLIENTS))
    for cases in zip(*(webmail.cases for webmail in webmails), strict=True):
        for webmail, case in zip(webmails, cases, strict=True):
            columns = "".join(_measured(webmail, case, clients, requests) for clients in CLIENTS)
            print(f"{case.name:30}{webmail.name:16}{columns}", flush=True)
    loaded = [web_memory.pss(webmail.pid) for webmail in webmails]
    time.sleep(_REST)
    for webmail, before in zip(webmails, loaded, strict=True):
        after = web_memory.pss(webmail.pid)
        print(f"memory of {webmail.name}: {before:.0f} MiB PSS after that, {after:.0f} after {_REST} s of rest")


def _measured(webmail: Webmail, case: Case, clients: int, requests: int) -> str:
    before = cpu_seconds(*webmail.sessions)
    found: Latency = measure(webmail.address, case, clients, requests)
    cpu = (cpu_seconds(*webmail.sessions) - before) / (found.requests + clients) * 1000
    return f"{found.median:8.1f}{found.p95:7.1f}{found.per_second:5.0f}{cpu:6.1f}"


@contextmanager
def _ours(root: Path) -> Iterator[Webmail]:
    port = free_port()
    settings = {"root": str(root), "hostname": "mail.bench.test", "run_as": "root", "http_listen": f"127.0.0.1:{port}"}
    with tempfile.TemporaryDirectory() as folder, program("web", Path(folder), settings) as pid:
        visit = Visit(("127.0.0.1", port))
        visit.ask("POST", "/login", {"username": LARGE, "password": LARGE})
        page = visit.ask("GET", "/folders/inbox")
        ids = re.findall(r'href="(/messages/\d+)"', page)
        yield Webmail("ours", visit.address, pid, (pid,), _our_cases(ids, visit.headers))


def _our_cases(messages: Sequence[str], headers: str) -> list[Case]:
    headers += "Accept: text/html\r\nSec-Fetch-Site: same-origin\r\nAccept-Encoding: gzip\r\n"
    return [
        Case("a folder's page", ["/folders/inbox"], headers),
        Case("its messages", ["/folders/inbox"], headers),
        Case("a message", messages, headers),
        *(Case(f"search: {word}", [f"/folders/inbox?q={word}"], headers) for word in _WORDS),
    ]


@contextmanager
def _roundcube(directory: Path, numbers: Numbers, format: str) -> Iterator[Webmail]:
    """Raises StackMissing, TimeoutError."""
    roundcube_stack.check(directory / "packages")
    began = time.monotonic()
    roundcube_stack.fill(directory / "mail", numbers)
    with (
        tempfile.TemporaryDirectory() as folder,
        roundcube_stack.roundcube(directory / "packages", directory / "mail", format, Path(folder)) as stack,
    ):
        print(f"Roundcube's {format} filled and indexed in {time.monotonic() - began:.0f} s (or there before)")
        visit = Visit(stack.address)
        token = _token(visit.ask("GET", "/?_task=login"))
        login = {"_task": "login", "_action": "login", "_token": token, "_user": LARGE, "_pass": "any", "_url": ""}
        visit.ask("POST", "/?_task=login", login)
        token = _token(visit.ask("GET", "/?_task=mail&_mbox=INBOX"))
        headers = f"{visit.headers}X-Roundcube-Request: {token}\r\nX-Requested-With: XMLHttpRequest\r\n"
        yield Webmail("roundcube", stack.address, stack.pid, stack.sessions, _their_cases(numbers, headers))


def _their_cases(numbers: Numbers, headers: str) -> list[Case]:
    headers += "Accept-Encoding: gzip\r\n"
    mailbox = "/?_task=mail&_mbox=INBOX"
    messages = [f"{mailbox}&_uid={uid}&_action=show" for uid in range(numbers.inbox - 50, numbers.inbox)]
    # As its page asks by default: the subjects and authors, in this folder.
    search = f"{mailbox}&_action=search&_remote=1&_headers=subject%2Cfrom&_filter=ALL&_scope=base&_q="
    return [
        Case("a folder's page", [mailbox], headers),
        Case("its messages", [f"{mailbox}&_action=list&_remote=1"], headers),
        Case("a message", messages, headers),
        *(Case(f"search: {word}", [search + word], headers) for word in _WORDS),
    ]


def _token(page: str) -> str:
    found = re.search(r'"request_token":"(\w+)"', page)
    if found is None:
        raise StackMissing("Roundcube is left out: it does not let us in.")
    return found[1]


class Visit:
    """A browser's visit: keeps the cookies that it is given."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self._cookies: dict[str, str] = {}

    @property
    def headers(self) -> str:
        """The header lines of its requests."""
        return f"Cookie: {'; '.join(f'{name}={value}' for name, value in self._cookies.items())}\r\n"

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> str:
        """One request; the page. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        headers = {"Cookie": self.headers[8:].strip()} if self._cookies else {}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value
        page = answer.read().decode()
        connection.close()
        return page


if __name__ == "__main__":
    sys.exit(main())
