"""make bench-relay - how fast mail goes through, from a client to the next server, beside Postfix and chasquid.

    PYTHONPATH=tests .venv/bin/python -m bench.relay [--rounds N] [--messages N] [--case NAME …] [--only NAME …]
                                                     [--chasquid FILE]

smtp-source sends messages of 4 KiB with 20 sessions; each server passes them on to smtp-sink, which counts them.
The time ends when the last has been counted. onifast (smtpd and outbox) and Postfix (with OpenDKIM as its milter) sign
with RSA-2048; Debian's chasquid 1.11 cannot sign, so it does less. The servers take turns within each round. Then the
idle latency: from a server's 250 to the sink's, one message at a time. docs/performance.md tells how to read it.

chasquid signs since 1.14, but only for clients that have logged in, which smtp-source cannot. `--chasquid` takes a
build of it whose condition for that, in internal/smtpsrv/conn.go before dkimSign(), is true for everybody.

Needs root and what tests/peers/install unpacks. Everything lies in a temporary directory, which goes at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.resolver
import sqlite_shell

from bench.servers import (
    KIB,
    LONGEST_RUN,
    PATIENCE,
    SESSIONS,
    Case,
    Rate,
    Subject,
    cpu_seconds,
    library_path,
    load,
    median,
    program,
    session_of,
    smtpd,
)
from fakes.certificates import Authority
from peers.milters import opendkim
from peers.ports import free_port
from peers.postfix import RemotePostfix
from peers.unpacked import unpacked

CASES = (Case("one", 4 * KIB, many=False, share=1.0), Case("many", 4 * KIB, many=True, share=1.0))
DOMAIN, ELSEWHERE = "bench.test", "someone@elsewhere.test"
SINK = "127.0.0.77"
NAMES = "127.0.0.53"


@dataclass(frozen=True)
class Relay:
    """A server that passes mail on. `rcpt_to` is what it takes from a stranger on this machine."""

    subject: Subject
    rcpt_to: str = ELSEWHERE
    signs: bool = True


class Sink:
    """smtp-sink, and what it has counted so far; with `dump`, a directory, each message becomes a file there."""

    def __init__(self, port: int, dump: Path | None = None) -> None:
        self.port = port
        self._counted = 0
        self._at = 0.0
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [
                *(unpacked("postfix") / "usr/sbin/smtp-sink", "-c", "-u", "root"),
                *(("-d", str(dump / "message.")) if dump else ()),
                *(f"inet:{SINK}:{port}", "1000"),
            ],
            env=library_path(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            found = re.findall(rb"mesg=(\d+)", chunk)
            if found:
                with self._changed:
                    self._counted, self._at = int(found[-1]), time.perf_counter()
                    self._changed.notify_all()

    @property
    def counted(self) -> int:
        """Messages that it has taken."""
        return self._counted

    def wait_for(self, count: int) -> float:
        """When (perf_counter) it had counted so many. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._counted >= count, LONGEST_RUN):
                raise TimeoutError(f"the sink counted {self._counted} of {count} messages")
            return self._at

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)


def main() -> int:
    """Measures, prints the tables; returns the exit status."""
    options = _options()
    cases = [case for case in CASES if not options.case or case.name in options.case]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onifast-bench-", dir=options.tmp)))
        tempfile.tempdir = str(folder)
        folder.chmod(0o755)
        port, key = free_port(SINK), _dkim_key(folder)
        starters = {"onifast": onifast, "postfix": postfix, "chasquid": chasquid}
        relays = [
            stack.enter_context(starters[name](folder, port, key, options))
            for name in starters
            if not options.only or name in options.only
        ]
        for relay in relays:
            warm_up(relay, port, folder)
        sink = Sink(port)
        stack.callback(sink.stop)
        table = {case: _measure(case, relays, options, sink) for case in cases}
        delays = {relay.subject.name: latency(relay, options.singles, sink) for relay in relays}
    _print(table, delays, options.rounds)
    return 0


def warm_up(relay: Relay, port: int, folder: Path) -> None:
    """Has processes started and caches filled, and sees that a relay that is to sign does. Raises RuntimeError."""
    seen = folder / f"seen-by-{relay.subject.name}"
    seen.mkdir()
    sink = Sink(port, seen)
    try:
        run(relay, CASES[0], 100, sink)
    finally:
        sink.stop()
    unsigned = [file for file in seen.iterdir() if b"DKIM-Signature:" not in file.read_bytes()]
    if bool(unsigned) is relay.signs:
        raise RuntimeError(f"{relay.subject.name}: {len(unsigned)} of 100 messages came without a signature")


def _measure(case: Case, relays: Sequence[Relay], options: argparse.Namespace, sink: Sink) -> dict[str, list[Rate]]:
    found: dict[str, list[Rate]] = {relay.subject.name: [] for relay in relays}
    for _ in range(options.rounds):
        for relay in relays:
            rate = run(relay, case, options.messages, sink)
            print(
                f"{case.name:6} {relay.subject.name:9} {rate.per_second:7.0f} /s {rate.cpu_ms:6.2f} ms CPU", flush=True
            )
            found[relay.subject.name].append(rate)
    return found


def run(relay: Relay, case: Case, messages: int, sink: Sink) -> Rate:
    """One run, from the first connection until the sink has counted the last message."""
    sessions, already = relay.subject.sessions, sink.counted
    before, began = cpu_seconds(*sessions), time.perf_counter()
    load(relay.subject, case, messages, relay.rcpt_to)
    seconds = sink.wait_for(already + messages) - began
    return Rate(messages / seconds, (cpu_seconds(*sessions) - before) / messages * 1000)


def latency(relay: Relay, singles: int, sink: Sink) -> list[float]:
    """Milliseconds from the server's 250 to the sink's, one message at a time with pauses between."""
    host, _, port = relay.subject.address.rpartition(":")
    message = f"From: a@{DOMAIN}\r\nTo: {ELSEWHERE}\r\nSubject: one\r\n\r\n" + "x" * 70 + "\r\n"
    found = []
    with smtplib.SMTP(host, int(port), timeout=PATIENCE) as client:
        for _ in range(singles):
            time.sleep(0.25)  # so that the system is idle: this is what is measured
            already = sink.counted
            client.sendmail(f"sender@{DOMAIN}", relay.rcpt_to, message)
            accepted = time.perf_counter()
            found.append((sink.wait_for(already + 1) - accepted) * 1000)
    return found


# The servers


@contextmanager
def onifast(folder: Path, port: int, key: Path, options: argparse.Namespace) -> Iterator[Relay]:
    """smtpd and outbox with the sink as their relay."""
    keys = folder / "onifast" / "certs" / DOMAIN
    keys.mkdir(parents=True)
    shutil.copy(key, keys / "dkim_private.pem")
    given = dict(each.split("=", 1) for each in options.setting)
    base = {"root": str(folder / "onifast"), "hostname": "mail.bench.test", "run_as": "root", "file_copies": "false"}
    with ExitStack() as stack:
        server = stack.enter_context(smtpd(folder, given))
        sqlite_shell.run(
            folder / "onifast/config/onifast-mail.db",
            f"INSERT INTO domains (domain, owner) VALUES ('{DOMAIN}', 'root');"
            f"INSERT INTO mail_config (key, value) VALUES ('relay_host', '{SINK}'), ('relay_port', '{port}');",
        )
        deliverer = stack.enter_context(program("outbox", folder, base | given))
        yield Relay(Subject(server.name, server.address, (*server.sessions, deliverer)))


@contextmanager
def postfix(_folder: Path, port: int, key: Path, _: argparse.Namespace) -> Iterator[Relay]:
    """Postfix with OpenDKIM, which signs, and the sink for all other domains."""
    signing = (
        f"Mode s\nDomain {DOMAIN}\nSelector mail\nKeyFile {key}\nCanonicalization relaxed/relaxed",
        "InternalHosts 127.0.0.0/8\nOversignHeaders From",
    )
    with opendkim(*signing) as signer:
        passing = RemotePostfix(
            DOMAIN,
            relay=(SINK, port),
            bind_address="127.0.0.1",
            settings={
                "mynetworks": "127.0.0.0/8",
                "smtpd_milters": f"inet:127.0.0.1:{signer.port}",
                "milter_default_action": "tempfail",
            },
        )
        with passing:
            yield Relay(Subject("postfix", passing.address, (session_of(passing), signer.pid)))


@contextmanager
def chasquid(folder: Path, port: int, key: Path, options: argparse.Namespace) -> Iterator[Relay]:
    """chasquid, which lets nobody relay without a login: it forwards an alias. It asks the DNS for the next server."""
    with _names(folder):
        config = folder / "chasquid"
        certificates, domain = config / "certs/mail.bench.test", config / "domains" / DOMAIN
        for each in (certificates, domain, folder / "chasquid-data"):
            each.mkdir(parents=True)
        made = Authority(folder).issue("mail.bench.test")
        shutil.copy(made.chain, certificates / "fullchain.pem")
        shutil.copy(made.key, certificates / "privkey.pem")
        (domain / "aliases").write_text(f"someone: {ELSEWHERE}\n")
        shutil.copy(key, domain / "dkim:mail.pem")
        own = free_port()
        (config / "chasquid.conf").write_text(
            f'hostname: "mail.bench.test"\nsmtp_address: "127.0.0.1:{own}"\ndata_dir: "{folder}/chasquid-data"\n'
            f'mail_log_path: "{folder}/chasquid.log"\nmail_delivery_agent_bin: "/bin/true"\n'
        )
        (folder / "resolv.conf").write_text(f"nameserver {NAMES}\n")
        program_file = options.chasquid or unpacked("chasquid") / "usr/bin/chasquid"
        process = subprocess.Popen(
            [
                *(
                    "unshare",
                    "--mount",
                    "sh",
                    "-c",
                    f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"',
                    "sh",
                ),
                *(program_file, "-config_dir", config, f"-testing__outgoing_smtp_port={port}"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=(folder / "chasquid.err").open("w"),
            start_new_session=True,
        )
        try:
            _wait_until_answers(process, own)
            subject = Subject("chasquid", f"127.0.0.1:{own}", (process.pid,))
            yield Relay(subject, f"someone@{DOMAIN}", signs=options.chasquid is not None)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@contextmanager
def _names(folder: Path) -> Iterator[None]:
    """An Unbound that answers for the sink's domain, as a server's own resolver would."""
    config = folder / "unbound.conf"
    config.write_text(
        f'server:\n  interface: {NAMES}@53\n  access-control: 127.0.0.0/8 allow\n  directory: "{folder}"\n'
        '  chroot: ""\n  username: ""\n  pidfile: ""\n  use-syslog: no\n  logfile: ""\n  do-ip6: no\n'
        '  module-config: "iterator"\n  local-zone: "." static\n'
        '  local-data: "elsewhere.test. 300 IN MX 10 mx.elsewhere.test."\n'
        f'  local-data: "mx.elsewhere.test. 300 IN A {SINK}"\nremote-control:\n  control-enable: no\n'
    )
    process = subprocess.Popen(
        [unpacked("unbound") / "usr/sbin/unbound", "-d", "-c", config],
        env=library_path(),
        stdin=subprocess.DEVNULL,
        stderr=(folder / "unbound.err").open("w"),
    )
    try:
        _wait_until_named(process)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_until_named(process: subprocess.Popen[bytes]) -> None:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [NAMES]
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            resolver.resolve("mx.elsewhere.test", "A", lifetime=1)
        except (dns.exception.DNSException, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _wait_until_answers(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE).quit()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _dkim_key(folder: Path) -> Path:
    path = folder / "dkim_private.pem"
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    return path


def _print(table: dict[Case, dict[str, list[Rate]]], delays: dict[str, list[float]], rounds: int) -> None:
    print(f"\n{SESSIONS} sessions, 4 KiB, medians of {rounds} rounds, {os.cpu_count()} cores shared by all\n")
    for case, found in table.items():
        rates = {name: median(runs) for name, runs in found.items()}
        best = max((rate.per_second for name, rate in rates.items() if name != "onifast"), default=0)
        for name, rate in rates.items():
            ratio = f"{rate.per_second / best:6.2f} of the best other" if name == "onifast" and best else ""
            print(f"{case.name:6} {name:9} {rate.per_second:7.0f} /s {rate.cpu_ms:6.2f} ms CPU {ratio}")
    print("\nidle, from 250 to the sink's 250 (ms): median, 90th percentile")
    for name, times in delays.items():
        ordered = sorted(times)
        print(f"       {name:9} {statistics.median(ordered):7.1f} {ordered[int(len(ordered) * 0.9)]:7.1f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.relay", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each server has its turn (3)")
    parser.add_argument("--messages", type=int, default=2000, help="messages in a run (2000)")
    parser.add_argument("--singles", type=int, default=40, help="messages for the latency (40)")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="only this case")
    parser.add_argument("--only", action="append", choices=["onifast", "postfix", "chasquid"], help="only this server")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="a setting of ours")
    parser.add_argument("--chasquid", type=Path, metavar="FILE", help="a chasquid that signs, instead of Debian's")
    parser.add_argument("--tmp", help="where the queues lie; /dev/shm shows what the disk costs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
