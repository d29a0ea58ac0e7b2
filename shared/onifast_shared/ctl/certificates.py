"""The commands of onifast-mailctl about this host's own certificates."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from onifast_shared.ctl.tools import UsageError, add, show_rows
from onifast_shared.machine.config import Settings
from onifast_shared.tls import expiry, installing
from onifast_shared.tls.installing import CertificateError
from onifast_shared.values.address import AddressError, parse_domain


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "list", _list, "when each domain's certificate ends, and what it is for")
    parser = add(area, "install", _install, "take up a new certificate and its key; for certbot's and lego's hooks")
    parser.add_argument("chain", type=Path, metavar="FULLCHAIN", help="the certificate and its chain, in PEM")
    parser.add_argument("key", type=Path, metavar="KEY", help="its private key, in PEM, without a password")
    parser.add_argument("--domain", action="append", default=[], help="for this name; by default all that it names")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    rows = [
        {
            "domain": each.domain,
            "ends": None if each.problem else datetime.fromtimestamp(each.ends_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "names": " ".join(each.names),
            "problem": each.problem,
        }
        for each in expiry.certificates(settings.certs_dir)
    ]
    return show_rows(arguments, rows)


def _install(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        domains = [parse_domain(text) for text in arguments.domain]
        installed = installing.install(settings.certs_dir, arguments.chain, arguments.key, domains)
    except (CertificateError, AddressError) as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{error.filename or settings.certs_dir} cannot be written: {error.strerror}") from None
    return show_rows(arguments, [{"domain": domain} for domain in installed])
