"""A real SpamAssassin: Debian's spamd with the rules of its package, on a loopback port, asking no network.

Runs from where ``tests/peers/install`` unpacked it, with its configuration and state in a temporary directory.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from peers.ports import free_port
from peers.unpacked import unpacked

_PATIENCE = 120.0  # seconds to read all rules, or for one message, on a busy machine
_CONTAINED = ("setpriv", "--pdeathsig", "TERM")
_CONFIGURATION = """\
use_bayes {bayes}
bayes_auto_learn 0
bayes_min_spam_num 1
bayes_min_ham_num 1
use_auto_whitelist 0
skip_rbl_checks 1
dns_available no
trusted_networks {trusted}
"""


class SpamAssassinError(Exception):
    """spamd did not start or answer; the text ends with its log."""


class Scored(NamedTuple):
    """What a message came to: its points, and the names of all rules that it met."""

    points: float
    rules: tuple[str, ...]


class SpamAssassin:
    """A spamd that runs from ``__enter__`` to ``__exit__`` at *host* and *port*; it trusts the clients in *trusted*.

    One that *learns* is told what is spam (TELL), and keeps what each user taught apart.
    """

    def __init__(self, trusted: str = "127.0.0.1/32", *, learns: bool = False) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._trusted = trusted
        self._learns = learns

    def score(self, message: bytes) -> Scored:
        """Score *message*, whose lines end as they do where it lies."""
        with socket.create_connection((self.host, self.port), timeout=_PATIENCE) as connection:
            connection.sendall(b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message)
            with connection.makefile("rb") as stream:
                answer = stream.read().decode()
        head, _, body = answer.partition("\r\n\r\n")
        verdict = next((line for line in head.splitlines() if line.startswith("Spam: ")), None)
        if verdict is None:
            raise SpamAssassinError(f"spamd answers {answer!r}\n{self.log()}")
        points = float(verdict.partition(";")[2].partition("/")[0])
        return Scored(points, tuple(name for name in body.strip().split(",") if name))

    def log(self) -> str:
        """Returns what spamd has said."""
        return self._log_file.read_text(errors="replace")

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="spamassassin-"))
        self._folder.chmod(0o755)
        home = self._folder / "home"
        home.mkdir()
        if os.getuid() == 0:
            shutil.chown(home, "nobody", "nogroup")
        # Copied, since spamd becomes nobody, who cannot read the cache of root.
        package = unpacked("spamassassin")
        for part in ("perl5", "spamassassin"):
            shutil.copytree(package / "usr/share" / part, self._folder / part)
        shutil.copytree(package / "etc/spamassassin", self._site, ignore=shutil.ignore_patterns("*.d", "65_debian.cf"))
        (self._site / "local.cf").write_text(_CONFIGURATION.format(trusted=self._trusted, bayes=int(self._learns)))
        command: list[str | Path] = [
            *_CONTAINED, "perl", "-T", "-I", self._folder / "perl5", unpacked("spamd") / "usr/sbin/spamd",
            "--local", "--nouser-config", "--max-children=2", "--min-children=1", f"--listen={self.host}:{self.port}",
            f"--configpath={self._folder / 'spamassassin'}", f"--siteconfigpath={self._site}",
            f"--helper-home-dir={home}", "--username=nobody", f"--pidfile={self._folder / 'pid'}", "--syslog=stderr",
            *(["--allow-tell", f"--virtual-config-dir={home}/%u"] if self._learns else []),
        ]  # fmt: skip
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/bin:/bin", "LANG": "C", "TZ": "UTC", "HOME": str(home)},
            )
        self._wait_until_it_answers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _site(self) -> Path:
        return self._folder / "etc"

    @property
    def _log_file(self) -> Path:
        return self._folder / "log"

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log()
                self.__exit__(None, None, None)
                raise SpamAssassinError(f"spamd does not start\n{said}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as connection:
                connection.sendall(b"PING SPAMC/1.5\r\n\r\n")
                return connection.recv(64).endswith(b"PONG\r\n")
        except OSError:
            return False
