"""OpenDKIM as an independent verifier: it shares no code with what signs here."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from peers.unpacked import unpacked

_PATIENCE = 60.0  # seconds
_RESULT = re.compile(  # a line of the Authentication-Results field
    r'^\s*dkim=(?P<result>\w+)(?: reason="(?P<reason>[^"]*)")?.* header\.d=(?P<domain>\S+)'
    r".* header\.a=(?P<algorithm>\S+).* header\.s=(?P<selector>\S+)",
    re.MULTILINE,
)
# libunbound neither asks servers on loopback nor believes that .test exists (RFC 6761), unless told so.
_RESOLVER = """\
server:
    do-not-query-localhost: no
    local-zone: "test." nodefault
forward-zone:
    name: "."
    forward-addr: {host}@{port}
"""
_CONFIGURATION = """\
Mode v
AuthservID verifier.test
AlwaysAddARHeader yes
ResolverConfiguration {resolver}
TemporaryDirectory {directory}
"""


@dataclass(frozen=True)
class Signature:
    """What OpenDKIM found of one signature: *result* is ``pass``, ``fail`` and so on (RFC 8601 §2.7.1)."""

    result: str
    domain: str
    selector: str
    algorithm: str
    reason: str = ""


class VerifierError(Exception):
    """OpenDKIM said nothing about the message; the text is its output."""


def verify(raw: bytes, dns_address: str) -> list[Signature]:
    """Return what OpenDKIM makes of each signature of the message *raw*, with keys from the DNS at *dns_address*.

    *dns_address* is ``HOST:PORT``; line ends may be CRLF or LF. The list is empty for a message without signature.
    """
    with tempfile.TemporaryDirectory(prefix="opendkim-") as name:
        directory = Path(name)
        host, _, port = dns_address.rpartition(":")
        resolver, configuration, message = (directory / file for file in ("unbound.conf", "opendkim.conf", "message"))
        resolver.write_text(_RESOLVER.format(host=host, port=port))
        configuration.write_text(_CONFIGURATION.format(resolver=resolver, directory=directory))
        message.write_bytes(raw)
        output = _run("-x", configuration, "-t", message, "-vv")
    if "message not signed" in output:
        return []
    signatures = [Signature(**found.groupdict(default="")) for found in _RESULT.finditer(output)]
    if not signatures:
        raise VerifierError(output)
    return signatures


def _run(*arguments: str | Path) -> str:
    run = subprocess.run(
        [unpacked("opendkim") / "usr/sbin/opendkim", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_PATIENCE,
        check=False,
    )
    return run.stdout
