"""Real DNSSEC on loopback: Knot DNS signs and serves zones, Unbound validates them from trust anchors.

Both are Debian's, from where ``tests/peers/install`` unpacked them; no root is needed.

    with Dnssec({"signed.test": "@ MX 10 mx\\nmx A 127.0.0.25"}, unsigned={"plain.test": …}) as dns:
        ...  # ask dns.host, dns.port
"""

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.dnssec
import dns.dnssectypes
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdataclass
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

from peers.ports import free_port
from peers.unpacked import unpacked

_PATIENCE = 60.0  # seconds until both answer, on a busy machine
_STEP = 0.02

_HEAD = """\
$ORIGIN {zone}.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""

_KNOT = """\
server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
log:
- target: stderr
  any: warning
database:
  storage: "{folder}/db"
policy:
- id: test
  algorithm: ecdsap256sha256
  single-type-signing: on
  cds-cdnskey-publish: none
template:
- id: default
  storage: "{folder}"
  file: "%s.zone"
  zonefile-sync: -1
  journal-content: none
zone:
{zones}
"""

_UNBOUND = """\
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 0
  do-daemonize: no
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  local-zone: "test." nodefault
  num-threads: 1
{anchors}
remote-control:
  control-enable: no
{stubs}
"""


class Dnssec:
    """Serves zones from ``__enter__`` to ``__exit__``; *host* and *port* are the validating resolver's.

    Each zone is text in master-file form below its origin, without SOA and NS. *signed* are signed by Knot; *unsigned*
    have no trust anchor; *forged* maps a zone to its text and to what became of that after it was signed by its owner.
    """

    def __init__(
        self,
        signed: Mapping[str, str],
        *,
        unsigned: Mapping[str, str] | None = None,
        forged: Mapping[str, tuple[str, Sequence[tuple[str, str]]]] | None = None,
    ) -> None:
        self._signed = dict(signed)
        self._unsigned = dict(unsigned or {})
        self._forged = dict(forged or {})
        self._knot = unpacked("knot")
        self._unbound = unpacked("unbound") / "usr/sbin/unbound"
        self._programs: list[subprocess.Popen[bytes]] = []
        self.host = "127.0.0.1"
        self.port = free_port()
        self._authority_port = free_port()

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="dnssec-")
        self._folder = Path(self._temporary.name)
        (self._folder / "db").mkdir()
        try:
            self._serve()
            self._resolve()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _serve(self) -> None:
        anchors = []
        for zone, text in (self._signed | self._unsigned).items():
            self._write(zone, _HEAD.format(zone=zone) + text + "\n")
        for zone, (text, changes) in self._forged.items():
            anchors.append(self._forge(zone, _HEAD.format(zone=zone) + text + "\n", changes))
        zones = [f"- domain: {zone}\n  dnssec-signing: on\n  dnssec-policy: test" for zone in self._signed]
        zones += [f"- domain: {zone}" for zone in [*self._unsigned, *self._forged]]
        config = self._folder / "knot.conf"
        config.write_text(_KNOT.format(folder=self._folder, port=self._authority_port, zones="\n".join(zones)))
        self._start(self._knot / "usr/sbin/knotd", "-c", config)
        for zone in self._signed:
            answer = self._wait_for(zone, "DNSKEY", self._authority_port)
            keys = answer.find_rrset(answer.answer, dns.name.from_text(zone), dns.rdataclass.IN, dns.rdatatype.DNSKEY)
            anchors += [_anchor(zone, key) for key in keys]
        self._anchors = anchors

    def _resolve(self) -> None:
        everything = [*self._signed, *self._unsigned, *self._forged]
        stubs = [
            f'stub-zone:\n  name: "{zone}"\n  stub-addr: 127.0.0.1@{self._authority_port}\n  stub-no-cache: no'
            for zone in everything
        ]
        anchors = [f'  trust-anchor: "{anchor}"' for anchor in self._anchors]
        config = self._folder / "unbound.conf"
        config.write_text(
            _UNBOUND.format(folder=self._folder, port=self.port, anchors="\n".join(anchors), stubs="\n".join(stubs))
        )
        self._start(self._unbound, "-d", "-c", config)
        for zone in self._signed:
            self._wait_for(zone, "SOA", self.port)

    def _forge(self, zone: str, text: str, changes: Sequence[tuple[str, str]]) -> str:
        """Writes a zone that was changed after it was signed; its trust anchor."""
        origin = dns.name.from_text(zone)
        made = dns.zone.from_text(text, origin=origin, relativize=False)
        private = ec.generate_private_key(ec.SECP256R1())
        key = dns.dnssec.make_dnskey(private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)
        with made.writer() as transaction:
            dns.dnssec.sign_zone(made, transaction, keys=[(private, key)], lifetime=86400, add_dnskey=True)
        result = made.to_text(relativize=False)
        for old, new in changes:
            if old not in result:
                raise ValueError(f"{old!r} is not in the zone:\n{result}")
            result = result.replace(old, new)
        self._write(zone, result)
        return _anchor(zone, key)

    def _write(self, zone: str, text: str) -> None:
        (self._folder / f"{zone}.zone").write_text(text)

    def _start(self, *command: str | Path) -> None:
        log = (self._folder / f"{Path(command[0]).name}.log").open("wb")
        with log:
            self._programs.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def _wait_for(self, zone: str, kind: str, port: int) -> dns.message.Message:
        """Returns the first whole answer about *zone*; raises TimeoutError with the programs' logs."""
        deadline = time.monotonic() + _PATIENCE
        query = dns.message.make_query(zone, kind, want_dnssec=True)
        while time.monotonic() < deadline:
            try:
                answer = dns.query.udp(query, self.host, timeout=1, port=port)
            except (dns.exception.DNSException, OSError):
                answer = None
            if answer and len(answer.answer) > 1:  # the records and their signatures
                return answer
            if any(program.poll() is not None for program in self._programs):
                break
            time.sleep(_STEP)
        logs = "\n".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))
        raise TimeoutError(f"no signed {kind} of {zone} at port {port}:\n{logs}")

    def _stop(self) -> None:
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            program.wait(_PATIENCE)
        self._temporary.cleanup()


def _anchor(zone: str, key: object) -> str:
    ds = dns.dnssec.make_ds(dns.name.from_text(zone), key, "SHA256")  # type: ignore[arg-type]
    return f"{zone}. DS {ds.to_text()}"
