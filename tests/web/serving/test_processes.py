"""Several processes of web: what they count together, how they share connections, and what becomes of the dead."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from onifast_shared.machine.config import Settings
from onifast_web.access.guessing import GuessingTurns
from onifast_web.serving import places
from onifast_web.serving.large_bodies import AT_ONCE, OF_ONE_CLIENT, LargeBodies
from onifast_web.serving.overload import Shares
from onifast_web.serving.places import WebPlaces

from peers.ports import free_port

PATIENCE = 30.0


class Running:
    """The program, with processes of its own."""

    def __init__(self, root: Path, count: int = 2) -> None:
        self.port = free_port()
        environment = {
            "ONIFAST_MAIL_ROOT": str(root),
            "ONIFAST_MAIL_HOSTNAME": "mail.host.test",
            "ONIFAST_MAIL_HTTP_LISTEN": f"127.0.0.1:{self.port}",
            "ONIFAST_MAIL_RUN_AS": "root",
            "ONIFAST_MAIL_HTTP_PROCESSES": str(count),
            "ONIFAST_MAIL_TRUSTED_PROXY_USERS": "",
        }
        self.log = root.parent / "log"
        with self.log.open("w") as stderr:
            self.process = subprocess.Popen([sys.executable, "-m", "onifast_web.main"], env=environment, stderr=stderr)
        assert eventually(lambda: "started" in self.log.read_text()), self.log.read_text()

    @property
    def children(self) -> set[int]:
        pid = self.process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.connect()
        return connection

    def sockets_of(self, pid: int) -> int:
        """How many connections a process holds, as its descriptors tell."""
        held = 0
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                held += str(descriptor.readlink()) in self._accepted()
            except OSError:
                continue
        return held

    def _accepted(self) -> set[str]:
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {f"socket:[{each[9]}]" for each in lines if each[1].endswith(f":{self.port:04X}") and each[3] == "01"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """The program with two processes, once it serves."""
    (tmp_path / "onifast" / "config").mkdir(parents=True)
    made = Running(tmp_path / "onifast")
    yield made
    made.process.kill()
    made.process.wait(PATIENCE)


def eventually(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not (happened := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened


def serves(running: Running) -> bool:
    try:
        with closing(running.connect()) as connection:
            return is_answered(connection)
    except OSError:  # taken by the process that has just died
        return False


def is_answered(connection: http.client.HTTPConnection) -> bool:
    connection.request("GET", "/login")
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


def test_connections_are_shared_evenly(running: Running) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            connection = running.connect()
            stack.callback(connection.close)
            assert is_answered(connection)
        held = sorted(running.sockets_of(pid) for pid in running.children)
        assert sum(held) == 8 and held[0] >= 3, held


def test_a_process_that_dies_is_replaced_while_the_others_serve(running: Running) -> None:
    victim, survivor = running.children
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: serves(running))
    assert eventually(lambda: len(running.children - {victim}) == 2)
    assert survivor in running.children
    assert f"died={victim}" in running.log.read_text()


def test_the_processes_end_when_their_parent_is_killed(running: Running) -> None:
    pids = running.children
    running.process.kill()
    running.process.wait(PATIENCE)
    assert eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))


def test_it_ends_with_status_0_when_it_is_told_to(running: Running) -> None:
    assert serves(running)
    running.process.terminate()
    assert running.process.wait(PATIENCE) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), 5)


def test_every_process_takes_settings_anew(running: Running) -> None:
    running.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: running.log.read_text().count("reloaded") == 3), running.log.read_text()
    assert len(running.children) == 2 and serves(running)


def test_what_cannot_start_ends_with_its_status(tmp_path: Path) -> None:
    (tmp_path / "onifast" / "config").mkdir(parents=True)
    (tmp_path / "onifast" / "config" / "panel.token").write_text("short")
    environment = {
        "ONIFAST_MAIL_ROOT": str(tmp_path / "onifast"),
        "ONIFAST_MAIL_HOSTNAME": "mail.host.test",
        "ONIFAST_MAIL_HTTP_LISTEN": f"127.0.0.1:{free_port()}",
        "ONIFAST_MAIL_RUN_AS": "root",
        "ONIFAST_MAIL_HTTP_PROCESSES": "2",
    }
    done = subprocess.run(
        [sys.executable, "-m", "onifast_web.main"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2 and done.stderr.count("panel token") == 1


def test_there_is_one_for_each_core_and_two_at_the_most(settings: Settings) -> None:
    assert places.how_many(settings) in {1, 2}
    assert places.how_many(replace(settings, http_processes=3)) == 3


def test_threads_are_divided_and_each_has_one() -> None:
    shared = WebPlaces(3)
    place = shared.place(0, lambda: None)
    assert [place.part_of(number) for number in (1, 8)] == [1, 8], "there are no others yet"
    for number in (1, 2):
        shared.place(number, lambda: None)
    assert [place.part_of(number) for number in (1, 3, 4, 8)] == [1, 1, 2, 3]
    shared.clear(2)
    assert place.part_of(8) == 4


def test_a_clients_connections_are_counted_over_all_processes() -> None:
    shared = WebPlaces(2)
    here, there = (shared.place(number, lambda: None) for number in range(2))
    ours, theirs = Shares(2, here.connections_of), Shares(2, there.connections_of)
    for shares in (ours, theirs):
        shares.take(("192.0.2.1",))
    assert ours.load(("192.0.2.1",)) == theirs.load(("192.0.2.1",)) == 1.0
    theirs.take(("192.0.2.1",))
    assert ours.crowded(("192.0.2.1",)) == {"192.0.2.1"}
    shared.clear(1)
    assert ours.load(("192.0.2.1",)) == 0.5
    ours.give(("192.0.2.1",))
    assert ours.load(("192.0.2.1",)) == theirs.load(("192.0.2.9",)) == 0.0


def test_guesses_are_counted_over_all_processes() -> None:
    shared = WebPlaces(2)
    ours, theirs = (GuessingTurns(shared.place(number, lambda: None).guesses_of) for number in range(2))
    with ours.take("web 192.0.2.1 ann") as first, theirs.take("web 192.0.2.1 ann") as second:
        assert first and second
        with ours.take("web 192.0.2.1 ann") as third, theirs.take("web 192.0.2.1 bob") as other:
            assert not third and other
    with theirs.take("web 192.0.2.1 ann") as again:
        assert again


class Upload:
    """A large request."""

    completed = False
    seconds = 0.0
    octets_a_second = 1e9

    def __init__(self, *client_places: str) -> None:
        self.client_places = client_places

    def give_way(self) -> None:
        raise AssertionError("it is not slow")


def test_large_bodies_are_counted_over_all_processes() -> None:
    shared = WebPlaces(2)
    ours, theirs = (
        LargeBodies("", place.large_bodies, place.large_bodies_of)
        for place in (shared.place(number, lambda: None) for number in range(2))
    )
    of_one = [Upload("192.0.2.1") for _ in range(OF_ONE_CLIENT)]
    assert [each.take(one) for each, one in zip((ours, theirs), of_one, strict=True)] == [True, True]
    assert not ours.take(Upload("192.0.2.1"))
    others = [Upload(f"192.0.2.{number + 9}") for number in range(AT_ONCE - OF_ONE_CLIENT)]
    assert all(theirs.take(other) for other in others)
    assert not ours.take(Upload("198.51.100.1"))
    theirs.let_go(others[0])
    theirs.let_go(others[0])
    assert ours.take(Upload("198.51.100.1")) and not ours.take(Upload("198.51.100.2"))
