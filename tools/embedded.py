"""The embedded default: the settings, paths and commands with which a checkout runs without root, DNS or network."""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.environment import PROJECT, VENV, CannotGoOn

PROGRAMS = ("smtpd", "web", "outbox")
DEMO_USER = "demo"
DEMO_ADDRESS = "demo@example.test"

# supervisord binds `<path>.<pid>` first and links it to <path>; sun_path holds 107 bytes and a NUL.
SOCKET_PATH_LIMIT = 107 - len(".4194304")


@dataclass(frozen=True)
class Embedded:
    """Where one checkout keeps what it runs with, and the environment that its programs get."""

    var: Path
    run_dir: Path
    log_dir: Path
    environ: Mapping[str, str]

    @property
    def control_socket(self) -> Path:
        """Where supervisord takes commands."""
        return self.run_dir / "supervisor.sock"

    def log(self, program: str) -> Path:
        """The file that a program's log lines go to."""
        return self.log_dir / f"{program}.log"

    def command(self, name: str) -> list[str]:
        """supervisord or supervisorctl on this checkout's configuration."""
        return [str(VENV / "bin" / name), "-c", str(PROJECT / "supervisord.conf")]

    def listens(self, name: str) -> list[tuple[str, int]]:
        """The TCP addresses of a setting such as `smtp_listen`; a Unix socket's path is left out."""
        return parse_listens(self.environ[f"ONIFAST_MAIL_{name.upper()}"])


def embedded(environ: Mapping[str, str]) -> Embedded:
    """The embedded default of this checkout; what `environ` says goes before it.

    Everything that running makes lies below `var/`, or below the directory that ONIFAST_VAR names.
    """
    var = Path(environ.get("ONIFAST_VAR") or PROJECT / "var").absolute()
    run_dir = _run_dir(var)
    log_dir = var / "log"
    own = {
        "ONIFAST_BIN": str(VENV / "bin"),
        "ONIFAST_RUN": str(run_dir),
        "ONIFAST_LOG": str(log_dir),
    }
    return Embedded(var, run_dir, log_dir, _defaults(var) | own | dict(environ))


def _defaults(var: Path) -> dict[str, str]:
    """Settings that fit any machine: ports above 1024 on loopback, nothing sent to the world."""
    defaults = {
        "ROOT": str(var / "onifast"),
        "HOME_ROOT": str(var / "home"),
        "HOSTNAME": "mail.example.test",
        "SMTP_LISTEN": "127.0.0.1:2525",
        "SUBMISSION_LISTEN": "127.0.0.1:2587",
        "SUBMISSIONS_LISTEN": "",
        "HTTP_LISTEN": "127.0.0.1:4031",
        "DELIVERY": "sandbox",
        "ADMINISTRATORS": DEMO_USER,
        "POSTMASTER": DEMO_USER,
    }
    if os.geteuid() == 0:
        # A checkout in root's home is closed to every other account, so there is nobody to drop to.
        defaults["RUN_AS"] = pwd.getpwuid(0).pw_name
    return {f"ONIFAST_MAIL_{name}": value for name, value in defaults.items()}


def _run_dir(var: Path) -> Path:
    """Where the control socket lies: `var/run`, or a short directory of ours where that path is too long."""
    usual = var / "run"
    if len(os.fsencode(usual / "supervisor.sock")) <= SOCKET_PATH_LIMIT:
        return usual
    checkout = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"onifast-mail-{os.geteuid()}-{checkout}"


def make_private(directory: Path) -> None:
    """Makes a directory that only we can use. Raises CannotGoOn if someone else made it first."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise CannotGoOn(f"{directory} belongs to someone else: remove it, and try again")
    directory.chmod(0o700)


def parse_listens(text: str) -> list[tuple[str, int]]:
    """`HOST:PORT[,HOST:PORT…]` as pairs; whatever is not of that form is left for the programs to judge."""
    pairs = []
    for part in text.split(","):
        host, _, port = part.strip().rpartition(":")
        if host and port.isdigit() and "/" not in host:
            pairs.append((host.strip("[]"), int(port)))
    return pairs
