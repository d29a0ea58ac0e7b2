"""Writes copies into users' homes: a process of its own that becomes the owner before it touches their home.

main starts it before privileges are dropped, and before anything else is loaded, so that it holds little. It serves
one request at a time over a socket pair: a frame with the owner, the file's name and its bytes comes in, a frame with
the path or the reason why not goes back. Each request is carried out by a forked child that first gives up everything
for the owner's rights, so that nothing in a home (a symbolic link, a hard link, a changed owner) reaches further than
that user does alone. Nothing is ever done as root: an owner whose uid would be 0 gets no copy. Started without the
right to become others (root's, or CAP_SETUID and CAP_SETGID) it stays what it is, and so do the files.

It opens no database, and it ends when its parent does. The one thing that a child connects to is smtpd on loopback, to
hand in what its owner's sendmail left in their home while smtpd was down: smtpd sees by the socket whose that is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import re
import select
import signal
import socket
import stat
import struct
import time
from pathlib import Path
from typing import NamedTuple

from onifast_shared.machine import capabilities
from onifast_shared.sendmail import waiting_files

# Header: lengths of owner and name, and of the content. Answer: the kind of result and the length of its text.
REQUEST = struct.Struct("!BHHQ")
ANSWER = struct.Struct("!BH")
_LENGTH = struct.Struct("!H")
WRITE, CHECK, COLLECT = 0, 1, 2
DONE, LATER, NEVER = 0, 1, 2

# How long one request may take, in seconds: a home can lie on a file system that its owner runs.
PATIENCE = 60.0

# How long nobody waits again for a home that took all of that, in seconds: all other owners' copies wait meanwhile.
PAUSE = 20 * PATIENCE

MAX_TEXT = 1024
DIRECTORIES = (".onifast", "mail")

# What a copy is called while it is written: by which process, so that it is known when that one is gone.
_TEMPORARY = re.compile(r"\..+\.([1-9][0-9]{0,6})\.tmp", re.DOTALL)

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class CopyRefused(Exception):
    """No copy can ever be written for this owner as things are; the text says why."""


class FilerRequest(NamedTuple):
    """WRITE: `content` is to become the file `name`. CHECK: `content` is file names by line; which are missing?
    COLLECT: hand in what waits in the owner's ~/.onifast/submit; `content` is smtpd's HOST:PORT on loopback.

    A name may have one folder before it, `bob@shop.example/…`.
    """

    kind: int
    owner: str
    name: str
    content: bytes

    @property
    def folder(self) -> str:
        """The folder before the name, "" for none."""
        return self.name.rpartition("/")[0]


class UnixIdentity(NamedTuple):
    """Whom to become."""

    uid: int
    gid: int


def serve(channel: socket.socket, home_root: Path) -> None:
    """Answers requests until the other end is closed. Runs in the forked filer process."""
    swept: set[tuple[str, str]] = (
        set()
    )  # owners and folders whose directory holds nothing that a writer before us left behind
    hung: dict[str, float] = {}  # owners whose homes hang, and until when they are left alone
    while (request := _receive(channel)) is not None:
        if hung.get(request.owner, 0) > time.monotonic():
            kind, text = LATER, "the owner's home did not answer a while ago"
        else:
            kind, text = _waiting_for(hung, home_root, request, sweep=(request.owner, request.folder) not in swept)
            _note_sweep(swept, request, kind)
        encoded = text.encode("utf-8", "replace")[:MAX_TEXT]
        channel.sendall(ANSWER.pack(kind, len(encoded)) + encoded)


def _waiting_for(hung: dict[str, float], home_root: Path, request: FilerRequest, *, sweep: bool) -> tuple[int, str]:
    """Carries the request out, and notes in `hung` whether its owner's home answers."""
    began = time.monotonic()
    result = _in_child(home_root, request, sweep=sweep)
    hung.pop(request.owner, None)
    if time.monotonic() - began >= PATIENCE:
        hung[request.owner] = time.monotonic() + PAUSE
    return result


def _note_sweep(swept: set[tuple[str, str]], request: FilerRequest, kind: int) -> None:
    if request.kind == WRITE and kind == DONE:
        swept.add((request.owner, request.folder))
    elif kind == LATER:
        swept.discard((request.owner, request.folder))  # The child may have been killed while it wrote.


def carry_out(home_root: Path, request: FilerRequest, *, sweep: bool) -> str:
    """Becomes the owner and does what `request` asks; the path, or the missing names. Raises CopyRefused or OSError.

    With `sweep` a WRITE first removes what writers that were killed left in the directory.
    There is no way back: call it in a process that ends afterwards.
    """
    check_name(request.owner)
    privileged = capabilities.can_become_others()
    if privileged:
        become(identity_of(home_root, request.owner))
    if request.kind == COLLECT:
        host, _, port = request.content.decode().rpartition(":")
        return str(waiting_files.collect(home_root / request.owner, (host, int(port))))
    directory = _enter(_open_home(home_root, request.owner, create=not privileged))
    if request.kind == CHECK:
        return "\n".join(name for name in request.content.decode().split("\n") if not _is_there(directory, name))
    folder, _, name = request.name.rpartition("/")
    check_name(name)
    if folder:
        check_name(folder)
        directory = _open_or_make(directory, folder)
    if sweep:
        _sweep(directory)
    _write(directory, name, request.content)
    return str(Path(home_root, request.owner, *DIRECTORIES, request.name))


def check_name(name: str) -> None:
    """Refuses what is not a single, visible path component; raises CopyRefused."""
    if not name or name.startswith(".") or "/" in name or "\0" in name or len(name.encode()) > 255:
        raise CopyRefused("not a file name")


def identity_of(home_root: Path, owner: str) -> UnixIdentity:
    """The owner's Unix identity: the passwd entry of that name, else whoever owns the home.

    Raises CopyRefused for root, and where there is neither.
    """
    try:
        entry = pwd.getpwnam(owner)
        identity = UnixIdentity(entry.pw_uid, entry.pw_gid)
    except KeyError:
        identity = _identity_of_home(home_root / owner)
    if identity.uid == 0:
        raise CopyRefused("the owner is root, as whom no copy is written")
    return identity


def _identity_of_home(home: Path) -> UnixIdentity:
    try:
        status = home.lstat()
    except FileNotFoundError:
        raise CopyRefused("the owner is no Unix user and has no home") from None
    if not stat.S_ISDIR(status.st_mode):
        raise CopyRefused("the owner is no Unix user and their home is not a directory")
    # A home that belongs to the group root must not lend that group's rights.
    return UnixIdentity(status.st_uid, status.st_gid or status.st_uid)


def become(identity: UnixIdentity) -> None:
    """Becomes another user for good, with that user's rights alone. Raises CopyRefused."""
    os.setgroups([identity.gid])
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    # A process that was not root keeps its capabilities across setresuid.
    capabilities.keep_only()
    if os.getresuid() != (identity.uid,) * 3 or capabilities.effective():
        raise CopyRefused("the filer could not give up its own rights")


def _open_home(home_root: Path, owner: str, *, create: bool) -> int:
    root = os.open(home_root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if create:
            return _open_or_make(root, owner)
        return os.open(owner, _DIRECTORY, dir_fd=root)
    except FileNotFoundError:
        raise CopyRefused("the owner has no home") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise CopyRefused("the owner's home is not a directory") from None
        raise
    finally:
        os.close(root)


def _enter(home: int) -> int:
    """The mail directory below `home`, made where it does not exist. Symbolic links are not followed."""
    directory = home
    for name in DIRECTORIES:
        below = _open_or_make(directory, name)
        os.close(directory)
        directory = below
    return directory


def _open_or_make(parent: int, name: str) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        os.mkdir(name, 0o700, dir_fd=parent)
        os.fsync(parent)
        return os.open(name, _DIRECTORY, dir_fd=parent)


def _sweep(directory: int) -> None:
    """Removes the temporary files of processes that are gone; one whose number is in use again stays for now."""
    for name in os.listdir(directory):
        match = _TEMPORARY.fullmatch(name)
        if match and not _is_running(int(match[1])):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)


def _is_running(pid: int) -> bool:
    """Whether another process has this number: ours is new, and has written nothing yet."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


def _write(directory: int, name: str, content: bytes) -> None:
    """Puts the file there whole or not at all, and on disk before we say so."""
    temporary = f".{name}.{os.getpid()}.tmp"
    fd = os.open(temporary, _NEW_FILE, 0o600, dir_fd=directory)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        os.unlink(temporary, dir_fd=directory)
        raise
    finally:
        os.close(fd)
    os.fsync(directory)


def _is_there(directory: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _in_child(home_root: Path, request: FilerRequest, *, sweep: bool) -> tuple[int, str]:
    """Carries the request out in a child and takes its result from a pipe: what it became must not come back here."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        _report(writable, home_root, request, sweep=sweep)
    os.close(writable)
    try:
        result = _read_result(readable)
    finally:
        os.close(readable)
        # It has reported, or it hangs: its owner can stop it with a signal, and this ends it all the same. Without
        # CAP_KILL it is another user's process by now; then it has to end by itself.
        with contextlib.suppress(PermissionError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not result:
        return LATER, "writing the copy took too long or was interrupted"
    return result[0], result[1:].decode("utf-8", "replace")


def _read_result(readable: int) -> bytes:
    """What the child reports; it fits into the pipe, so it comes in one piece."""
    ready, _, _ = select.select([readable], [], [], PATIENCE)
    return os.read(readable, 1 + MAX_TEXT) if ready else b""


def _report(writable: int, home_root: Path, request: FilerRequest, *, sweep: bool) -> None:
    """The child's whole life. It must not return: a second copy of the filer would run on."""
    result, text = LATER, "the copy could not be written"
    try:
        result, text = DONE, carry_out(home_root, request, sweep=sweep)
    except CopyRefused as refusal:
        result, text = NEVER, str(refusal)
    except OSError as error:
        text = f"the copy could not be written: {error.strerror}"
    finally:
        os.write(writable, bytes([result]) + text.encode("utf-8", "replace")[:MAX_TEXT])
        os._exit(0)


def _receive(channel: socket.socket) -> FilerRequest | None:
    header = _receive_exactly(channel, REQUEST.size)
    if header is None:
        return None
    kind, owner_length, name_length, content_length = REQUEST.unpack(header)
    owner = _receive_exactly(channel, owner_length)
    name = _receive_exactly(channel, name_length)
    content = _receive_exactly(channel, content_length)
    if owner is None or name is None or content is None:
        return None
    return FilerRequest(kind, owner.decode("utf-8", "replace"), name.decode("utf-8", "replace"), content)


def _receive_exactly(channel: socket.socket, length: int) -> bytes | None:
    pieces = []
    while length:
        piece = channel.recv(min(length, 1 << 20))
        if not piece:
            return None
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def start() -> socket.socket:
    """Forks the filer; our end of its channel. Call it before any thread, loop or database connection exists.

    It waits to be told where homes are (`tell_home_root`), and ends where the channel is closed before that.
    """
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        return ours
    status = 1
    try:
        ours.close()
        # The terminal's Ctrl-C is for the parent, whose end of the channel tells us when to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it has no settings of its own, and logs nothing
        if (home_root := _hear_home_root(theirs)) is not None:
            serve(theirs, home_root)
        status = 0
    finally:
        os._exit(status)


def tell_home_root(channel: socket.socket, home_root: Path) -> None:
    """The first thing that the filer hears: the directory of all homes. Raises OSError."""
    encoded = os.fsencode(home_root)
    channel.sendall(_LENGTH.pack(len(encoded)) + encoded)


def dismiss(channel: socket.socket) -> None:
    """Ends the filer, which was told nothing, and waits for that."""
    channel.close()
    os.wait()


def _hear_home_root(channel: socket.socket) -> Path | None:
    length = _receive_exactly(channel, _LENGTH.size)
    home_root = _receive_exactly(channel, *_LENGTH.unpack(length)) if length else None
    return None if home_root is None else Path(os.fsdecode(home_root))
