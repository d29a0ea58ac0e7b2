"""Real milters: Debian's ClamAV, which knows one "virus", and OpenDKIM, each on a loopback port of its own."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from peers.ports import free_port
from peers.unpacked import unpacked

VIRUS = b"a harmless line that stands for a virus"

_HOST = "127.0.0.1"
_PATIENCE = 60.0  # seconds to start on a busy machine
_CONTAINED = ("setpriv", "--pdeathsig", "TERM")
_CLAMD = """\
Foreground yes
DatabaseDirectory {directory}/signatures
LocalSocket {directory}/clamd.sock
TemporaryDirectory {directory}
LogFile {directory}/clamd.log
"""
_CLAMAV_MILTER = """\
Foreground yes
MilterSocket inet:{port}@{host}
ClamdSocket unix:{directory}/clamd.sock
TemporaryDirectory {directory}
LogFile {directory}/milter.log
OnInfected Reject
RejectMsg %v found
OnFail Defer
AddHeader Replace
"""


class Milter(NamedTuple):
    """One that runs: its port, and its process, which leads a session of its own."""

    port: int
    pid: int


class MilterError(Exception):
    """A milter did not start; the text is what it said."""


@contextlib.contextmanager
def clamav() -> Iterator[Milter]:
    """ClamAV, which refuses messages with VIRUS in them and marks others as scanned."""
    with tempfile.TemporaryDirectory(prefix="clamav-") as name, contextlib.ExitStack() as stack:
        directory, port = Path(name), free_port()
        (directory / "signatures").mkdir()
        (directory / "signatures/test.ndb").write_text(f"Test.Virus:0:*:{VIRUS.hex()}\n")
        for file, text in (("clamd.conf", _CLAMD), ("milter.conf", _CLAMAV_MILTER)):
            (directory / file).write_text(text.format(directory=directory, host=_HOST, port=port))
        clamd = unpacked("clamav-daemon") / "usr/sbin/clamd"
        stack.enter_context(_running(clamd, "-c", directory / "clamd.conf", until=directory / "clamd.sock"))
        milter = unpacked("clamav-milter") / "usr/sbin/clamav-milter"
        yield Milter(port, stack.enter_context(_running(milter, "-c", directory / "milter.conf", until=port)))


@contextlib.contextmanager
def opendkim(*configuration: str) -> Iterator[Milter]:
    """OpenDKIM with these lines in its configuration."""
    with tempfile.TemporaryDirectory(prefix="opendkim-") as name:
        port = free_port()
        file = Path(name, "opendkim.conf")
        lines = (f"Socket inet:{port}@{_HOST}", "Background no", "RequireSafeKeys no", *configuration)
        file.write_text("".join(f"{line}\n" for line in lines))
        with _running(unpacked("opendkim") / "usr/sbin/opendkim", "-x", file, "-f", until=port) as pid:
            yield Milter(port, pid)


@contextlib.contextmanager
def _running(*command: str | Path, until: int | Path) -> Iterator[int]:
    """A program, by its id, from the moment on when it listens at that port or socket."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*_CONTAINED, *command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _listens(until):
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    raise MilterError(f"{command[0]} does not listen: {said.read().decode(errors='replace')}")
                time.sleep(0.02)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(where: int | Path) -> bool:
    family = socket.AF_INET if isinstance(where, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        try:
            probe.connect((_HOST, where) if isinstance(where, int) else str(where))
        except OSError:
            return False
        return True
