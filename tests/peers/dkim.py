"""OpenDKIM and Mail::DKIM as independent verifiers: they share no code with what signs here, nor with each other."""

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


# Mail::DKIM, as SpamAssassin and amavis use it. Its `detail` says why a signature failed.
_PERL = r"""
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;
my ($host, $port) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$host], port => $port));
binmode STDIN;
local $/;
my $verifier = Mail::DKIM::Verifier->new;
$verifier->PRINT(<STDIN>);
$verifier->CLOSE;
for my $signature ($verifier->signatures) {
    print join("\t", map { $signature->$_ // "" } qw(result domain selector algorithm result_detail)), "\n";
}
"""


@dataclass(frozen=True)
class Signature:
    """What a verifier found of one signature: *result* is ``pass``, ``fail`` and so on (RFC 8601 §2.7.1)."""

    result: str
    domain: str
    selector: str
    algorithm: str
    reason: str = ""


class VerifierError(Exception):
    """A verifier said nothing about the message; the text is its output."""


def verify(raw: bytes, dns_address: str) -> list[Signature]:
    """Returns what OpenDKIM makes of each signature of the message *raw*, with keys from the DNS at *dns_address*.

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


def verify_by_mail_dkim(raw: bytes, dns_address: str) -> list[Signature]:
    """Returns what Mail::DKIM makes of each signature of the message *raw*, whose line ends are CRLF.

    Debian 12's knows no Ed25519: *result* is ``invalid`` then. Raises VerifierError.
    """
    host, _, port = dns_address.rpartition(":")
    command = ["perl", "-e", _PERL, host, port]
    run = subprocess.run(command, input=raw, capture_output=True, timeout=_PATIENCE, check=False)
    if run.returncode or run.stderr:
        raise VerifierError(run.stderr.decode(errors="replace"))
    return [Signature(*line.split("\t")) for line in run.stdout.decode(errors="replace").splitlines()]


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
