"""Messages that wait in their writer's own home while smtpd does not take them: `~/.onifast/submit/*.msg`.

Each is synced, with its envelope as its first line. outbox's filer collects them as that user; one that is refused for
good stays as `*.refused`, with the reason beside it, until its writer has seen to it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from onifast_shared.sendmail.handing_in import SERVER, Server, hand_in
from onifast_shared.sendmail.taking import SendmailEnvelope

FOLDERS = (".onifast", "submit")
WAITING, REFUSED, REASON = ".msg", ".refused", ".reason"
_AT_ONCE = 20
_SECONDS = 10.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def keep(home: Path, envelope: SendmailEnvelope, message: bytes) -> str:
    """Puts a message there whole, and on disk when this returns; its name. Raises OSError."""
    directory = _opened(home, make=True)
    try:
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(6)}"
        _write(directory, f".{name}.new", envelope.line() + message)
        os.rename(f".{name}.new", name + WAITING, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
        return name
    finally:
        os.close(directory)


def listed(home: Path) -> Iterator[tuple[str, str]]:
    """What waits, and what was refused: its name, and for whom it is or why it was refused."""
    try:
        directory = _opened(home, make=False)
    except OSError:
        return
    try:
        for name in sorted(_names(directory)):
            if name.endswith((WAITING, REASON)):
                with contextlib.suppress(OSError, ValueError, KeyError):
                    yield name, _told(_read(directory, name), is_reason=name.endswith(REASON))
    finally:
        os.close(directory)


def collect(home: Path, server: Server = SERVER) -> int:
    """Hands in what waits, the oldest first, up to some messages or the first that has to wait on; how many went.

    Call it as the user whose home it is. Raises OSError.
    """
    directory, handed = _opened(home, make=False), 0
    try:
        for name in sorted(each for each in _names(directory) if each.endswith(WAITING))[:_AT_ONCE]:
            if not _hand_in(directory, name, server):
                break
            handed += 1
    finally:
        os.close(directory)
    return handed


def _hand_in(directory: int, name: str, server: Server) -> bool:
    """Whether a message is no longer waiting."""
    line, _, message = _read(directory, name).partition(b"\n")
    stem = name.removesuffix(WAITING)
    try:
        result = hand_in(SendmailEnvelope.of_line(line), message, server, _SECONDS)
        said, refused = result.said, result.for_good
    except (ValueError, KeyError, TypeError):
        said, refused, result = "the file does not begin with an envelope", True, None
    if result is not None and result.taken:
        os.unlink(name, dir_fd=directory)
    elif refused:
        with contextlib.suppress(FileExistsError):
            _write(directory, stem + REASON, said.encode())
        os.rename(name, stem + REFUSED, src_dir_fd=directory, dst_dir_fd=directory)
    else:
        return False
    return True


def _opened(home: Path, *, make: bool) -> int:
    """The folder below a home; no symbolic link is followed."""
    directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in FOLDERS:
        above = directory
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=above)
                    os.fsync(above)
            directory = os.open(name, _DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
    return directory


def _names(directory: int) -> list[str]:
    return os.listdir(directory)


def _write(directory: int, name: str, content: bytes) -> None:
    with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=directory), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(directory: int, name: str) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=directory), "rb") as file:
        return file.read()


def _told(content: bytes, *, is_reason: bool) -> str:
    if is_reason:
        return f"refused: {content.decode('utf-8', 'replace')}"
    envelope = SendmailEnvelope.of_line(content.partition(b"\n")[0])
    return f"waits: <{envelope.sender}> to {', '.join(envelope.recipients)}"
