"""make run - start onifast-mail from a checkout, for one person on one machine.

Makes .venv, the tree below var/, the demo user and demo messages; then starts smtpd, web and outbox under supervisord
and shows their logs until Ctrl-C. Everything that was made is kept, so the next start is quick.

Reads the environment (ONIFAST_MAIL_… variables go before the embedded default of tools/embedded.py). Writes .venv and
var/ of the checkout only, and sends nothing anywhere unless ONIFAST_MAIL_DELIVERY says so. Exit status: 0 after Ctrl-C
or TERM, 2 with one line if something is to be mended first. It is no way to run a mail server that others rely on:
docs/operations.md has that.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import environment, ready
from tools.embedded import DEMO_ADDRESS, DEMO_USER, PROGRAMS, Embedded, embedded, make_private
from tools.environment import PROJECT, VENV, CannotGoOn, complain
from tools.follow import LogFollower

START_LIMIT = 90.0  # seconds; a program that does not answer by then never will
LOOK_EVERY = 0.1  # seconds between looks at logs and at what answers
PR_SET_PDEATHSIG, PR_CAPBSET_DROP = 1, 24  # prctl(2)
CAP_SETGID, CAP_SETUID = 6, 7
LISTENERS = {
    "smtp_listen": "mail from other sites and local programs",
    "submission_listen": "mail from users who log in",
    "submissions_listen": "mail from users who log in, over TLS",
    "http_listen": "the webmail",
}


def main() -> None:
    """Prepares, starts, follows, stops."""
    here = embedded(os.environ)
    try:
        prepare(here)
        with own_terminal():
            supervise(here)
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))
    except KeyboardInterrupt:
        sys.exit(130)


def prepare(here: Embedded) -> None:
    """Everything that has to be there before the programs start. Raises CannotGoOn."""
    _refuse_second_run(here)
    _check_ports(here)
    try:
        make_tree(here)
        environment.ensure("all")
    except OSError as error:
        path = error.filename or PROJECT
        raise CannotGoOn(
            f"cannot write {path}: {error.strerror}; give yourself the right to write there, or run from a copy"
        ) from None
    _seed(here)


def _refuse_second_run(here: Embedded) -> None:
    if ready.states(here.control_socket):
        raise CannotGoOn("this checkout is running already: `make ctl` controls it, `make ctl ARGS=shutdown` stops it")


def _check_ports(here: Embedded) -> None:
    for setting, meaning in LISTENERS.items():
        for host, port in here.listens(setting):
            problem = ready.port_in_use((host, port))
            if problem is None:
                continue
            raise CannotGoOn(
                f"{host}:{port} ({meaning}) cannot be used: {problem}; free it, or choose another, "
                f"as in: ONIFAST_MAIL_{setting.upper()}={host}:{port + 1000} make run"
            )


def make_tree(here: Embedded) -> None:
    """The directories that a panel would have made. Raises OSError, CannotGoOn."""
    root = Path(here.environ["ONIFAST_MAIL_ROOT"])
    home_root = Path(here.environ["ONIFAST_MAIL_HOME_ROOT"])
    for directory in (here.log_dir, root / "users", root / "certs", root / "config", root / "sso", home_root):
        directory.mkdir(parents=True, exist_ok=True)
    (root / "config").chmod(0o2770)  # the database in it is the group's, and nobody else's
    make_private(here.run_dir)
    probe = here.run_dir / "writable"
    probe.touch()
    probe.unlink()


def _seed(here: Embedded) -> None:
    """The demo user and their messages, once."""
    if Path(here.environ["ONIFAST_MAIL_ROOT"], "users", f"{DEMO_USER}.json").exists():
        return
    command = [str(VENV / "bin" / "python"), "-m", "tools.demo"]
    done = subprocess.run(command, cwd=PROJECT, env=dict(here.environ), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotGoOn(_last_line(done.stderr) or f"the demo could not be made: exit status {done.returncode}")


class Wish:
    """A wish to stop, which a signal brings.

    A handler that sets a threading.Event may wait for ever: the thread that it interrupts, ours, may hold its lock.
    """

    def __init__(self) -> None:
        self.is_there = False

    def come(self, *_: object) -> None:
        """Safe in a signal handler."""
        self.is_there = True

    def wait(self, seconds: float) -> bool:
        """Whether the wish is there, now or after so many seconds."""
        if not self.is_there:
            time.sleep(seconds)
        return self.is_there


def supervise(here: Embedded) -> None:
    """Runs supervisord until a signal stops it or it ends. Raises CannotGoOn when a program does not start."""
    stop = Wish()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What `nohup`, or a shell's `&`, has us ignore stays ignored: it is to outlive its terminal.
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop.come)
    show("Starting " + ", ".join(PROGRAMS))
    with LogFollower({name: here.log(name) for name in (*PROGRAMS, "supervisord")}) as logs:
        supervisord = _start(here)
        try:
            _wait_until_ready(here, supervisord, logs, stop)
            while not stop.wait(LOOK_EVERY) and supervisord.poll() is None:
                _show_logs(logs)
            _stop(supervisord, logs)
        except CannotGoOn:
            supervisord.terminate()
            supervisord.wait()
            raise
    show("onifast-mail has stopped.")


def _start(here: Embedded) -> subprocess.Popen[bytes]:
    """supervisord in a session of its own, so that Ctrl-C reaches it once, from us; if we are killed, it ends."""
    libc = ctypes.CDLL(None)

    def bind_to_us() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # As root too, copies of messages stay ours below var/home: nobody there has a Unix account to become.
        libc.prctl(PR_CAPBSET_DROP, CAP_SETUID)
        libc.prctl(PR_CAPBSET_DROP, CAP_SETGID)

    return subprocess.Popen(
        here.command("supervisord"),
        env=dict(here.environ),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=bind_to_us,  # noqa: PLW1509 - we have one thread
    )


def _wait_until_ready(here: Embedded, supervisord: subprocess.Popen[bytes], logs: LogFollower, stop: Wish) -> None:
    """Until all three answer, or a signal comes. What they log is shown then; if one fails, its last line is enough."""
    logged: list[tuple[str, str]] = []
    waiting = [*PROGRAMS]
    deadline = time.monotonic() + START_LIMIT
    while waiting and not stop.wait(LOOK_EVERY):
        logged += logs.new_lines()
        _refuse_failure(here, supervisord, dict(logged))
        waiting = [name for name in waiting if not _answers(here, name, name in dict(logged))]
        if waiting and time.monotonic() > deadline:
            raise CannotGoOn(f"{waiting[0]} does not answer after {START_LIMIT:.0f} s: see {here.log(waiting[0])}")
    for name, line in logged:
        if name != "supervisord":
            show_line(name, line)
    if not waiting:
        show(welcome(here))


def _refuse_failure(here: Embedded, supervisord: subprocess.Popen[bytes], last_lines: dict[str, str]) -> None:
    """Raises CannotGoOn for a program that ended, or supervisord itself, with the last line that it logged."""
    if supervisord.poll() is not None:
        raise CannotGoOn(f"supervisord ended at once: {last_lines.get('supervisord', 'it says nothing')}")
    states = ready.states(here.control_socket)
    for name in PROGRAMS:
        if states.get(name) in ready.FAILED_STATES:
            raise CannotGoOn(f"{name} does not start: {last_lines.get(name, 'it says nothing')} (see {here.log(name)})")


def _answers(here: Embedded, name: str, has_spoken: bool) -> bool:
    """Whether a program serves. outbox listens nowhere: the line that it logs at its start has to do."""
    if name == "smtpd":
        addresses = here.listens("smtp_listen") + here.listens("submission_listen")
        return all(ready.smtp_answers(address) for address in addresses)
    if name == "web":
        return all(ready.http_answers(address) for address in here.listens("http_listen"))
    return has_spoken


def welcome(here: Embedded) -> str:
    """What a new user needs to know, to be read and copied."""
    web = _first(here, "http_listen")
    smtp = _first(here, "smtp_listen")
    submission = _first(here, "submission_listen")
    return f"""
onifast-mail is running.

  Webmail      http://{web}/   user {DEMO_USER}, password {DEMO_USER}
  SMTP         {smtp} takes mail from this machine without a password
  Submission   {submission} takes mail from user {DEMO_USER}, password {DEMO_USER}

Send a first message to {DEMO_ADDRESS} and watch it arrive:

  printf 'From: me@example.test\\r\\nTo: {DEMO_ADDRESS}\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n' | \
curl -sS smtp://{smtp} --mail-from me@example.test --mail-rcpt {DEMO_ADDRESS} -T -
  swaks --server {smtp} --from me@example.test --to {DEMO_ADDRESS} --header 'Subject: Hello'

{delivery(here)} Logs follow; `make ctl` controls the programs, Ctrl-C stops them.
"""


def delivery(here: Embedded) -> str:
    """What becomes of mail to other sites."""
    if here.environ["ONIFAST_MAIL_DELIVERY"].strip().lower() == "sandbox":
        return "Mail to other sites is kept here and shown, not sent."
    return "Mail to other sites IS SENT: to their servers, or through the relay where one is set."


def _first(here: Embedded, setting: str) -> str:
    listens = here.listens(setting)
    if not listens:
        return "(not listening)"
    host, port = listens[0]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"


def _show_logs(logs: LogFollower) -> None:
    for name, line in logs.new_lines():
        show_line(name, line)


def show_line(name: str, line: str) -> None:
    """A program's log line under its name."""
    show(f"{name:<11} | {line}")


def show(text: str) -> None:
    """Prints; a reader who went away (`make run | head`) is a wish to stop, not an error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGTERM)


def _stop(supervisord: subprocess.Popen[bytes], logs: LogFollower) -> None:
    """TERM, which supervisord hands on and waits for; logs go on until the end."""
    if supervisord.poll() is None:
        supervisord.terminate()
    while supervisord.poll() is None:
        _show_logs(logs)
        time.sleep(LOOK_EVERY)
    _show_logs(logs)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


@contextmanager
def own_terminal() -> Iterator[None]:
    """Be the terminal's foreground job, so that Ctrl-C comes to us and not to make, which would call it an error."""
    if not sys.stdin.isatty() or os.tcgetpgrp(0) != os.getpgrp():
        yield
        return
    make = os.getpgrp()
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # make waits for us: nobody could wake us again
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(0, make)


if __name__ == "__main__":
    main()
