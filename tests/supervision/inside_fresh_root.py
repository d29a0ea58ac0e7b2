"""Run inside a fresh root by fresh_root.py: commands of the manual, and what a user then tries.

Each argument is a step: `run:COMMANDS`, or the name of a function below.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import bcrypt
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

ROOT = Path("/home/root/onifast")
UNITS = Path("/etc/systemd/system")
BIN = Path("/opt/onifast-mail/bin")
PROGRAMS = ("smtpd", "web", "outbox")
LIMIT = 60.0
OUTSIDE_PORT = 2526
running: list[subprocess.Popen[bytes]] = []


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}\n{logs()}"
        time.sleep(0.1)


def logs() -> str:
    return "\n".join(f"== {file}\n{file.read_text()}" for file in Path("/var/log").rglob("*.log"))


def mailctl(*words: str) -> None:
    subprocess.run([BIN / "onifast-mailctl", *words], check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)


def panel() -> None:
    """What the panel does: a user and a domain, for root's eyes only."""
    os.umask(0o077)
    user = ROOT / "users" / "alice.json"
    password = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    user.write_text(f'{{"username": "alice", "password": "{password}"}}')
    mailctl("dkim", "generate", "example.com")
    os.umask(0o022)
    mailctl("address", "add", "alice@example.com", "alice")
    mailctl("route", "set", "to", "remote.test", "127.0.0.1", "--port", str(OUTSIDE_PORT), "--tls", "none")
    assert {path.stat().st_mode & 0o777 for path in (ROOT / "users", ROOT / "certs")} == {0o700}
    assert user.stat().st_mode & 0o777 == 0o600


def first_mail(script: str) -> None:
    """From nothing to a first mail in and out: the manual's commands, of which the start is `script`."""
    begin = time.monotonic()
    said = tool("setup", "example.org", "--hostname", "mail.example.org", "--user", "alice")
    password = next(line.split()[1] for line in said.splitlines() if line.startswith("password:"))
    start_supervisord(script)
    assert "\tsent\t" in tool("test-mail", "alice@example.org"), logs()
    mailctl("route", "set", "to", "remote.test", "127.0.0.1", "--port", str(OUTSIDE_PORT), "--tls", "none")
    with outside() as site:
        assert "\tsent\t" in tool("test-mail", "bob@remote.test"), logs()
        assert "DKIM-Signature: " in site.messages[0] and "d=example.org" in site.messages[0], site.messages
    with smtplib.SMTP("127.0.0.1", 25, timeout=LIMIT) as client:
        client.sendmail("bob@remote.test", ["alice@example.org"], "Subject: from elsewhere\r\n\r\nhello\r\n")
    assert time.monotonic() - begin < 300
    log_in(password)
    assert tool("setup", "example.org").count("nothing had to be made") == 1


def tool(*words: str) -> str:
    """What the administrator's tool says."""
    done = subprocess.run([BIN / "onifast-mailctl", *words], check=True, timeout=LIMIT, capture_output=True, text=True)
    return done.stdout


def wait_until_served() -> None:
    """Until mail and the webmail are."""
    until(lambda: answers(25) and answers(587) and answers(4031), "all ports are served")


def start_supervisord(script: str) -> None:
    running.append(subprocess.Popen(["sh", "-c", f"set -e; {script.rstrip().rpartition(chr(10) + 'env')[0]}"]))
    assert running.pop().wait(LIMIT) == 0
    command = "exec env" + script.rstrip().rpartition("\nenv")[2]
    with Path("/var/log/supervisord.out").open("ab") as out:
        running.append(subprocess.Popen(["sh", "-c", command], stdout=out, stderr=out))
    wait_until_served()
    for program in PROGRAMS:
        log = Path(f"/var/log/onifast-mail/{program}.log").read_text()
        assert "rights user=onifast-mail reads_roots_files=True" in log, log


def kill_supervisord() -> None:
    """Its programs end too, and let go of their ports."""
    running[-1].kill()
    running.pop().wait(LIMIT)
    until(lambda: not programs(), "they have ended")
    assert not answers(25) and not answers(4031)


def units() -> None:
    """Starts what the units say with their accounts and capabilities, as systemd would."""
    for program in PROGRAMS:
        unit = (UNITS / f"onifast-{program}.service").read_text().splitlines()
        said = dict(line.split("=", 1) for line in unit if "=" in line and not line.startswith("#"))
        allowed = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in said["AmbientCapabilities"].split())
        rights = [f"--{kind}=-all,{allowed}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        account = [f"--reuid={said['User']}", f"--regid={said['Group']}", "--clear-groups", "--no-new-privs"]
        with Path(f"/var/log/{program}.log").open("ab") as log:
            umask = int(said["UMask"], 8)
            command = ["setpriv", *account, *rights, said["ExecStart"]]
            running.append(subprocess.Popen(command, stdout=log, stderr=log, umask=umask))
    wait_until_served()


def stop_units() -> None:
    for process in running:
        process.terminate()
    assert {process.wait(LIMIT) for process in running} == {0}, logs()
    running.clear()


def programs() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if b"onifast-" in words and b"driver.py" not in words:
                found.append(words.decode())
    return found


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        if port == 4031:
            connection.sendall(b"GET /login HTTP/1.0\r\n\r\n")
        return bool(connection.recv(1))
    return False


def a_user_works() -> None:
    """A login to the webmail, one over SMTP, a signed message, and the panel with its token."""
    log_in()
    call_api()
    message = send()
    assert "DKIM-Signature: " in message and "d=example.com" in message, message + logs()
    assert all(rights(program) == 1 << 2 for program in ("smtpd", "web")), "CAP_DAC_READ_SEARCH alone"


def log_in(password: str = "secret") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 4031, timeout=LIMIT)
    form = urlencode({"username": "alice", "password": password})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://127.0.0.1:4031"}
    connection.request("POST", "/login", form, headers)
    answer = connection.getresponse()
    assert answer.status == 303, (answer.read(), logs())
    answer.read()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    connection.request("GET", "/folders/inbox", headers={"Cookie": cookie})
    assert connection.getresponse().status == 200
    connection.close()


def call_api() -> None:
    token = (ROOT / "config" / "panel.token").read_text().strip()
    connection = http.client.HTTPConnection("127.0.0.1", 4031, timeout=LIMIT)
    connection.request("GET", "/api/mail/addresses", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert answer.status == 200 and b"alice@example.com" in answer.read(), logs()
    connection.close()


class Outside:
    """Another site's server, which keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content or b""
        self.messages.append(content if isinstance(content, str) else content.decode())
        return "250 OK"


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    site = Outside()
    controller = Controller(site, hostname="127.0.0.1", port=OUTSIDE_PORT, loop=asyncio.new_event_loop())
    controller.start()
    try:
        yield site
    finally:
        controller.stop()


def send() -> str:
    with outside() as site:
        with smtplib.SMTP("127.0.0.1", 587, timeout=LIMIT) as client:
            client.login("alice", "secret")
            text = "From: alice@example.com\r\nTo: bob@remote.test\r\nSubject: hello\r\n\r\nhello\r\n"
            client.sendmail("alice@example.com", ["bob@remote.test"], text)
        until(lambda: site.messages, "the message arrives")
        return site.messages[0]


def rights(program: str) -> int:
    """The capabilities of a program that has served a request, as a mask."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"onifast-{program}".encode() in (process / "cmdline").read_bytes():
                status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
                assert status["CapPrm"] == status["CapEff"] and "0" not in status["Uid"].split()
                return int(status["CapPrm"], 16) & ~(1 << 10)  # binding a port, which a unit may leave to smtpd
    raise AssertionError(f"{program} does not run")


def main() -> None:
    try:
        for step in sys.argv[1:]:
            name, _, script = step.partition(":")
            if name == "run":
                subprocess.run(["sh", "-e", "-c", script], check=True, timeout=LIMIT)
            elif script:
                globals()[name](script)
            else:
                globals()[name]()
            print("done:", name, flush=True)
    except BaseException:
        print(logs())
        raise
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
