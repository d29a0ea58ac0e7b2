"""Reads an account at another IMAP server (RFC 9051), over TLS: all its folders, with flags and dates.

The server is a stranger's choice. Its name is looked up once, each address is judged, and one that passed is connected
to; what it says is bounded in size and in time. Its folders are examined: nothing there changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import DNSError, Resolver
from onifast_shared.moving import mailbox_names, places
from onifast_shared.moving.found import Finds, Found, Interrupted, Marks, PassedOver, SourceError, SourceMessage
from onifast_shared.moving.jobs import MovingJob
from onifast_shared.webhooks import targets

PORT = 993
TIMEOUT = 30.0  # seconds of silence
_LONGEST = 120.0  # seconds of one command
_AT_ONCE = 200
_MOST_FOLDERS = 2000
_GMAIL = "X-GM-EXT-1"
_LIST = re.compile(rb'\((?P<flags>[^)]*)\) (?:"(?P<separator>\\?.)"|NIL) (?P<name>.+)\Z', re.DOTALL)
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'INTERNALDATE "[^"]+"')
_NO_LABELS = {"junk", "nonjunk", "notjunk"}
_FAILURES = (OSError, imaplib.IMAP4.abort, EOFError)

MayAsk = Callable[[str, int], bool]


@dataclass(frozen=True)
class ImapFolder:
    """A folder of the account: its name as the server has it, with `/` for people, and its special use."""

    wire: bytes
    place: str
    use: str


@dataclass(frozen=True)
class _Position:
    """Behind which message of which folder one goes on."""

    wire: bytes = b""
    validity: int = 0
    uid: int = 0

    @classmethod
    def of(cls, text: str) -> _Position:
        validity, _, rest = text.partition(":")
        uid, _, name = rest.partition(":")
        return cls(name.encode("latin-1"), int(validity), int(uid)) if name else cls()

    def __str__(self) -> str:
        return f"{self.validity}:{self.uid}:{self.wire.decode('latin-1')}"


def read(job: MovingJob, settings: Settings) -> Finds:
    """All messages of an account, from where the job is; raises SourceError, Interrupted.

    `job.source["imap"]` has `host`, `port` and `user`; the job's secret is the password. Users reach the public
    Internet, and `import_networks`; what onifast-mailctl asks for reaches any host.
    """
    where = job.source["imap"]
    host, port = str(where["host"]), int(where["port"])
    may_ask = _anywhere if job.by_ctl else targets.or_in(settings.import_networks)
    addresses = find(host, port, settings, may_ask)
    client = _connected(addresses, host, port, settings)
    try:
        with client.within(_LONGEST):
            _log_in(client, str(where["user"]), job.secret or "")
        yield from _account(client, _Position.of(job.position))
    except _FAILURES as error:
        raise Interrupted(f"The connection to {host} broke off ({_told(error)}). It can be gone on with.") from None
    except imaplib.IMAP4.error as error:
        raise SourceError(f"{host} said: {_told(error)}") from None
    finally:
        client.cut()


def find(host: str, port: int, settings: Settings, may_ask: MayAsk) -> list[str]:
    """The addresses of a server that may be asked; raises SourceError."""
    found = [host] if _is_address(host) else asyncio.run(_looked_up(host, Resolver(settings)))
    if not found:
        raise SourceError(f"There is no server {host}.")
    allowed = [each for each in found if may_ask(each, port)]
    if not allowed:
        raise SourceError(f"{host} is no server on the public Internet.")
    return allowed


async def _looked_up(host: str, resolver: Resolver) -> list[str]:
    found = list[str]()
    for look_up in (resolver.a, resolver.aaaa):
        with contextlib.suppress(DNSError):
            found += await look_up(host)
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _anywhere(_address: str, _port: int) -> bool:
    return True


class _Client(imaplib.IMAP4_SSL):
    """imaplib's client for an address that was judged, with bounds on what it takes from the server."""

    def __init__(self, address: str, host: str, port: int, context: ssl.SSLContext, largest: int) -> None:
        self._address = address
        self.largest = largest
        super().__init__(host, port, ssl_context=context, timeout=TIMEOUT)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection((self._address, self.port), timeout)
        return self.ssl_context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[no-any-return]

    def read(self, size: int) -> bytes:
        """A literal; raises abort for one that is larger than any message may be."""
        if size > self.largest:
            raise self.abort(f"a literal of {size} octets")
        return super().read(size)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cuts the connection where a command takes longer, however busily the server talks."""
        timer = threading.Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self) -> None:
        """Ends the connection at once, from any thread."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.sock.close()


def _connected(addresses: list[str], host: str, port: int, settings: Settings) -> _Client:
    context = ssl.create_default_context(cafile=settings.outbound_tls_ca)
    largest = settings.max_message_size + 1024
    trouble: Exception = OSError("no address")
    for address in addresses[:4]:
        try:
            return _Client(address, host, port, context, largest)
        except ssl.SSLCertVerificationError as error:
            raise SourceError(f"{host} does not prove that it is itself: {error.verify_message}.") from None
        except (*_FAILURES, imaplib.IMAP4.error) as error:
            trouble = error
    raise SourceError(f"{host} cannot be reached at port {port}: {_told(trouble)}")


def _log_in(client: _Client, user: str, password: str) -> None:
    try:
        if "AUTH=PLAIN" in client.capabilities:
            client.authenticate("PLAIN", lambda _challenge: f"\0{user}\0{password}".encode())
        else:
            client.login(user, password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        raise SourceError(
            "The server does not take that user name and password. Many providers want an app password here."
        ) from None


def _account(client: _Client, start: _Position) -> Finds:
    with client.within(_LONGEST):  # what it offered before the login is less
        able = (client.capability()[1][0] or b"").decode("ascii", "replace").upper().split()
    folders = _folders(client, tells_use="SPECIAL-USE" in able)
    names = [folder.wire for folder in folders]
    first = names.index(start.wire) if start.wire in names else 0
    sizes = [_count(client, folder) for folder in folders]
    for number, folder in enumerate(folders):
        if number < first:
            continue
        done = sum(sizes[:number])
        after = start if folder.wire == start.wire else _Position(folder.wire)
        for seen, found in _folder(client, folder, after, is_labelled=_GMAIL in able):
            share = 1_000_000 * (done + seen) // max(1, sum(sizes))
            yield _at(found, min(share, 1_000_000))


def _at(found: Found, octets: int) -> Found:
    return replace(found, octets=octets)


def _folders(client: _Client, *, tells_use: bool) -> list[ImapFolder]:
    """All folders that hold messages: the inbox first, and the one that has all messages last."""
    with client.within(_LONGEST):
        if tells_use:
            client.xatom("LIST", '""', '"*"', "RETURN", "(SPECIAL-USE)")
        else:
            client.xatom("LIST", '""', '"*"')
        lines = client.response("LIST")[1]
    found = list[ImapFolder]()
    for line in _joined(lines):
        match = _LIST.match(line)
        if match is None or len(found) >= _MOST_FOLDERS:
            continue
        flags = {flag.decode("ascii", "replace").lstrip("\\").casefold() for flag in match["flags"].split()}
        if flags & {"noselect", "nonexistent"}:
            continue
        wire = _unquoted(match["name"])
        separator = (match["separator"] or b"/").decode("latin-1")[-1]
        parts = wire.decode("latin-1").split(separator)
        place = "/".join(mailbox_names.decoded(part).replace("/", "-") for part in parts)
        use = next((flag for flag in flags if places.folder_of("", flag)), "")
        found.append(ImapFolder(wire, place, "inbox" if place.upper() == "INBOX" else use))
    return sorted(found, key=lambda each: (each.use == "all", each.use != "inbox", not each.use))


def _joined(lines: list[bytes | tuple[bytes, bytes] | None]) -> Iterator[bytes]:
    """Lines, names that come as literals put into them."""
    for line in lines:
        if isinstance(line, tuple):
            yield re.sub(rb"\{\d+\}\Z", b"", line[0]) + line[1]
        elif line:
            yield line


def _unquoted(name: bytes) -> bytes:
    name = name.strip()
    if name.startswith(b'"') and name.endswith(b'"') and len(name) > 1:
        return re.sub(rb"\\(.)", rb"\1", name[1:-1])
    return name


def _quoted(name: bytes) -> str:
    return '"' + name.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _count(client: _Client, folder: ImapFolder) -> int:
    with client.within(_LONGEST):
        status, lines = client.status(_quoted(folder.wire), "(MESSAGES)")
    found = re.search(rb"MESSAGES (\d+)", lines[0] or b"") if status == "OK" and lines else None
    return int(found[1]) if found else 0


def _folder(client: _Client, folder: ImapFolder, after: _Position, *, is_labelled: bool) -> Iterator[tuple[int, Found]]:
    """The messages of a folder behind a position, each with how many of the folder have been seen by then."""
    with client.within(_LONGEST):
        status, lines = client.select(_quoted(folder.wire), readonly=True)
    if status != "OK":
        yield 0, PassedOver(folder.place, f"the folder cannot be opened: {_told(lines[0])}")
        return
    total = int(lines[0] or 0)
    validity = int((client.response("UIDVALIDITY")[1] or [b"0"])[0] or 0)
    last = after.uid if after.validity == validity else 0
    number = 1
    while number <= total:
        with client.within(_LONGEST):
            _, told_of = client.fetch(
                f"{number}:{min(number + _AT_ONCE - 1, total)}", "(UID FLAGS INTERNALDATE RFC822.SIZE)"
            )
        for line in told_of:
            told = line[0] if isinstance(line, tuple) else line
            uid = _number(_UID, told or b"")
            if uid <= last:
                continue
            position = str(_Position(folder.wire, validity, uid))
            yield number, _message(client, folder, told or b"", uid, position, is_labelled=is_labelled)
            last = uid
        gone = client.response("EXPUNGE")[1]
        if gone and gone[0] is not None:  # the numbers have moved: once more from the first, behind the last
            number, total = 1, total - len(gone)
        else:
            number += _AT_ONCE


def _message(client: _Client, folder: ImapFolder, told: bytes, uid: int, position: str, *, is_labelled: bool) -> Found:
    name = f"{folder.place}: message {uid}"
    size, largest = _number(_SIZE, told), client.largest
    if size > largest:
        return PassedOver(name, f"it has {size:,} octets, and {largest:,} are the most", position)
    with client.within(_LONGEST + size / 32768):
        _, answer = client.uid("FETCH", str(uid), "(BODY.PEEK[])")
    raw = next((line[1] for line in answer if isinstance(line, tuple)), b"")
    if not raw.strip():
        return PassedOver(name, "the server does not give it", position)
    received = _DATE.search(told)
    moment = imaplib.Internaldate2tuple(received[0]) if received else None
    flags = _FLAGS.search(told)
    return SourceMessage(
        raw,
        name,
        folder.place,
        folder.use,
        _marks(flags[1] if flags else b""),
        int(time.mktime(moment)) if moment else None,
        position,
        is_labelled=is_labelled,
    )


def _marks(flags: bytes) -> Marks:
    said = [mailbox_names.decoded(flag.decode("latin-1")) for flag in flags.split()]
    plain = {flag.casefold() for flag in said}
    labels = tuple(flag for flag in said if not flag.startswith(("\\", "$")) and flag.casefold() not in _NO_LABELS)
    return Marks(
        is_read="\\seen" in plain,
        is_answered="\\answered" in plain,
        is_starred="\\flagged" in plain,
        is_forwarded="$forwarded" in plain,
        is_draft="\\draft" in plain,
        is_deleted="\\deleted" in plain,
        labels=labels,
    )


def _number(pattern: re.Pattern[bytes], told: bytes) -> int:
    found = pattern.search(told)
    return int(found[1]) if found else 0


def _told(error: object) -> str:
    if isinstance(error, OSError):
        return error.strerror or "no answer"
    text = error.decode("utf-8", "replace") if isinstance(error, bytes) else str(error)
    return "".join(each for each in text if each.isprintable())[:200] or "no answer"
