"""A whole onifast-mail for a test: a panel's tree, the three real programs on free ports, one database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import sqlite_shell
from onifast_shared.dkim.keys import dns_value, load

from fakes.dns import DnsServer
from peers.ports import free_port

PROGRAMS = ("smtpd", "web", "outbox")
PATIENCE = 30.0
HOSTNAME = "mail.host.test"
UNIX_ID = 64310  # owns the users' homes: no copy is ever written as root
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What the API said."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.text)


@dataclass
class Site:
    """The host `mail.host.test` with its panel users. Loopback is 127.0.0.1 alone, so 127.0.0.9 is another machine."""

    folder: Path
    dns: DnsServer
    outbound_port: int = 25
    settings: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.folder / "onifast"
        self.home_root = self.folder / "home"
        for directory in (
            self.root / "users",
            self.root / "certs",
            self.root / "config",
            self.root / "sso",
            self.home_root,
        ):
            directory.mkdir(parents=True, exist_ok=True)
        self.smtp_port, self.submission_port, self.http_port = free_port(), free_port(), free_port()
        self.database = self.root / "config" / "onifast-mail.db"

    def __enter__(self) -> Site:
        try:
            self.start(*PROGRAMS)
        except BaseException:
            self.stop(*self.running)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(*self.running)

    # The panel's part

    def add_user(self, name: str, password: str, *addresses: str, **more: Any) -> None:
        """A panel user with a file, a home, and addresses that the panel INSERTs."""
        crypted = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True)
        values = {"username": name, "password": crypted.stdout.strip(), **more}
        (self.root / "users" / f"{name}.json").write_text(json.dumps(values), "utf-8")
        (self.home_root / name).mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.home_root / name, UNIX_ID, UNIX_ID)
        for address in addresses:
            self.sql(f"INSERT INTO mail_addresses (address, owner) VALUES ('{address}', '{name}');")

    def add_dkim_key(self, domain: str) -> Path:
        """A key as an administrator makes one, and its record in the DNS."""
        path = self.root / "certs" / domain / "dkim_private.pem"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_private_key(domain))
        (key,) = load(self.root / "certs", domain, "mail")
        self.dns.set(f"mail._domainkey.{domain}", "TXT", dns_value(key))
        return path

    def sql(self, statements: str) -> list[str]:
        """Runs SQL with Debian's sqlite3, as a script would."""
        return sqlite_shell.run(self.database, statements)

    # The programs

    @property
    def environment(self) -> dict[str, str]:
        """What the programs are started with."""
        settings = {
            "root": str(self.root),
            "home_root": str(self.home_root),
            "hostname": HOSTNAME,
            "run_as": "root",
            "smtp_listen": f"127.0.0.1:{self.smtp_port}",
            "submission_listen": f"127.0.0.1:{self.submission_port}",
            "submissions_listen": "",
            "http_listen": f"127.0.0.1:{self.http_port}",
            "loopback_networks": "127.0.0.1/32",
            "dns_servers": self.dns.address,
            "dns_timeout": "20s",
            "outbound_port": str(self.outbound_port),
            "retry_first": "1s",
            "retry_max": "2s",
            "lease_seconds": "5s",
            "undo_send": "1s",
            **self.settings,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ONIFAST_")}
        return inherited | self.environ | {f"ONIFAST_MAIL_{name.upper()}": value for name, value in settings.items()}

    def log(self, program: str) -> str:
        """All that a program has logged."""
        path = self.folder / f"{program}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self, *programs: str) -> None:
        """Starts programs and waits until they serve."""
        for program in programs:
            with (self.folder / f"{program}.log").open("ab") as log:
                self.running[program] = subprocess.Popen(
                    [Path(sys.executable).with_name(f"onifast-{program}")],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        for program in programs:
            pid = self.running[program].pid
            self.eventually(lambda pid=pid, program=program: self._serves(program, pid), f"{program} serves")  # type: ignore[misc]

    def stop(self, *programs: str) -> dict[str, int]:
        """Ends programs as supervisord does; returns their exit codes."""
        ended = {program: self.running.pop(program) for program in list(programs)}
        for process in ended.values():
            process.terminate()
        return {program: process.wait(PATIENCE) for program, process in ended.items()}

    def kill(self, program: str) -> None:
        """Kills a program and its children, as a crash or the kernel would."""
        process = self.running.pop(program)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)

    def run(self, command: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the project's commands to its end."""
        extra = {f"ONIFAST_MAIL_{name.upper()}": value for name, value in settings.items()}
        return subprocess.run(
            [Path(sys.executable).with_name(command), *arguments],
            env=self.environment | extra,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    # The API, with the panel's service token

    @property
    def base_url(self) -> str:
        """Where the webmail is."""
        return f"http://127.0.0.1:{self.http_port}"

    def api(
        self, method: str, path: str, body: Any = None, *, user: str | None = None, token: str | None = None
    ) -> Answer:
        """One call as the panel makes it: for `user`, or as an administrator; with another `token`, as its owner."""
        headers = {"Authorization": f"Bearer {token or self.panel_token}"}
        if user is not None:
            headers["X-Onifast-User"] = user
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return Answer(response.status, dict(response.headers), response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    @property
    def panel_token(self) -> str:
        """The service token that web made at its first start."""
        return (self.root / "config" / "panel.token").read_text("ascii").strip()

    # Waiting

    def eventually(self, what: Callable[[], T], description: str, timeout: float = PATIENCE) -> T:
        """What `what` gives as soon as it is true; fails with the programs' logs if it takes too long."""
        deadline = time.monotonic() + timeout
        while not (result := what()):
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {program}\n{self.log(program)[-3000:]}" for program in PROGRAMS)
                raise AssertionError(f"not within {timeout:.0f} s: {description}\n{logs}")
            time.sleep(0.05)
        return result

    def wait_for_mail(self, user: str, subject: str, folder: str = "inbox") -> dict[str, Any]:
        """The message with a subject in a user's folder, as /api/mail/read gives it."""

        def find() -> int | None:
            rows = self.api("GET", f"/api/mail/list?folder={folder}&limit=200", user=user).json["emails"]
            return next((row["id"] for row in rows if row["subject"] == subject), None)

        email_id = self.eventually(find, f"mail {subject!r} for {user} in {folder}")
        message = self.api("GET", f"/api/mail/read?id={email_id}&mark_read=0", user=user).json
        assert isinstance(message, dict)
        return message

    def wait_for_status(self, outbox_id: int, *states: str) -> dict[str, Any]:
        """A queue row, once it is in one of the states."""

        def find() -> dict[str, Any] | None:
            rows = self.api("GET", "/api/mail/outbox?limit=200").json["outbox"]
            return next((row for row in rows if row["id"] == outbox_id and row["status"] in states), None)

        row = self.eventually(find, f"outbox row {outbox_id} is {' or '.join(states)}")
        assert row is not None
        return row

    def _serves(self, program: str, pid: int) -> bool:
        process = self.running[program]
        assert process.poll() is None, f"{program} ended with {process.returncode}\n{self.log(program)[-3000:]}"
        return any(f"[{pid}]" in line and " started " in line for line in self.log(program).splitlines())


@cache
def _private_key(domain: str) -> bytes:
    """One key for a domain: the sites of all tests share a DNS, which has one record for it."""
    return subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout


def headers_of(message: Mapping[str, Any], name: str) -> list[str]:
    """The values of a header in what /api/mail/read gave, top one first."""
    return [value for key, value in message["headers"] if key.lower() == name.lower()]
