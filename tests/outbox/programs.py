"""The deliverer as a program of its own, as supervisord starts it, and a script that feeds it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import sqlite_shell
from onifast_shared.machine.config import Settings

PATIENCE = 30.0


class Program:
    """A running onifast-outbox, and what it has logged."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "onifast_outbox.main"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def wait_for(self, word: str, count: int = 1) -> None:
        """Returns once `count` lines hold `word`."""
        with self._changed:
            found = self._changed.wait_for(lambda: sum(word in line for line in self.lines) >= count, PATIENCE)
        assert found, "".join(self.lines)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal; the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # shows where it hangs
            self._reader.join()
            raise AssertionError("".join(self.lines)) from None
        self._reader.join()
        if self.process.stderr:
            self.process.stderr.close()
        return code


def insert(settings: Settings, *recipients: str) -> None:
    """What a script does."""
    rows = ", ".join(f"('alice@here.test', '{recipient}', 's', 'b')" for recipient in recipients)
    sqlite_shell.run(settings.database, f"INSERT INTO outbox (sender, recipient, subject, body) VALUES {rows}")


def statuses(settings: Settings) -> list[str]:
    return sqlite_shell.run(settings.database, "SELECT status FROM outbox ORDER BY id")
