"""What the real sites that receive mail have in common: one process, mailboxes in maildir form, a log."""

import contextlib
import os
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from fakes.certificates import Certificate
from peers.ports import free_port

_PATIENCE = 30.0  # seconds for starting, stopping and one delivery, on a busy machine
_POLL = 0.02


class SiteError(Exception):
    """The site did not start or deliver; the text ends with its log."""


class RemoteSite(ABC):
    """A site that runs from ``__enter__`` to ``__exit__``, with mailboxes for *users* of *domain*.

    It offers STARTTLS with *certificate*, takes messages of up to *size_limit* octets, and refuses other users.
    """

    def __init__(
        self,
        certificate: Certificate,
        *,
        domain: str = "remote.test",
        host: str,
        port: int = 0,
        users: Sequence[str] = ("alice", "bob"),
        size_limit: int = 100 * 1024,
    ) -> None:
        self.domain = domain
        self.host = host
        self.port = port
        self.hostname = f"mx.{domain}"
        self.users = users
        self.certificate = certificate
        self.size_limit = size_limit

    def messages(self, user: str) -> list[bytes]:
        """Returns the messages in the mailbox of *user*, oldest first, with LF line ends."""
        files = sorted((self.mailboxes / user / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes().replace(b"\r\n", b"\n") for path in files]

    def wait_for(self, user: str, count: int = 1) -> list[bytes]:
        """Returns the messages of *user* as soon as there are *count*; raises SiteError."""
        self._wait(lambda: len(self.messages(user)) >= count, f"{count} message(s) for {user}")
        return self.messages(user)

    def log(self) -> str:
        """Returns all that it has logged."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    @property
    def folder(self) -> Path:
        """Its own directory."""
        return self._folder

    @property
    def mailboxes(self) -> Path:
        """Where the mailboxes lie, one directory for each user."""
        return self._folder / "mail"

    @abstractmethod
    def lay_out(self) -> None:
        """Writes the configuration into the empty directory."""

    @abstractmethod
    def command(self) -> list[str | Path]:
        """Returns what is started, to stay in the foreground."""

    def __enter__(self) -> Self:
        self.port = self.port or free_port(self.host)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self._folder.chmod(0o755)
        self.lay_out()
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.command()],
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait(self._answers, "the greeting 220")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._wait(self._is_removed, f"empty {self._folder}")

    @property
    def _log_file(self) -> Path:
        return self._folder / "log"

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise SiteError(f"it ended with status {self._process.returncode}\n{self.log()}")
        try:
            with smtplib.SMTP(self.host, self.port, timeout=_PATIENCE):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def _is_removed(self) -> bool:
        shutil.rmtree(self._folder, ignore_errors=True)  # a process that is about to die may still write there
        return not self._folder.exists()

    def _wait(self, happened: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not happened():
            if time.monotonic() > deadline:
                raise SiteError(f"no {what} within {_PATIENCE:g} s\n{self.log()}")
            time.sleep(_POLL)
