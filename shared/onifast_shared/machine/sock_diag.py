"""One TCP connection of this machine looked up in the kernel, over netlink's SOCK_DIAG (sock_diag(7)).

/proc/net/tcp tells the same, but makes the kernel print every connection for the sake of one.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from functools import lru_cache
from typing import NamedTuple

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_TCP_LISTEN = 10
_ANY_STATE = 0xFFFFFFFF
_NO_COOKIE = (0xFFFFFFFF, 0xFFFFFFFF)

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBBBI")  # struct inet_diag_req_v2: family, protocol, extensions, padding, states
_ID = struct.Struct("!HH16s16s")  # struct inet_diag_sockid: ports and addresses, in network order …
_ID_REST = struct.Struct("=III")  # … interface and cookie, in the machine's
_MESSAGE = struct.Struct("=BBBB")  # struct inet_diag_msg: family, state, timer, retransmissions
_TAIL = struct.Struct("=IIIII")  # expires, receive queue, send queue, uid, inode


class SocketOwner(NamedTuple):
    """Whose a socket is. An inode of 0 means that its process has closed it, and then the uid says nothing."""

    uid: int
    inode: int


class Finder:
    """Asks the kernel for sockets, over one netlink socket that stays open; for one thread."""

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None
        self._asked = 0

    def find(self, local: tuple[str, int], peer: tuple[str, int]) -> SocketOwner | None:
        """The socket whose own address is `local` and whose other end is `peer`; None if there is none.

        Raises OSError where the kernel does not answer such questions, ValueError for what is no IP address.
        """
        self._asked += 1
        question = _question(local, peer, self._asked)
        try:
            netlink = self._netlink or self._open()
            netlink.send(question)
            answer = netlink.recv(8192)
            # The kernel answers before `send` returns. What answers an earlier question is one that went wrong.
            while _HEADER.unpack_from(answer)[3] != self._asked & 0xFFFFFFFF:
                answer = netlink.recv(8192)
        except OSError:
            self.close()
            raise
        return _answer(answer, local[1], peer[1])

    def close(self) -> None:
        """Closes the socket; the next question opens another."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _open(self) -> socket.socket:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
        self._netlink = netlink
        netlink.connect((0, 0))
        netlink.setblocking(False)
        return netlink


def find(local: tuple[str, int], peer: tuple[str, int]) -> SocketOwner | None:
    """`Finder.find` for those who ask once."""
    finder = Finder()
    try:
        return finder.find(local, peer)
    finally:
        finder.close()


def _question(local: tuple[str, int], peer: tuple[str, int], number: int) -> bytes:
    (family, own), (_, other) = _packed(local[0]), _packed(peer[0])
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    body += _ID.pack(local[1], peer[1], own, other) + _ID_REST.pack(0, *_NO_COOKIE)
    head = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, number & 0xFFFFFFFF, 0)
    return head + body


@lru_cache(maxsize=256)
def _packed(host: str) -> tuple[int, bytes]:
    ip = ipaddress.ip_address(host.partition("%")[0])
    return (socket.AF_INET if ip.version == 4 else socket.AF_INET6), ip.packed


def _answer(message: bytes, local_port: int, peer_port: int) -> SocketOwner | None:
    kind = _HEADER.unpack_from(message)[1]
    if kind == _NLMSG_ERROR:
        code = -struct.unpack_from("=i", message, _HEADER.size)[0]
        if code == errno.ENOENT:
            return None
        raise OSError(code, os.strerror(code))
    if kind != _SOCK_DIAG_BY_FAMILY:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    place = _HEADER.size
    state = _MESSAGE.unpack_from(message, place)[1]
    ports = _ID.unpack_from(message, place + _MESSAGE.size)[:2]
    if state == _TCP_LISTEN or ports != (local_port, peer_port):
        return None  # where no connection fits, the kernel offers a listener
    uid, inode = _TAIL.unpack_from(message, place + _MESSAGE.size + _ID.size + _ID_REST.size)[3:]
    return SocketOwner(uid, inode)
