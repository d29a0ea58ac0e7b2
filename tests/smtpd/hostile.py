"""What hostile clients are tried on: the program in a process of its own, its memory, and a good client beside them."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import sqlite_shell
from onifast_shared.db.database import Database

from peers.ports import free_port

HERE = "127.0.0.1"
OUTSIDE = "127.0.0.9"
PATIENCE = 60.0
MIB = 1024 * 1024


class Hostess:
    """onifast-smtpd for mail.host.test, in one process; mail for alice@here.test is taken."""

    def __init__(self, folder: Path, descriptors: int = 4096, **settings: str) -> None:
        self.folder = folder
        self.descriptors = descriptors
        self.port, self.submissions_port = free_port(), free_port()
        self.log = folder / "smtpd.log"
        self.settings = {
            "root": str(folder / "onifast"),
            "hostname": "mail.host.test",
            "run_as": "root",
            "smtp_listen": f"{HERE}:{self.port}",
            "submission_listen": "",
            "submissions_listen": f"{HERE}:{self.submissions_port}",
            "loopback_networks": f"{HERE}/32",
            "smtpd_processes": "1",
            **settings,
        }
        for name in ("users", "certs", "config"):
            (folder / "onifast" / name).mkdir(parents=True)
        self.database = folder / "onifast/config/onifast-mail.db"

    def __enter__(self) -> Self:
        Database.open(self.database).close()
        self.sql("INSERT INTO mail_addresses (address, owner) VALUES ('alice@here.test', 'alice');")
        environment = {f"ONIFAST_MAIL_{name.upper()}": value for name, value in self.settings.items()}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/usr/bin/prlimit", f"--nofile={self.descriptors}", sys.executable, "-m", "onifast_smtpd.main"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while " started " not in self.log.read_text():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            assert self._process.wait(PATIENCE) == 0
        finally:
            self._process.kill()
        assert "Traceback" not in self.log.read_text(errors="replace")

    def sql(self, statements: str) -> list[str]:
        return sqlite_shell.run(self.database, statements)

    def messages(self) -> int:
        """How many messages have been taken in, for mailboxes and for elsewhere."""
        return int(self.sql("SELECT (SELECT count(*) FROM emails) + (SELECT count(*) FROM outbox);")[0])

    def client(self, source: str = OUTSIDE) -> Client:
        """A client that has read the greeting."""
        client = Client(self.port, source)
        assert client.reply().startswith("220 mail.host.test ESMTP")
        return client

    # Memory

    def memory(self) -> int:
        """Octets that the process has in memory."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most that it has had since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


class Client:
    """One connection, which sends just what the test says; blocking, with a time limit on everything."""

    def __init__(self, port: int, source: str = OUTSIDE) -> None:
        self.socket = socket.create_connection((HERE, port), timeout=PATIENCE, source_address=(source, 0))
        self._input = b""

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def try_to_send(self, octets: bytes) -> bool:
        """Sends as much as the server takes before it hangs up; whether it took all."""
        try:
            self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def line(self) -> str:
        """The next line without its end; empty if the server has hung up."""
        while b"\r\n" not in self._input:
            try:
                octets = self.socket.recv(65536)
            except ConnectionResetError:
                octets = b""
            if not octets:
                return ""
            self._input += octets
        line, _, self._input = self._input.partition(b"\r\n")
        return line.decode()

    def reply(self) -> str:
        """The last line of the next reply; empty if the server has hung up."""
        while (line := self.line())[3:4] == "-":
            pass
        return line

    def say(self, *commands: str) -> str:
        """Gives commands one by one; the last line of the last one's reply."""
        last = ""
        for command in commands:
            self.send(f"{command}\r\n".encode())
            last = self.reply()
        return last

    def rest(self) -> list[str]:
        """All lines until the server hangs up."""
        lines = []
        while line := self.line():
            lines.append(line)
        return lines

    def begin_data(self, recipients: Sequence[str] = ("alice@here.test",), ehlo: str = "client.test") -> None:
        """A transaction up to 354."""
        self.say(f"EHLO {ehlo}", "MAIL FROM:<someone@remote.test>")
        for recipient in recipients:
            assert self.say(f"RCPT TO:<{recipient}>").startswith("250 2.1.5"), recipient
        assert self.say("DATA").startswith("354 ")

    def start_tls(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Witness(threading.Thread):
    """A good client, which sends one message after the other while others attack, and measures how long each took."""

    def __init__(self, hostess: Hostess) -> None:
        super().__init__()
        self._client = hostess.client("127.0.0.10")
        self._client.say("EHLO good.test")
        self._done = threading.Event()
        self.times: list[float] = []
        self.failed: list[str] = []

    def run(self) -> None:
        while not (self.times and self._done.wait(0.02)):
            begin = time.monotonic()
            self._client.say("MAIL FROM:<>", "RCPT TO:<alice@here.test>", "DATA")
            self._client.send(b"Subject: good\r\n\r\nText.\r\n.\r\n")
            reply = self._client.reply()
            self.times.append(time.monotonic() - begin)
            if not reply.startswith("250 "):
                self.failed.append(reply)
                return

    def finish(self) -> None:
        self._done.set()
        self.join()
        self._client.close()


class Siege:
    """An attack: a good client is served meanwhile, and memory stays below what it was and `growth` octets."""

    def __init__(self, hostess: Hostess, growth: int = 64 * MIB, slowest: float = 5.0) -> None:
        self._hostess = hostess
        self._growth = growth
        self._slowest = slowest
        self.report = ""

    def of(self, growth: int) -> Self:
        """The same, with so many octets allowed."""
        self._growth = growth
        return self

    def __enter__(self) -> Self:
        self._witness = Witness(self._hostess)
        self._hostess.forget_peak()
        self._before = self._hostess.memory()
        self._witness.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._witness.finish()
        if kind is not None or self._witness.failed:
            assert self._witness.failed == []
            return
        growth, times = self._hostess.peak() - self._before, self._witness.times
        self.report = (
            f"memory {self._before // MIB} MiB, at most {growth / MIB:+.1f} MiB; "
            f"meanwhile {len(times)} messages of a good client, the slowest {max(times):.3f} s"
        )
        assert max(times) < self._slowest, self.report
        assert growth < self._growth, self.report
