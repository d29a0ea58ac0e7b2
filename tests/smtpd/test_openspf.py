"""SPF against openspf's test suite for RFC 7208, over our own resolver and a real DNS server with the suite's zones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import Resolver
from onifast_smtpd.authentication.lookup import Lookups
from onifast_smtpd.authentication.spf_check import check_spf

from fakes.dns import DnsServer
from peers.openspf import Case, Scenario, scenarios

OUR_EXPLANATION = "SPF fail - not authorized"
"""What the suite calls DEFAULT: the words of a receiver where the domain gives none."""

KNOWN_DIFFERENCES: dict[str, str] = {}
"""Cases whose result differs from the suite's, each with the reason. There are none."""


@pytest.mark.peers
@pytest.mark.timeout(300)
def test_openspfs_suite_passes(settings: Settings) -> None:
    suite = scenarios()
    differing = {name: found for scenario in suite for name, found in differences(scenario, settings)}
    assert sum(len(scenario.cases) for scenario in suite) > 200
    assert differing.keys() == KNOWN_DIFFERENCES.keys(), differing


def differences(scenario: Scenario, settings: Settings) -> Iterator[tuple[str, str]]:
    """The cases that come out otherwise, and how."""
    with DnsServer() as server:
        scenario.load_into(server)
        resolver = Resolver(replace(settings, dns_servers=((server.host, server.port),), dns_timeout=2.0))
        for case in scenario.cases:
            lookups = Lookups(resolver.sync, 2.0, time.monotonic() + 20)
            found = check_spf(lookups, case.host, case.mail_from, case.helo, settings.hostname)
            if found.result not in case.results or not is_explained(case, found.explanation):
                yield case.name, f"{found.result} ({found.explanation}) and not {case.results} ({case.explanation})"


def is_explained(case: Case, explanation: str) -> bool:
    """Whether the domain's words, if the case prescribes any, are what the client is told."""
    return case.explanation in (None, explanation) or (case.explanation == "DEFAULT" and explanation == OUR_EXPLANATION)
