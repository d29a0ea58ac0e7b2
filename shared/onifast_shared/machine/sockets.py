"""Listening sockets, bound here or inherited from systemd, and whose process is at the other end of a loopback one."""

from __future__ import annotations

import contextlib
import errno
import grp
import ipaddress
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from onifast_shared.machine import sock_diag
from onifast_shared.machine.setting_types import Listen
from onifast_shared.machine.sock_diag import SocketOwner

# Below self, where it stays visible under systemd's ProcSubset=pid.
_TCP = Path("/proc/self/net/tcp")
_TCP6 = Path("/proc/self/net/tcp6")
_BACKLOG = 1024
_FIRST_FD = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


End = tuple[str, int]


class BindError(Exception):
    """A socket cannot be had. The text is one line that names the address and the setting it comes from."""


class PortInUse(BindError):
    """Another program listens there."""


class AddressMissing(BindError):
    """The machine does not have that address."""


def bind(listen: Listen, setting: str = "", *, reuse_port: bool = False, group: str = "") -> socket.socket:
    """A non-blocking stream socket that listens there; raises BindError.

    `setting` is named in errors. An IPv6 socket takes IPv6 only, so that both wildcards can be bound beside each other.
    With `reuse_port` several processes may share the port. `group` may connect to a Unix socket, beside its owner;
    "" is this process's own.
    """
    with _explained(listen, setting):
        if listen.unix_path is not None:
            return _bind_unix(listen.unix_path, group)
        return _bind_tcp(listen.host, listen.port, reuse_port=reuse_port)


def bind_all(
    listens: Sequence[Listen], setting: str = "", *, reuse_port: bool = False, group: str = ""
) -> list[socket.socket]:
    """Sockets for all of them; raises BindError and then leaves none open.

    `[::]` is left out on a machine without IPv6 where another address is given too, as the defaults do.
    """
    bound: list[socket.socket] = []
    try:
        for listen in listens:
            try:
                bound.append(bind(listen, setting, reuse_port=reuse_port, group=group))
            except AddressMissing:
                if listen.host != "::" or len(listens) == 1:
                    raise
    except BindError:
        for sock in bound:
            sock.close()
        raise
    return bound


def inherited(environ: Mapping[str, str] | None = None) -> dict[str, list[socket.socket]]:
    """The sockets that systemd opened for this process, by FileDescriptorName (sd_listen_fds(3)).

    To be called once, since each call makes new owners of the same descriptors. Raises BindError if what was handed
    over is no stream socket. The variables are the service manager's protocol, not settings: config does not read them.
    """
    given = os.environ if environ is None else environ
    if given.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = given.get("LISTEN_FDS", "")
    names = given.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for place in range(int(count) if count.isdecimal() else 0):
        name = names[place] if place < len(names) and names[place] else "unknown"
        found.setdefault(name, []).append(_adopt(_FIRST_FD + place))
    return found


def socket_owner(local: tuple[str, int], peer: tuple[str, int]) -> int | None:
    """The uid of the process at the peer's end of a TCP connection within this machine; None if that is unknown.

    `local` and `peer` are the connection's addresses as our accepted socket gives them. Ask when the connection is
    accepted: a socket that its process has closed shows inode 0 and uid 0, which would look like root.
    """
    try:
        return socket_owner_at_once(local, peer)
    except OSError:  # a sandbox without netlink
        ours, theirs = _mapped(local[0]), _mapped(peer[0])
        return _owner_in_tables(ours, local[1], theirs, peer[1]) if ours and theirs else None


def socket_owner_at_once(
    local: tuple[str, int], peer: tuple[str, int], find: Callable[[End, End], SocketOwner | None] | None = None
) -> int | None:
    """`socket_owner` for event loops: the kernel answers in microseconds. Raises OSError where it cannot be asked.

    `find` is that of a `sock_diag.Finder`, for those who ask often.
    """
    try:
        found = (find or sock_diag.find)(peer, local)
    except ValueError:  # no IP address: a Unix socket
        return None
    return found.uid if found and found.inode else None


def _owner_in_tables(
    ours: ipaddress.IPv6Address, our_port: int, theirs: ipaddress.IPv6Address, their_port: int
) -> int | None:
    """The same from /proc, for which the kernel takes milliseconds."""
    # A program may reach an IPv4 address over an IPv6 socket: its row then stands in tcp6, mapped.
    ends = [(_TCP6, _row_key(theirs.packed, their_port), _row_key(ours.packed, our_port))]
    if theirs.ipv4_mapped and ours.ipv4_mapped:
        four = (_row_key(theirs.ipv4_mapped.packed, their_port), _row_key(ours.ipv4_mapped.packed, our_port))
        ends.insert(0, (_TCP, *four))
    for table, its_end, our_end in ends:
        if row := _find_row(table, its_end, our_end):
            uid, inode = int(row[7]), int(row[9])
            return uid if inode else None
    return None


def _bind_tcp(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    address = ipaddress.ip_address(host)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with contextlib.ExitStack() as cleanup:
        sock = cleanup.enter_context(socket.socket(family, socket.SOCK_STREAM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((str(address), port))
        _listen(sock)
        cleanup.pop_all()
    return sock


def _bind_unix(path: Path, group: str) -> socket.socket:
    _remove_stale(path)
    with contextlib.ExitStack() as cleanup:
        sock = cleanup.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.bind(str(path))
        if group:
            _give_to(path, group)
        path.chmod(0o660)
        _listen(sock)
        cleanup.pop_all()
    return sock


def _give_to(path: Path, group: str) -> None:
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except KeyError:
        path.unlink()
        raise BindError(f"cannot listen on {path}: there is no group {group} (setting http_socket_group)") from None
    except PermissionError:
        path.unlink()
        raise BindError(
            f"cannot give {path} to the group {group} (setting http_socket_group): start as root, or in that group"
        ) from None


def _listen(sock: socket.socket) -> None:
    # SO_REUSEADDR lets two sockets bind one port as long as neither listens; listening at once finds the clash now.
    sock.listen(_BACKLOG)
    sock.setblocking(False)


def _remove_stale(path: Path) -> None:
    """Removes the socket that a dead process left; a live one's makes bind raise EADDRINUSE, as any other file does."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(listen: Listen, setting: str) -> Iterator[None]:
    where = f"{listen} (setting {setting})" if setting else str(listen)
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"cannot listen on {where}: another program uses it") from None
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise AddressMissing(f"cannot listen on {where}: this machine has no such address") from None
        if error.errno == errno.EACCES and listen.unix_path is None and listen.port < 1024:
            raise BindError(f"cannot listen on {where}: ports below 1024 need root") from None
        raise BindError(f"cannot listen on {where}: {reason}") from None


def _adopt(fd: int) -> socket.socket:
    try:
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise BindError(f"descriptor {fd} from systemd is no socket: {error.strerror}") from None
    if sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise BindError(f"descriptor {fd} from systemd is no stream socket")
    sock.setblocking(False)
    return sock


def _mapped(host: str) -> ipaddress.IPv6Address | None:
    """An IP address as IPv6, IPv4 mapped into it; None for what is no address, as a Unix socket's."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return ipaddress.IPv6Address(f"::ffff:{ip}") if isinstance(ip, ipaddress.IPv4Address) else ip


def _row_key(packed: bytes, port: int) -> bytes:
    """An endpoint as proc(5) writes it: each 32-bit word as a number in the machine's own byte order."""
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words).encode() + f":{port:04X}".encode()


def _find_row(table: Path, local: bytes, remote: bytes) -> list[bytes]:
    """The columns of the row with these ends, [] if there is none."""
    try:
        content = table.read_bytes()
    except OSError:  # a kernel without IPv6, or a sandbox that hides it: the owner is unknown then
        return []
    start = content.find(b": " + local + b" " + remote + b" ")
    if start < 0:
        return []
    line_start = content.rfind(b"\n", 0, start) + 1
    return content[line_start : content.find(b"\n", start)].split()
