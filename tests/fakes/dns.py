"""A local authoritative DNS server, whose records and failures a test chooses and changes while it runs."""

import asyncio
import enum
import socket
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zonefile

from fakes.loop import LoopServer

ZoneData = Mapping[str, Mapping[str, str | Iterable[str]]]

_TTL = 60
_PLAIN_UDP_SIZE = 512  # RFC 1035 §4.2.1: what a client takes over UDP unless EDNS says more
_LARGEST = 65535  # RFC 1035 §4.2.2: what the length field of TCP allows
_TXT_STRING_SIZE = 255  # RFC 1035 §3.3: one character-string of a TXT record
_LONGEST_ALIAS_CHAIN = 8


class Failure(enum.Enum):
    """How a name's queries fail."""

    SERVFAIL = enum.auto()
    REFUSED = enum.auto()
    YXDOMAIN = enum.auto()  # a DNAME makes too long a name of it
    SILENT = enum.auto()  # no answer ever, over UDP and TCP
    TRUNCATED = enum.auto()  # over UDP an empty answer that says "ask over TCP", where all is well


class Query(NamedTuple):
    """A question that came in; *name* is in lower case and without the final dot."""

    name: str
    rdtype: str
    transport: str  # "udp" or "tcp"


@dataclass(frozen=True)
class _Key:
    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType


class DnsServer(LoopServer):
    """Serves records on one port, over UDP and TCP, from ``__enter__`` to ``__exit__``.

    *zone* is zone text with absolute names, or a dict such as ``{"a.test": {"MX": "10 mx.a.test", "TXT":
    "v=spf1 -all"}}``. Names are taken as absolute, a final dot is optional, and TXT values need neither quotes nor
    splitting. It has authority over the whole tree: a name without records does not exist (NXDOMAIN); CNAME and
    wildcards are followed. Every method may be called from any thread while the server runs.
    """

    def __init__(self, zone: ZoneData | str = "", *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__("fake DNS server")
        self.host = host
        self.port = port
        self.validates = False
        """Whether every answer says that it was validated (DNSSEC's AD bit)."""
        self.silent = False
        """Whether nobody gets any answer."""
        self._queries: list[Query] = []
        self._records: dict[_Key, list[dns.rdata.Rdata]] = {}
        self._failures: dict[tuple[dns.name.Name, dns.rdatatype.RdataType | None], Failure] = {}
        self._lock = threading.Lock()
        self.load(zone)

    @property
    def address(self) -> str:
        """``HOST:PORT``, as the setting ``dns_servers`` takes it."""
        return f"{self.host}:{self.port}"

    @property
    def queries(self) -> list[Query]:
        """Every question so far, in order."""
        with self._lock:
            return list(self._queries)

    def asked(self, name: str, rdtype: str) -> int:
        """Returns how often *name* was asked for *rdtype*."""
        wanted = name.rstrip(".").lower()
        return sum(query.name == wanted and query.rdtype == rdtype for query in self.queries)

    def load(self, zone: ZoneData | str) -> None:
        """Adds the records of *zone*, replacing those of the same name and type."""
        if isinstance(zone, str):
            self._load_text(zone)
            return
        for name, types in zone.items():
            for rdtype, values in types.items():
                self.set(name, rdtype, *([values] if isinstance(values, str) else values))

    def set(self, name: str, rdtype: str, *values: str) -> None:
        """Gives *name* exactly these records of type *rdtype*; with no value, none."""
        key = _Key(_absolute(name), dns.rdatatype.from_text(rdtype))
        records = [_record(key.rdtype, value) for value in values]
        with self._lock:
            self._records.pop(key, None)
            if records:
                self._records[key] = records

    def remove(self, name: str) -> None:
        """Takes away every record of *name*."""
        gone = _absolute(name)
        with self._lock:
            self._records = {key: value for key, value in self._records.items() if key.name != gone}

    def fail(self, name: str, failure: Failure | None, rdtype: str | None = None) -> None:
        """Lets queries for *name* (of every type, or just *rdtype*) fail from now on; None makes them work again."""
        key = (_absolute(name), dns.rdatatype.from_text(rdtype) if rdtype else None)
        with self._lock:
            self._failures.pop(key, None)
            if failure:
                self._failures[key] = failure

    def _load_text(self, text: str) -> None:
        for rrset in dns.zonefile.read_rrsets(
            text, origin=dns.name.root, relativize=False, rdclass=None, default_ttl=_TTL
        ):
            with self._lock:
                self._records[_Key(rrset.name.canonicalize(), rrset.rdtype)] = list(rrset)

    async def _listen(self) -> None:
        udp, tcp = _bind(self.host, self.port)
        self.port = udp.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._connections: set[asyncio.StreamWriter] = set()
        self._tcp = await asyncio.start_server(self._serve_stream, sock=tcp)

    async def _stop(self) -> None:
        self._udp.close()
        self._tcp.close()
        for writer in list(self._connections):
            writer.transport.abort()  # close() would wait for a client that does not read
        await asyncio.sleep(0)  # lets the transports close their sockets

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(size), "tcp")
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has all it wanted
        finally:
            self._connections.discard(writer)
            writer.close()

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        """Returns the answer to the message *wire*, or None where there is to be none."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if not query.question:
            return None
        question = query.question[0]
        with self._lock:
            self._queries.append(
                Query(
                    question.name.canonicalize().to_text(omit_final_dot=True),
                    dns.rdatatype.to_text(question.rdtype),
                    transport,
                )
            )
            failure = self._failure(question.name.canonicalize(), question.rdtype)
            response = dns.message.make_response(query)
            response.flags |= dns.flags.AA | dns.flags.RA | (dns.flags.AD if self.validates else 0)
            if failure is None or (failure is Failure.TRUNCATED and transport == "tcp"):
                self._look_up(question.name, question.rdtype, response)
        if self.silent or failure is Failure.SILENT:
            return None
        return _to_wire(query, response, failure, transport)

    def _failure(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Failure | None:
        return self._failures.get((name, rdtype)) or self._failures.get((name, None))

    def _look_up(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, response: dns.message.Message) -> None:
        for _ in range(_LONGEST_ALIAS_CHAIN):
            owner = self._owner(name.canonicalize())
            if owner is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            if records := self._records.get(_Key(owner, rdtype)):
                response.answer.append(dns.rrset.from_rdata_list(name, _TTL, records))
                return
            aliases = self._records.get(_Key(owner, dns.rdatatype.CNAME))
            if not aliases:
                break
            response.answer.append(dns.rrset.from_rdata_list(name, _TTL, aliases))
            name = dns.name.from_text(aliases[0].to_text())
        # RFC 2308 §3: what says "no" carries the SOA, which tells for how long.
        response.authority.append(dns.rrset.from_text(".", _TTL, "IN", "SOA", "ns.test. root.test. 1 60 60 60 1"))

    def _owner(self, name: dns.name.Name) -> dns.name.Name | None:
        """Returns the name that holds the records of *name*: itself or a wildcard; None if there is none."""
        names = {key.name for key in self._records}
        if any(known.is_subdomain(name) for known in names):
            return name  # also where only names below it have records (an empty non-terminal, RFC 8020)
        parent = name
        while parent != dns.name.root:
            parent = parent.parent()
            wildcard = dns.name.from_text("*", parent)
            if wildcard in names:
                return wildcard
            if parent in names:
                return None
        return None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # its class does not say so

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, addr)


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name).canonicalize()


def _record(rdtype: dns.rdatatype.RdataType, value: str) -> dns.rdata.Rdata:
    if rdtype == dns.rdatatype.TXT and not value.startswith('"'):
        value = _quoted_strings(value)
    if value.startswith("\\# "):  # octets as they are (RFC 3597 section 5), whatever the type asks for
        return dns.rdata.GenericRdata(dns.rdataclass.IN, rdtype, bytes.fromhex(value.split(" ", 2)[2]))
    return dns.rdata.from_text(dns.rdataclass.IN, rdtype, value, origin=dns.name.root, relativize=False)


def _quoted_strings(text: str) -> str:
    pieces = [text[start : start + _TXT_STRING_SIZE] for start in range(0, len(text), _TXT_STRING_SIZE)]
    escaped = (piece.replace("\\", "\\\\").replace('"', '\\"') for piece in pieces or [""])
    return " ".join(f'"{piece}"' for piece in escaped)


def _to_wire(
    query: dns.message.Message, response: dns.message.Message, failure: Failure | None, transport: str
) -> bytes:
    if failure is Failure.SERVFAIL:
        response.set_rcode(dns.rcode.SERVFAIL)
    if failure is Failure.REFUSED:
        response.set_rcode(dns.rcode.REFUSED)
    if failure is Failure.YXDOMAIN:
        response.set_rcode(dns.rcode.YXDOMAIN)
    if transport == "tcp":
        return response.to_wire(max_size=_LARGEST)
    if failure is Failure.TRUNCATED:
        response.flags |= dns.flags.TC
    size = max(query.payload, _PLAIN_UDP_SIZE) if query.edns >= 0 else _PLAIN_UDP_SIZE
    return response.to_wire(max_size=size, prefer_truncation=True)


def _bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Binds a UDP and a TCP socket to one port; where *port* is 0, to one that is free for both."""
    while True:
        tcp = socket.create_server((host, port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            if port:
                raise
        else:
            return udp, tcp
