"""make bench-web - how long lists, counts, reads and searches take beside a million messages.

    PYTHONPATH=tests .venv/bin/python -m bench.web [--directory DIR] [--messages N] [--inbox N] [--users N]
                                                   [--requests N] [--case NAME …] [--code DIR]

Makes the database of bench/mailbox_database.py in DIRECTORY (default var/bench-web; it stays, so that the next run has
it), starts web on it, and asks for each thing over kept connections, by one client and by eight. The figures are
milliseconds of wall clock at the 95th percentile, requests a second, and milliseconds of the server's processor time
for a request.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onifast_outbox.filing import indexer
from onifast_shared.accounts import api_tokens, sessions
from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.accounts.sessions import SessionLimits
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings, describe

from bench import mailbox_database, web_memory
from bench.letters import EVERYWHERE, LARGE, RARE, TENTH, Numbers, address_of
from bench.servers import cpu_seconds, program
from bench.web_load import Case, Latency, ask, measure
from peers.ports import free_port

CLIENTS = (1, 8)
REQUESTS = 400
_DIRECTORY = Path(__file__).parent.parent / "var/bench-web"
_RATES = tuple(item.name for item in describe() if item.name.startswith("api_calls_per_minute"))
_WARM_UP = 4.0  # seconds
_DEEP = 9 / 10  # of the inbox, where a page deep in a list lies


@dataclass(frozen=True)
class Logins:
    """What the requests carry."""

    token: str
    service: str
    cookie: str

    @property
    def user(self) -> str:
        """Header lines of the user with the large inbox, as a program."""
        return f"Authorization: Bearer {self.token}\r\n"

    @property
    def panel(self) -> str:
        """Those of the panel, which sees everybody's mail."""
        return f"Authorization: Bearer {self.service}\r\n"

    @property
    def browser(self) -> str:
        """Those of the user with the large inbox, as a browser."""
        return f"Cookie: onifast_mail={self.cookie}\r\nAccept: text/html\r\nSec-Fetch-Site: same-origin\r\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures each case, and prints a line for each."""
    parser = argparse.ArgumentParser(description="Measure lists, counts, reads and searches.")
    parser.add_argument("--directory", type=Path, default=_DIRECTORY)
    for name, default in asdict(Numbers()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--case", nargs="+", help="those whose name begins so")
    parser.add_argument("--code", type=Path, help="another checkout, whose web is measured")
    asked = parser.parse_args(arguments)
    if asked.code:
        os.environ["PYTHONPATH"] = os.pathsep.join(str(asked.code / each) for each in ("shared", "services/web"))
    began = time.monotonic()
    mailbox_database.build(asked.directory, Numbers(asked.messages, asked.inbox, asked.users))
    print(f"{asked.messages} messages, made in {time.monotonic() - began:.0f} s (or there before)")
    print(f"{'':38}" + "".join(f"{f'{clients} clients':>26}" for clients in CLIENTS))
    print(f"{'':38}" + f"{'median    p95   /s  CPU ms':>26}" * len(CLIENTS))
    with _web(asked.directory) as (address, session, logins):
        _warm_up(address, logins)
        for case in _cases(asked.directory, address, logins):
            if not asked.case or case.name.startswith(tuple(asked.case)):
                columns = "".join(_shown(address, session, case, n, asked.requests) for n in CLIENTS)
                print(f"{case.name:38}{columns}", flush=True)
        if not asked.case or "memory" in asked.case:
            _show_memory(address, session, logins, asked.directory)
    return 0


def _warm_up(address: tuple[str, int], logins: Logins) -> None:
    """Web begins its second process while the first is busy, as it is for most of what follows."""
    began = time.monotonic()
    while time.monotonic() - began < _WARM_UP:
        measure(address, Case("warm-up", ["/folders/inbox"], logins.browser), 4, 100)


def _show_memory(address: tuple[str, int], session: int, logins: Logins, root: Path) -> None:
    attachments = web_memory.Attachments(address, logins.token, address_of(LARGE))
    found = web_memory.measure(session, attachments, lambda: asyncio.run(_index_new(root)))
    print(
        f"web, {web_memory.AT_ONCE} attachments of 30 MiB in and {web_memory.AT_ONCE} out at once:"
        f" {found.before:.0f} MiB PSS before, {found.most:.0f} at the most, {found.after:.0f} after;"
        f" downloads began within {found.first_octet * 1000:.0f} ms"
    )


async def _index_new(root: Path) -> None:
    """What outbox does with new messages."""
    db = Database.open(Settings(root=root, hostname="mail.bench.test").database)
    try:
        while await indexer.run_once(db):
            pass
    finally:
        db.close()


def _shown(address: tuple[str, int], session: int, case: Case, clients: int, requests: int) -> str:
    before = cpu_seconds(session)
    found: Latency = measure(address, case, clients, requests)
    cpu = (cpu_seconds(session) - before) / (found.requests + clients) * 1000
    return f"{found.median:8.1f}{found.p95:7.1f}{found.per_second:5.0f}{cpu:6.1f}"


@contextmanager
def _web(root: Path) -> Iterator[tuple[tuple[str, int], int, Logins]]:
    """Web on a database: where it listens, the session of its processes, and who may ask."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        program("web", Path(folder), _settings(root, port)) as pid,
    ):
        yield ("127.0.0.1", port), pid, _logins(Settings(root=root, hostname="mail.bench.test"))


def _settings(root: Path, port: int) -> Mapping[str, str]:
    return {
        "root": str(root),
        "hostname": "mail.bench.test",
        "run_as": "root",
        "http_listen": f"127.0.0.1:{port}",
        **dict.fromkeys(_RATES, "0"),
    }


def _logins(settings: Settings) -> Logins:
    user = UserDirectory(settings).get(LARGE)
    stored = user.password_hash.reveal() if user and user.password_hash else ""

    def make(tx: Connection) -> tuple[str, str]:
        now = time.time()
        token, _ = api_tokens.create(tx, LARGE, "bench", now)
        cookie, _ = sessions.create_session(tx, LARGE, now, SessionLimits(86400, 86400), stored)
        return token, cookie

    db = Database.open(settings.database)
    try:
        token, cookie = db.write(make)
    finally:
        db.close()
    return Logins(token, settings.panel_token_path.read_text().strip(), cookie)


def _cases(root: Path, address: tuple[str, int], logins: Logins) -> Iterator[Case]:
    ids, deep = _places(Settings(root=root, hostname="mail.bench.test"))
    inbox = "/api/mail/list?folder=inbox"
    yield Case("list of 50", [inbox], logins.user)
    yield Case("list of 50, deep", [f"{inbox}&cursor={deep}"], logins.user)
    yield Case("list of 50, an address", [f"{inbox}&address=p17@other17.test"], logins.user)
    yield Case("read", [f"/api/mail/read?id={each}&mark_read=0" for each in ids], logins.user)
    yield Case("counts", ["/api/mail/counts"], logins.user)
    yield Case("counts, the service token", ["/api/mail/counts"], logins.panel)
    for name, q in (("rare word", RARE), ("10 % of all", TENTH), (f'"{EVERYWHERE}"', EVERYWHERE), ("one letter", "x")):
        yield Case(f"search: {name}", [f"{inbox}&q={q}"], logins.user)
    yield Case("search: one letter, often", [f"{inbox}&q=t"], logins.user)
    yield Case("search: in all, by rank", [f"/api/mail/list?folder=all&sort=rank&q={TENTH}"], logins.user)
    yield Case("search: operators", [f"{inbox}&q=from:p17+-{TENTH}+is:unread+{EVERYWHERE}"], logins.user)
    yield Case("search: none fits", [f"{inbox}&q=in:junk+{EVERYWHERE}"], logins.user)
    yield Case("webmail inbox", ["/folders/inbox"], logins.browser)
    yield Case("webmail inbox, deep", [f"/folders/inbox?cursor={deep}"], logins.browser)
    yield Case("webmail message", [f"/messages/{each}" for each in ids], logins.browser)
    yield Case("webmail search: rare word", [f"/folders/inbox?q={RARE}"], logins.browser)
    for name, path in (("counts", "/api/mail/counts"), ("list of 50", inbox)):
        unchanged = Case(name, [path], logins.browser)
        if etag := _etag(address, unchanged):
            yield Case(f"{name}, unchanged", [path], f"{logins.browser}If-None-Match: {etag}\r\n", 304)


def _places(settings: Settings) -> tuple[list[int], str]:
    """Ids of messages that are read, and the cursor of a page deep in the list."""

    def find(tx: Connection) -> tuple[list[int], str]:
        rows: list[tuple[Any, ...]] = tx.execute(
            "SELECT id, received_ts FROM emails WHERE owner = ? AND folder = 'inbox' ORDER BY received_ts DESC",
            (LARGE,),
        ).fetchall()
        deep = rows[int(len(rows) * _DEEP)]
        return [row[0] for row in rows[:: max(1, len(rows) // 200)]], f"{deep[1]}-{deep[0]}"

    db = Database.open(settings.database)
    try:
        return db.read(find)
    finally:
        db.close()


def _etag(address: tuple[str, int], case: Case) -> str:
    with socket.create_connection(address, 30) as connection:
        head, _ = ask(connection, case.paths[0], case)
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "etag":
            return value.strip()
    return ""


if __name__ == "__main__":
    sys.exit(main())
