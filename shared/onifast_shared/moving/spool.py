"""The spool: files on their way in and out, in a directory beside the database, and who is at work on which.

Uploads come in pieces, each at the octet where the last one ended, so one that was broken off goes on. Whoever works on
a job holds a lock of the kernel's, which ends with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from onifast_shared.machine.config import Settings

_MODE, _DIRECTORY_MODE = 0o660, 0o2770
_LEFT_FREE = 0.05


class SpoolError(Exception):
    """A file cannot be kept here; the text is a sentence for its owner."""


class WrongOffset(SpoolError):
    """A piece begins elsewhere than where the last one ended, at `expected`."""

    def __init__(self, expected: int) -> None:
        super().__init__(f"{expected:,} octets are here: go on behind them.")
        self.expected = expected


def directory(settings: Settings) -> Path:
    """Where the files lie."""
    return settings.database.with_name(settings.database.name + ".moving")


def upload(settings: Settings, job_id: int) -> Path:
    """A job's upload, whole or in part."""
    return directory(settings) / f"{job_id}.in"


def made(settings: Settings, job_id: int) -> Path:
    """The file that an export makes."""
    return directory(settings) / f"{job_id}.out"


def received(settings: Settings, job_id: int) -> int:
    """How many octets of an upload are here."""
    try:
        return upload(settings, job_id).stat().st_size
    except FileNotFoundError:
        return 0


def append(settings: Settings, job_id: int, offset: int, data: bytes, most: int) -> int:
    """Puts a piece behind the others, on disk when it returns; how many octets are here then.

    A piece that is here already, as when its answer was lost, is passed over. Raises WrongOffset, SpoolError.
    """
    _make(settings)
    descriptor = _opened(upload(settings, job_id), os.O_WRONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        there = os.fstat(descriptor).st_size
        if offset > there or offset + len(data) > most:
            raise WrongOffset(there)
        fresh = data[there - offset :]
        if fresh:
            check_room(settings, len(fresh))
            _write(descriptor, fresh, there)
        return there + len(fresh)
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
        os.fsync(descriptor)
    except OSError as error:
        raise SpoolError(f"It cannot be written: {error.strerror}.") from None


def check_room(settings: Settings, size: int) -> None:
    """Raises SpoolError where so many octets would leave the disk too full for new mail."""
    usage = shutil.disk_usage(settings.database.parent)
    if usage.free - size < usage.total * _LEFT_FREE:
        raise SpoolError("There is not enough room on the server's disk. Ask your administrator.")


def create(settings: Settings, job_id: int) -> int:
    """Begins the file that an export makes anew; its descriptor."""
    _make(settings)
    return _opened(made(settings, job_id), os.O_RDWR | os.O_TRUNC)


def discard(settings: Settings, job_id: int) -> None:
    """Removes all files of a job."""
    for path in (upload(settings, job_id), made(settings, job_id), _lock(settings, job_id)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def jobs(settings: Settings) -> set[int]:
    """The jobs that there are files of."""
    with contextlib.suppress(FileNotFoundError):
        return {int(each.stem) for each in directory(settings).iterdir() if each.stem.isdigit()}
    return set()


@contextlib.contextmanager
def working_on(settings: Settings, job_id: int) -> Iterator[bool]:
    """Whether we are the ones who work on a job, until the block ends."""
    _make(settings)
    descriptor = _opened(_lock(settings, job_id), os.O_RDWR)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _lock(settings: Settings, job_id: int) -> Path:
    return directory(settings) / f"{job_id}.lock"


def _opened(path: Path, flags: int) -> int:
    """A file that all programs of the group may write, whatever the umask of this one."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, _MODE)
    return descriptor


def _make(settings: Settings) -> None:
    path = directory(settings)
    if not path.is_dir():
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            path.chmod(_DIRECTORY_MODE)
