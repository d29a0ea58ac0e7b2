"""One TCP connection of this machine looked up in the kernel, over netlink's SOCK_DIAG (sock_diag(7)).

/proc/net/tcp tells the same, but makes the kernel print every connection for the sake of one.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
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


class Found(NamedTuple):
    """Whose a socket is. An inode of 0 means that its process has closed it, and then the uid says nothing."""

    uid: int
    inode: int


def find(local: tuple[str, int], peer: tuple[str, int]) -> Found | None:
    """The socket whose own address is `local` and whose other end is `peer`; None if there is none.

    Raises OSError where the kernel does not answer such questions.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        netlink.sendto(_question(local, peer), (0, 0))
        return _answer(netlink.recv(8192), local[1], peer[1])


def _question(local: tuple[str, int], peer: tuple[str, int]) -> bytes:
    own, other = ipaddress.ip_address(local[0]), ipaddress.ip_address(peer[0])
    family = socket.AF_INET if own.version == 4 else socket.AF_INET6
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    body += _ID.pack(local[1], peer[1], own.packed, other.packed) + _ID_REST.pack(0, *_NO_COOKIE)
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + body


def _answer(message: bytes, local_port: int, peer_port: int) -> Found | None:
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
    return Found(uid, inode)
