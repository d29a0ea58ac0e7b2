"""The results of the checks in sentences that a mailbox's owner understands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from onifast_shared.values.address import display_domain

from onifast_smtpd.authentication.arc_check import ArcResult
from onifast_smtpd.authentication.dkim_check import DkimResult
from onifast_smtpd.authentication.dmarc import DmarcResult
from onifast_smtpd.authentication.dnsbl import Listing
from onifast_smtpd.authentication.iprev import IprevResult
from onifast_smtpd.authentication.spf_check import SpfResult
from onifast_smtpd.screening.scan import SHOWN_RULES, Scan

MAX_SENTENCE = 400  # characters; parts of it are a stranger's

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_SPF = {
    "pass": "SPF passed: {domain} lets {ip} send its mail.",
    "fail": "SPF failed: {domain} does not let {ip} send its mail.",
    "softfail": "SPF failed weakly: {domain} probably does not let {ip} send its mail.",
    "neutral": "SPF says nothing: {domain} neither lets {ip} send its mail nor forbids it.",
    "none": "SPF is not set up: {domain} does not say who sends its mail.",
    "temperror": "SPF could not be checked: {problem}.",
    "permerror": "SPF is set up wrongly by {domain}: {problem}.",
}
_DKIM = {
    "pass": "DKIM passed: {domain} signed the message ({problem}).",
    "fail": "DKIM failed: the signature of {domain} is not valid ({problem}).",
    "policy": "DKIM does not count: the signature of {domain} is too weak ({problem}).",
    "temperror": "DKIM could not be checked: {problem} (signature of {domain}).",
    "permerror": "DKIM failed: the signature of {domain} cannot be used ({problem}).",
}
_ASKED = {"none": "to do nothing", "quarantine": "to put such mail into junk", "reject": "to refuse such mail"}


def spf_sentence(spf: SpfResult) -> str:
    """What SPF found."""
    problem = spf.explanation.rstrip(".") or "no reason given"
    domain = display_domain(spf.domain) or "the sender"
    return sentence(_SPF[spf.result].format(domain=domain, ip=spf.client_ip, problem=problem))


def dkim_sentences(results: Iterable[DkimResult]) -> list[str]:
    """What became of each signature."""
    sentences = [
        sentence(_DKIM[item.result].format(domain=display_domain(item.domain) or "somebody", problem=item.reason))
        for item in results
    ]
    return sentences or ["DKIM: the message is not signed."]


def dmarc_sentence(dmarc: DmarcResult) -> str:
    """What DMARC found."""
    domain = display_domain(dmarc.domain)
    match dmarc.result:
        case "pass":
            how = " and ".join(_ways(dmarc))
            return sentence(f"DMARC passed: {how} shows that the message is from {domain}.")
        case "fail":
            return sentence(
                f"DMARC failed: neither SPF nor DKIM shows that the message is from {domain},"
                f" which asks {_ASKED[dmarc.policy]}."
            )
        case "none":
            return sentence(f"DMARC does not apply: {dmarc.problem or f'{domain} has no policy'}.")
        case "temperror":
            return sentence(f"DMARC could not be checked: {dmarc.problem}.")
    return sentence(f"DMARC failed: {dmarc.problem}.")


def arc_sentences(arc: ArcResult) -> Iterator[str]:
    """What the seals of earlier handlers are worth; nothing where there are none."""
    if arc.result == "pass":
        handlers = ", ".join(display_domain(seal.domain) for seal in arc.seals[:5])
        yield sentence(f"ARC passed: the message came by way of {handlers}, unchanged since.")
    elif arc.result == "temperror":
        yield sentence(f"ARC could not be checked: {arc.reason}.")
    elif arc.result == "fail":
        yield sentence(f"ARC failed: the seals of earlier handlers are not valid ({arc.reason}).")


def iprev_sentence(iprev: IprevResult) -> str:
    """What the client's address is called."""
    match iprev.result:
        case "pass":
            return sentence(f"The sending host {iprev.ip} is {iprev.name}.")
        case "fail":
            return sentence(f"The sending host {iprev.ip} calls itself {iprev.name}, which is another host.")
        case "permerror":
            return sentence(f"The sending host {iprev.ip} has no name in DNS.")
    return sentence(f"The name of the sending host {iprev.ip} could not be looked up.")


def listing_sentences(listings: Iterable[Listing]) -> Iterator[str]:
    """Which block lists have the client."""
    for listing in listings:
        says = f": {listing.text}" if listing.text else ""
        yield sentence(f"The sending host is on the block list {listing.zone}{says}.")


def scan_sentences(scan: Scan | None) -> Iterator[str]:
    """What the junk filter says."""
    if scan is not None:
        rules = f" ({', '.join(scan.rules[:SHOWN_RULES])})" if scan.rules else ""
        yield sentence(f"The junk filter gives it {scan.score:g} points; {scan.required:g} make it junk{rules}.")


def sentence(text: str) -> str:
    """A sentence in one line, not too long."""
    return _CONTROLS.sub(" ", text)[:MAX_SENTENCE]


def _ways(dmarc: DmarcResult) -> list[str]:
    return [name for name, counts in (("SPF", dmarc.spf_aligned), ("DKIM", dmarc.dkim_aligned)) if counts]
