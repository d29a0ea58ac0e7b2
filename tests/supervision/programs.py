"""Start the three programs in a tree of their own, on free ports, as `make run` would."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from peers.ports import free_port
from tools import ready
from tools.embedded import PROGRAMS, Embedded, embedded
from tools.environment import PROJECT
from tools.run import make_tree

LIMIT = 60.0  # seconds; a start takes two or three here


def environment(var: Path) -> dict[str, str]:
    """What a user would set to have a second onifast-mail beside another one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ONIFAST_")}
    return inherited | {
        "ONIFAST_VAR": str(var),
        "ONIFAST_MAIL_SMTP_LISTEN": f"127.0.0.1:{free_port()}",
        "ONIFAST_MAIL_SUBMISSION_LISTEN": f"127.0.0.1:{free_port()}",
        "ONIFAST_MAIL_HTTP_LISTEN": f"127.0.0.1:{free_port()}",
    }


def tree(var: Path) -> Embedded:
    """An embedded onifast-mail with its directories made and nothing running."""
    here = embedded(environment(var))
    make_tree(here)
    return here


def start(here: Embedded, program: str, **settings: str) -> subprocess.Popen[bytes]:
    """One program without the others, its log in a file as supervisord would have it."""
    extra = {f"ONIFAST_MAIL_{name.upper()}": value for name, value in settings.items()}
    with here.log(program).open("wb") as log:
        return subprocess.Popen(
            [f"{here.environ['ONIFAST_BIN']}/onifast-{program}"],
            env={**here.environ, **extra},
            cwd=here.var,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def answers(here: Embedded, program: str) -> bool:
    """Whether a program does its work, seen from outside; outbox is seen by what it logs."""
    if program == "smtpd":
        return all(map(ready.smtp_answers, here.listens("smtp_listen") + here.listens("submission_listen")))
    if program == "web":
        return all(map(ready.http_answers, here.listens("http_listen")))
    return here.log("outbox").exists() and here.log("outbox").stat().st_size > 0


def eventually(true: Callable[[], object], what: str) -> None:
    """Waits for something that another process does; fails with `what` when it has not come in LIMIT seconds."""
    deadline = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < deadline, f"not within {LIMIT:.0f} s: {what}"
        time.sleep(0.05)


class Supervised:
    """supervisord and the three programs; a context manager that leaves nothing running.

    The configuration is supervisord.conf, but that a program counts as started after two seconds rather than ten.
    """

    def __init__(self, here: Embedded, startsecs: int = 2) -> None:
        self.here = here
        self._startsecs = startsecs
        self._configuration = here.var / "supervisord.conf"

    def __enter__(self) -> Supervised:
        real = (PROJECT / "supervisord.conf").read_text()
        assert real.count("startsecs=10") == len(PROGRAMS)
        self._configuration.write_text(real.replace("startsecs=10", f"startsecs={self._startsecs}"))
        self.process = subprocess.Popen(
            self._command("supervisord"),
            env=dict(self.here.environ),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(LIMIT * 3)

    def ctl(self, *command: str) -> str:
        """What supervisorctl prints."""
        done = subprocess.run(
            [*self._command("supervisorctl"), *command],
            env=dict(self.here.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def _command(self, name: str) -> list[str]:
        return [*self.here.command(name)[:-1], str(self._configuration)]

    def pids(self) -> Mapping[str, int]:
        """The process of each program, 0 for one that is not running."""
        return {program: int(self.ctl("pid", program).strip() or 0) for program in PROGRAMS}

    def wait_until_all_serve(self) -> None:
        """Until each is in supervisord's state RUNNING and answers."""
        running = dict.fromkeys(PROGRAMS, "RUNNING")
        eventually(lambda: ready.states(self.here.control_socket) == running, f"RUNNING; now {self.ctl('status')}")
        for program in PROGRAMS:
            eventually(lambda program=program: answers(self.here, program), f"{program} answers")  # type: ignore[misc]
