"""A connection looked up in the kernel."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest
from onifast_shared.machine import sock_diag, sockets

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["127.0.0.1", "::1"])
def connection(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Both ends of a connection: the client's and the accepted one."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as listener:
        client = socket.create_connection(listener.getsockname()[:2])
        accepted, _ = listener.accept()
        yield client, accepted
        client.close()
        accepted.close()


def test_a_socket_is_found_with_its_owner(connection: Pair) -> None:
    client, accepted = connection
    found = sock_diag.find(client.getsockname()[:2], accepted.getsockname()[:2])
    assert found == (os.getuid(), os.fstat(client.fileno()).st_ino)


def test_a_closed_socket_has_no_inode(connection: Pair) -> None:
    client, accepted = connection
    own, other = client.getsockname()[:2], accepted.getsockname()[:2]
    client.close()
    found = sock_diag.find(own, other)
    assert found is None or found.inode == 0


def test_a_listener_is_not_taken_for_a_connection(connection: Pair) -> None:
    _, accepted = connection
    host, port = accepted.getsockname()[:2]
    assert sock_diag.find((host, port), (host, 9)) is None


def test_a_connection_that_does_not_exist_is_not_found() -> None:
    assert sock_diag.find(("127.0.0.1", 9), ("127.0.0.1", 10)) is None


def test_an_ipv4_connection_of_an_ipv6_socket_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", listener.getsockname()[1]))
        accepted, peer = listener.accept()
        with accepted:
            found = sock_diag.find(peer, accepted.getsockname())
    assert found is not None
    assert found.inode


def test_one_finder_answers_many_questions(connection: Pair) -> None:
    client, accepted = connection
    own, other = client.getsockname()[:2], accepted.getsockname()[:2]
    with contextlib.closing(sock_diag.Finder()) as finder:
        found = [finder.find(own, other) for _ in range(3)]
        assert finder.find((own[0], 9), (own[0], 10)) is None
        assert finder.find(own, other) == found[0]
    assert found == [(os.getuid(), os.fstat(client.fileno()).st_ino)] * 3


def test_the_owner_is_read_from_proc_where_netlink_is_forbidden(
    connection: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise OSError("no netlink here")

    monkeypatch.setattr(sock_diag, "find", forbidden)
    client, accepted = connection
    assert sockets.socket_owner(accepted.getsockname()[:2], client.getsockname()[:2]) == os.getuid()
