"""Clients for `make bench-web`: each a process with a connection of its own, one request after another."""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.queues
import multiprocessing.synchronize
import random
import socket
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

_TIMEOUT = 60.0
_READ = 1 << 16
LONGEST = 15.0
"""Seconds that a client goes on asking."""


@dataclass(frozen=True)
class Case:
    """A kind of request: the paths that are asked for in turn, and the header lines that go with them.

    `status` is what is to be answered; anything else ends the measurement.
    """

    name: str
    paths: Sequence[str]
    headers: str
    status: int = 200


@dataclass(frozen=True)
class Latency:
    """What one case came to, in milliseconds."""

    median: float
    p95: float
    per_second: float
    requests: int

    @classmethod
    def of(cls, seconds: Sequence[float], elapsed: float) -> Latency:
        """From the seconds that each request took, and those that all of them did."""
        ordered = sorted(seconds)
        last = ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.95) - 1)]
        return cls(statistics.median(ordered) * 1000, last * 1000, len(ordered) / elapsed, len(ordered))


@dataclass(frozen=True)
class _Start:
    """What all clients of a measurement have."""

    address: tuple[str, int]
    case: Case
    ready: multiprocessing.synchronize.Barrier
    results: multiprocessing.queues.SimpleQueue[list[float] | str]


def measure(address: tuple[str, int], case: Case, clients: int, requests: int) -> Latency:
    """`requests` of a case in all, or as many as LONGEST allows, shared among so many clients.

    Raises RuntimeError for an answer that is none.
    """
    context = multiprocessing.get_context("fork")
    each = max(1, requests // clients)
    start = _Start(address, case, context.Barrier(clients + 1), context.SimpleQueue())
    workers = [context.Process(target=_client, args=(start, each, number)) for number in range(clients)]
    for worker in workers:
        worker.start()
    start.ready.wait(_TIMEOUT)
    began = time.perf_counter()
    found = [start.results.get() for _ in workers]
    elapsed = time.perf_counter() - began
    for worker in workers:
        worker.join()
    if failed := [each for each in found if isinstance(each, str)]:
        raise RuntimeError(f"{case.name}: {failed[0]}")
    return Latency.of([seconds for each in found if isinstance(each, list) for seconds in each], elapsed)


def _client(at: _Start, requests: int, number: int) -> None:
    case, ready = at.case, at.ready
    paths = list(case.paths)
    random.Random(number).shuffle(paths)
    try:
        with socket.create_connection(at.address, _TIMEOUT) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ask(connection, paths[0], case)
            ready.wait(_TIMEOUT)
            found: list[float] | str = _all(connection, paths, case, requests)
    except (OSError, ValueError) as error:
        ready.abort()
        found = repr(error)
    at.results.put(found)


def _all(connection: socket.socket, paths: Sequence[str], case: Case, requests: int) -> list[float]:
    found, deadline = list[float](), time.perf_counter() + LONGEST
    while len(found) < requests and time.perf_counter() < deadline:
        found.append(_timed(connection, paths[len(found) % len(paths)], case))
    return found


def _timed(connection: socket.socket, path: str, case: Case) -> float:
    began = time.perf_counter()
    ask(connection, path, case)
    return time.perf_counter() - began


def ask(connection: socket.socket, path: str, case: Case) -> tuple[bytes, bytes]:
    """One request; the answer's head and body. Raises ValueError for another status than the case's."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {case.name.split()[0]}.test\r\n{case.headers}\r\n".encode())
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    if int(head.split(b" ", 2)[1]) != case.status:
        raise ValueError(f"{path} was answered by {head[:200]!r} {body[:200]!r}")
    if b"transfer-encoding: chunked" in head.lower():
        return head, _unchunked(connection, bytearray(body))
    wanted = _length(head)
    rest = bytearray(body)
    while len(rest) < wanted:
        rest += _received(connection)
    return head, bytes(rest)


def _unchunked(connection: socket.socket, data: bytearray) -> bytes:
    """A body in chunks (RFC 9112 section 7.1)."""
    found = bytearray()
    while True:
        while b"\r\n" not in data:
            data += _received(connection)
        line, _, _ = bytes(data).partition(b"\r\n")
        size, begin = int(line.split(b";")[0], 16), len(line) + 2
        while len(data) < begin + size + 2:
            data += _received(connection)
        found += data[begin : begin + size]
        del data[: begin + size + 2]
        if size == 0:
            return bytes(found)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(_READ)
    if not data:
        raise ValueError("the server hung up")
    return data
