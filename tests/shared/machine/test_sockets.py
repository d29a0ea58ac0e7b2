"""Sockets: bound, clashing, inherited, and traced to the user at their other end."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_shared.machine import sockets
from onifast_shared.machine.setting_types import Listen

ANY_PORT = Listen("127.0.0.1", 0)
NOBODY = 65534

# Connects, as another user where it may, and waits until its input closes.
CLIENT = """
import os, socket, sys
uid, host, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if os.getuid() == 0 and uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
connection.connect((host, port))
print(os.getuid(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with sockets.bind(ANY_PORT) as sock:
        sock.setblocking(True)
        yield sock


@contextlib.contextmanager
def client(uid: int, host: str, port: int) -> Iterator[int]:
    """A process with a connection to us; its uid."""
    command = [sys.executable, "-c", CLIENT, str(uid), host, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate()


def owner(accepted: socket.socket, peer: tuple[str, int]) -> int | None:
    return sockets.socket_owner(accepted.getsockname()[:2], peer[:2])


@pytest.mark.parametrize("uid", [NOBODY, 0])
@pytest.mark.parametrize("host", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_the_owner_is_the_user_at_the_other_end(listening: socket.socket, uid: int, host: str) -> None:
    with client(uid, host, listening.getsockname()[1]) as its_uid:
        accepted, peer = listening.accept()
        with accepted:
            assert owner(accepted, peer) == its_uid
            # Seen from the other end, it is us.
            assert sockets.socket_owner(peer[:2], accepted.getsockname()[:2]) == os.getuid()


def test_the_owner_is_known_over_ipv6() -> None:
    with sockets.bind(Listen("::1", 0)) as listening:
        listening.setblocking(True)
        with client(NOBODY, "::1", listening.getsockname()[1]) as its_uid:
            accepted, peer = listening.accept()
            with accepted:
                assert owner(accepted, peer) == its_uid


def test_the_owner_of_a_closed_socket_is_unknown_and_never_root(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as connection:
        accepted, peer = listening.accept()
        connection.close()
        with accepted:
            assert owner(accepted, peer) is None


def test_the_owner_of_no_connection_is_unknown() -> None:
    assert sockets.socket_owner(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert sockets.socket_owner(("192.0.2.1", 25), ("192.0.2.2", 2)) is None
    assert sockets.socket_owner(("::1", 25), ("fe80::1%eth0", 2)) is None
    assert sockets.socket_owner(("", 0), ("", 0)) is None


def test_a_used_port_is_named_with_its_setting(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    with pytest.raises(sockets.PortInUse, match=rf"127\.0\.0\.1:{port} \(setting smtp_listen\): another program"):
        sockets.bind(Listen("127.0.0.1", port), "smtp_listen")


def test_a_port_can_be_bound_again_at_once_after_use(listening: socket.socket) -> None:
    address = listening.getsockname()
    with socket.create_connection(address) as connection:
        listening.accept()[0].close()
        listening.close()
        connection.recv(1)
    sockets.bind(Listen(*address)).close()


def test_a_port_can_be_shared_where_that_is_asked_for() -> None:
    with sockets.bind(ANY_PORT, reuse_port=True) as first:
        sockets.bind(Listen(*first.getsockname()), reuse_port=True).close()


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(sockets.AddressMissing, match=r"192\.0\.2\.1:0: this machine"):
        sockets.bind(Listen("192.0.2.1", 0))


def test_both_wildcards_can_have_the_same_port() -> None:
    first = sockets.bind(Listen("0.0.0.0", 0))
    port = first.getsockname()[1]
    second = sockets.bind(Listen("::", port))
    first.close()
    second.close()


def test_all_are_bound_or_none_is_left_open(listening: socket.socket) -> None:
    both = sockets.bind_all([ANY_PORT, ANY_PORT])
    assert len(both) == 2
    free = Listen(*both[0].getsockname())
    for sock in both:
        sock.close()
    with pytest.raises(sockets.PortInUse):
        sockets.bind_all([free, Listen(*listening.getsockname())], "smtp_listen")
    sockets.bind(free).close()


def test_a_unix_socket_is_for_its_user_and_group(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with sockets.bind(Listen("", 0, path)):
        assert path.stat().st_mode & 0o777 == 0o660


def test_a_unix_socket_is_for_the_group_that_is_named(tmp_path: Path) -> None:
    own = grp.getgrgid(os.getegid()).gr_name
    path = tmp_path / "web.sock"
    with sockets.bind(Listen("", 0, path), group=own):
        assert path.stat().st_gid == os.getegid()
    path.unlink()
    with pytest.raises(sockets.BindError, match="there is no group nobody-has-this"):
        sockets.bind(Listen("", 0, path), group="nobody-has-this")
    assert not path.exists()


def test_a_dead_unix_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    listen = Listen("", 0, tmp_path / "web.sock")
    sockets.bind(listen, "http_listen").close()
    with sockets.bind(listen, "http_listen"), pytest.raises(sockets.PortInUse, match="http_listen"):
        sockets.bind(listen, "http_listen")


def test_a_file_in_a_sockets_place_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "web.sock").write_text("precious")
    with pytest.raises(sockets.BindError):
        sockets.bind(Listen("", 0, tmp_path / "web.sock"))
    assert (tmp_path / "web.sock").read_text() == "precious"


def test_a_directory_that_is_missing_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(sockets.BindError, match="No such file") as raised:
        sockets.bind(Listen("", 0, tmp_path / "none" / "web.sock"), "http_listen")
    assert "\n" not in str(raised.value)


# Takes over what its parent left at descriptors 3 and on, as systemd would, and says what it got.
INHERITOR = """
import os
from onifast_shared.machine.sockets import inherited
if os.environ.pop("RIGHT_PID"):
    os.environ["LISTEN_PID"] = str(os.getpid())
found = inherited()
print({name: [sock.getsockname()[1] for sock in group] for name, group in found.items()})
print(any(sock.get_inheritable() for group in found.values() for sock in group))
"""


def run_inheritor(handed: list[socket.socket], **environ: str) -> list[str]:
    """The output of a child that has `handed` at descriptors 3, 4 …"""

    def place() -> None:
        held = [os.dup2(sock.fileno(), 100 + number, inheritable=False) for number, sock in enumerate(handed)]
        for number, fd in enumerate(held):
            os.dup2(fd, 3 + number)

    child = subprocess.run(
        [sys.executable, "-c", INHERITOR],
        env=os.environ | environ,
        preexec_fn=place,
        close_fds=False,
        capture_output=True,
        text=True,
        check=True,
    )
    return child.stdout.splitlines()


def test_sockets_of_systemd_are_found_by_name(listening: socket.socket) -> None:
    with sockets.bind(ANY_PORT) as second, sockets.bind(ANY_PORT) as third:
        ports = [sock.getsockname()[1] for sock in (listening, second, third)]
        output = run_inheritor(
            [listening, second, third], RIGHT_PID="1", LISTEN_FDS="3", LISTEN_FDNAMES="smtp:submission:smtp"
        )
    assert output == [str({"smtp": [ports[0], ports[2]], "submission": [ports[1]]}), "False"]


def test_sockets_of_systemd_without_names_are_unknown(listening: socket.socket) -> None:
    output = run_inheritor([listening], RIGHT_PID="1", LISTEN_FDS="1")
    assert output[0] == str({"unknown": [listening.getsockname()[1]]})


def test_sockets_meant_for_another_process_are_left_alone(listening: socket.socket) -> None:
    assert run_inheritor([listening], RIGHT_PID="", LISTEN_PID="1", LISTEN_FDS="1")[0] == "{}"


def test_nothing_is_inherited_where_nothing_was_handed_over() -> None:
    assert sockets.inherited({}) == {}
    assert sockets.inherited({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) == {}


def test_what_was_handed_over_must_be_a_socket() -> None:
    with Path(os.devnull).open() as plain, pytest.raises(sockets.BindError, match="no socket"):
        sockets._adopt(plain.fileno())
