"""The openspf project's test suite for RFC 7208: scenarios of DNS records, and what SPF must make of them.

It comes in the source distribution of pyspf, which pip brings at the first use and which stays in the tests' cache.
"""

import os
import string
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from fakes.dns import DnsServer, Failure

_VERSION = "2.0.14"
_FILE = f"pyspf-{_VERSION}/test/rfc7208-tests.yml"


class Case(NamedTuple):
    """One test: who sends, and the *results* that SPF may come to, with the *explanation* if one is prescribed."""

    name: str
    host: str
    mail_from: str
    helo: str
    results: tuple[str, ...]
    explanation: str | None


class Scenario(NamedTuple):
    """The *cases* that share one zone."""

    name: str
    zone: Mapping[str, list[Any]]
    cases: list[Case]

    def load_into(self, server: DnsServer) -> None:
        """Makes *server* answer as the scenario wants."""
        for name, entries in self.zone.items():
            records: dict[str, list[str]] = {}
            for rdtype, value in _records(entries):
                records.setdefault(rdtype, []).append(value)
            for rdtype, values in records.items():
                server.set(name, rdtype, *values)
            if "TIMEOUT" in entries:
                _fail(server, name, records)


def scenarios() -> list[Scenario]:
    """Returns the whole suite."""
    with tarfile.open(_distribution()) as archive:
        file = archive.extractfile(_FILE)
        assert file is not None
        documents = list(yaml.safe_load_all(file.read()))
    return [
        Scenario(item["description"], item["zonedata"], [_case(*case) for case in item["tests"].items()])
        for item in documents
    ]


def _distribution() -> Path:
    cache = Path(os.environ.get("ONIFAST_TEST_CACHE") or Path.home() / ".cache/onifast-mail-tests") / "openspf"
    found = cache / f"pyspf-{_VERSION}.tar.gz"
    if not found.exists():
        command = ["download", "--quiet", "--no-deps", "--no-binary", "pyspf", f"--dest={cache}", f"pyspf=={_VERSION}"]
        subprocess.run([sys.executable, "-m", "pip", *command], check=True, capture_output=True)
    return found


def _case(name: str, item: Mapping[str, Any]) -> Case:
    results = item["result"]
    return Case(
        name,
        item["host"],
        item["mailfrom"] or "",
        item["helo"] or "",
        tuple(results) if isinstance(results, list) else (results,),
        item.get("explanation"),
    )


def _records(entries: list[Any]) -> Iterator[tuple[str, str]]:
    """The records of one name; an SPF record stands for a TXT record, unless the name has TXT records of its own."""
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    has_text = any(rdtype == "TXT" for rdtype, _ in pairs)
    for rdtype, value in pairs:
        if value == "NONE" or (rdtype == "SPF" and has_text):
            continue
        match rdtype:
            case "SPF" | "TXT":
                yield "TXT", " ".join(map(_quoted, value if isinstance(value, list) else [value]))
            case "MX":
                yield "MX", f"{value[0]} {value[1] or '.'}"
            case _:
                yield rdtype, value


def _fail(server: DnsServer, name: str, known: Mapping[str, list[str]]) -> None:
    """What the suite calls a time-out: whatever the name has no records of gets no answer, here at once."""
    for rdtype in ("A", "AAAA", "MX", "PTR", "TXT"):
        if rdtype not in known:
            server.fail(name, Failure.SERVFAIL, rdtype)


def _quoted(text: str) -> str:
    """A character-string in a zone's notation; the suite's characters beyond ASCII are octets in UTF-8."""
    plain = b"!#$%&'()*+,-./:;<=>?@[]^_`{|}~ " + string.ascii_letters.encode() + string.digits.encode()
    return '"' + "".join(chr(octet) if octet in plain else f"\\{octet:03d}" for octet in text.encode()) + '"'
