"""The check of certificates beyond their dates: whether this host has one, its names, its chain, and its key."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import verification

from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine.config import Settings
from onifast_shared.tls import expiry

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_GET = "docs/operations.md, Certificates, has how to get one"


def look_at(settings: Settings, bundle: Path | None = None) -> Iterator[HealthFinding]:
    """Every certificate of the host; `bundle` is a file of authorities, the system's unless given."""
    name, found = settings.hostname, expiry.certificates(settings.certs_dir)
    if not any(each.domain == name for each in found):
        text = f"{name} has no certificate: mail to and from it goes in the clear, and nobody can log in from outside"
        yield HealthFinding("chains", State.FAILED, text, _GET, name)
    good = 0
    for each in found:
        if each.problem:
            continue  # told with the dates
        problem = _problem(settings.certs_dir / each.domain, each.domain, each.names, bundle or system_bundle())
        good += not problem
        if problem:
            state = State.FAILED if each.domain == name else State.WARNING
            yield HealthFinding("chains", state, f"{each.domain}: {problem}", _GET, each.domain)
    if good:
        yield HealthFinding(
            "chains", State.OK, f"{good} certificates fit their names and keys, and lead to an authority"
        )


def system_bundle() -> Path | None:
    """The file of the authorities that this machine trusts."""
    given = ssl.get_default_verify_paths().cafile
    return next((Path(each) for each in (given, *_BUNDLES) if each and Path(each).is_file()), None)


def _problem(folder: Path, domain: str, names: Sequence[str], bundle: Path | None) -> str:
    """What is wrong with one, in words; "" for nothing."""
    if not any(_covers(name, domain) for name in names):
        return f"its certificate is for {', '.join(names) or 'no name'}"
    try:
        chain = x509.load_pem_x509_certificates((folder / "fullchain.pem").read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        return str(error)
    return _key_problem(folder) or (_chain_problem(chain, domain, bundle) if bundle else "")


def _covers(name: str, domain: str) -> bool:
    """Whether a certificate's name stands for a host (RFC 9525 section 6.3)."""
    name, domain = name.lower(), domain.lower()
    return name == domain or (name.startswith("*.") and domain.partition(".")[2] == name[2:])


def _key_problem(folder: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem", password="")
    except ssl.SSLError as error:
        return f"its key cannot be used with it: {error.reason or error}"
    except OSError as error:
        return f"its key cannot be read: {error.strerror}"
    return ""


def _chain_problem(chain: Sequence[x509.Certificate], domain: str, bundle: Path) -> str:
    policy = verification.PolicyBuilder().store(_store(bundle)).build_server_verifier(x509.DNSName(domain))
    try:
        policy.verify(chain[0], list(chain[1:]))
    except verification.VerificationError as error:
        is_own = chain[0].issuer == chain[0].subject
        return "it is signed by itself" if is_own else f"it leads to no authority that this machine trusts: {error}"
    return ""


@cache
def _store(bundle: Path) -> verification.Store:
    return verification.Store(x509.load_pem_x509_certificates(bundle.read_bytes()))
