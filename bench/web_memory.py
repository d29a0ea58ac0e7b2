"""What web holds in memory while large attachments go in and come out, for `make bench-web`."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIZE = 30 * 1024 * 1024
AT_ONCE = 4
_BOUNDARY = "bench-boundary"
_LOOK_EVERY = 0.02
_TIMEOUT = 120.0


@dataclass(frozen=True)
class Memory:
    """MiB of proportional set size (PSS) of all processes of the program: before, at the most, and some time after."""

    before: float
    most: float
    after: float
    first_octet: float
    """Seconds until the last of the downloads began."""


def pss(pid: int) -> float:
    """MiB that a process and those that it has started hold, shared pages divided among who shares them."""
    return sum(_pss_of(each) for each in family(pid))


def family(pid: int) -> list[int]:
    """A process, and all that it has started, children of children too."""
    found = [pid]
    for each in found:
        children = Path(f"/proc/{each}/task/{each}/children").read_text().split()
        found += map(int, children)
    return found


def _pss_of(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Attachments:
    """Uploads and downloads of large attachments, as one user."""

    def __init__(self, address: tuple[str, int], token: str, sender: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}
        self._sender = sender
        self._file = secrets.token_bytes(SIZE)
        self.first_octets: list[float] = []

    def upload(self) -> int:
        """Sends a message to its own sender with a file of SIZE; the id of the copy in sent."""
        fields = {"from": self._sender, "to": self._sender, "subject": "large", "text": "see the file"}
        head = "".join(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="attachments"; filename="large.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + self._file + f"\r\n--{_BOUNDARY}--\r\n".encode()
        status, answer = self._ask("POST", "/api/mail/send", body, f"multipart/form-data; boundary={_BOUNDARY}")
        while status in {429, 503}:  # one client has two large bodies at once
            time.sleep(0.2)
            status, answer = self._ask("POST", "/api/mail/send", body, f"multipart/form-data; boundary={_BOUNDARY}")
        if status != 202:
            raise RuntimeError(f"an upload was answered by {status} {answer[:300]!r}")
        return int(json.loads(answer)["email_id"])

    def download(self, email_id: int) -> None:
        """Fetches the file, and looks whether it is the same."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT)
        connection.request("GET", f"/api/mail/attachment?id={email_id}&index=0", headers=self._headers)
        answer = connection.getresponse()
        first = answer.read(1)
        self.first_octets.append(time.perf_counter() - began)
        if answer.status != 200 or first + answer.read() != self._file:
            raise RuntimeError(f"a download was answered by {answer.status}")
        connection.close()

    def _ask(self, method: str, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT)
        try:
            connection.request(method, path, body, self._headers | {"Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (BrokenPipeError, ConnectionResetError):
            return 503, b""  # refused before all of it was sent
        finally:
            connection.close()


def measure(pid: int, attachments: Attachments, index: Callable[[], None]) -> Memory:
    """AT_ONCE files go in, and AT_ONCE come out, all at once; what the program held.

    `index` does what outbox does with the message that they come from.
    """
    stored = attachments.upload()
    index()
    time.sleep(2)
    before = pss(pid)
    uploads: Sequence[Callable[[], object]] = [attachments.upload] * AT_ONCE
    downloads: Sequence[Callable[[], object]] = [lambda: attachments.download(stored)] * AT_ONCE
    with _watched(pid) as seen:
        _together([*uploads, *downloads])
    time.sleep(5)
    return Memory(before, max(seen), pss(pid), max(attachments.first_octets))


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    seen, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY):
            seen.append(pss(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _together(work: Sequence[Callable[[], object]]) -> None:
    failed: list[BaseException] = []

    def run(each: Callable[[], object]) -> None:
        try:
            each()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
