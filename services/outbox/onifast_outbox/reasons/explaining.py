"""Finds the sentence for an answer, and fills in what the answer itself names: an address, a domain, a block list."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from onifast_shared.values.reply import Delivered, Outcome, Reply, ReplyError

from onifast_outbox.reasons import blocklists, statuses
from onifast_outbox.reasons.providers import provider_of
from onifast_outbox.reasons.rule import Rule
from onifast_outbox.reasons.rules import RULES

# Characters of an answer that are looked at: enough for the longest known one, few enough for any pattern.
MAX_READ = 1000

# What stands before the last answer in the reply of a message that was given up.
LAST_ANSWER = "the last answer was: "

# By reply.TLS_LEVELS.
_PROTECTION = {
    "none": "over a connection that is not encrypted",
    "encrypted": "over an encrypted connection",
    "verified": "over an encrypted connection to a server that proved its name",
    "mta-sts": "over an encrypted connection to a server that proved its name, as its domain asks for (MTA-STS)",
    "dane": "over an encrypted connection to a server that its domain vouches for (DANE)",
    "requiretls": "over an encrypted connection to a server that proved its name, as the sender asked for",
}

_ADDRESS = re.compile(r"(?<![\w.:-])(\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}:[0-9a-f:.]{2,40})(?![\w:-])", re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?:SPF (?:check )?(?:for )?|domain (?:of )?)\[?((?:[a-z0-9_-]{1,63}\.){1,8}[a-z]{2,24})\b", re.IGNORECASE
)
_PAGE = re.compile(r"https?://[^\s<>\"'()\[\]]{4,200}")


@dataclass(frozen=True)
class Explanation:
    """`what` happened and what the sender can do (`advice`), a sentence or two each; `kind` groups causes."""

    kind: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what} {self.advice}"


def explain(reply: Reply, host: str = "") -> Explanation:
    """What the reply of `host` ("" for this server itself) means.

    `kind` is one of spf, dkim, dmarc, authentication, reverse-dns, blocklist, reputation, rate, greylisted, content,
    size, mailbox-full, unknown-user, inactive, policy, sender, tls, relaying, dns, connection, busy, other.
    """
    return _too_late(reply, host) or recognised(reply, host) or Explanation(*statuses.explain(reply))


def recognised(reply: Reply, host: str) -> Explanation | None:
    """What a reply means by its own words; None where the words are unknown."""
    answer, provider = " ".join(str(reply).split())[:MAX_READ], provider_of(host)
    # What we say ourselves has codes of our own choice, and texts that must not be taken for a provider's.
    for rule in RULES if host else ():
        found = rule.match(answer, provider)
        if found:
            return _filled(rule, found, reply, answer, host)
    return None


def describe(outcome: Outcome) -> str:
    """What an attempt came to, for its history: one or two sentences."""
    if isinstance(outcome, Delivered):
        return _delivered(outcome)
    return str(explain(outcome.reply, outcome.host))


def _delivered(outcome: Delivered) -> str:
    trail = outcome.trail
    if not trail.host:
        return f"It was {outcome.reply.text}." if outcome.reply.text else ""
    who = provider_of(trail.host) or trail.host
    return (
        f"{who[:1].upper()}{who[1:]} took the message, {_PROTECTION.get(trail.tls_level, 'over an open connection')}."
    )


def _too_late(reply: Reply, host: str) -> Explanation | None:
    """For a message that was given up: why it was never delivered, as the last answer says."""
    _, mark, last = reply.text.partition(LAST_ANSWER)
    if reply.enhanced != "5.4.7" or not mark:
        return None
    kind, what, advice = statuses.explain(reply)
    try:
        cause = explain(Reply.parse([last.replace("\n", " ")]), host)
    except ReplyError:
        return Explanation(kind, what, advice)
    return Explanation(cause.kind, f"{what} The last answer: {cause.what}", advice)


def _filled(rule: Rule, found: re.Match[str], reply: Reply, answer: str, host: str) -> Explanation:
    words = _words(found, answer, host)
    verb = "put this off" if reply.is_transient else "refused this"
    what = f"{_at_start(words['who'])} {verb} because {rule.because}.".format_map(words)
    advice = rule.advice.format_map(words)
    if reply.is_transient and not rule.says_wait:
        advice += " It is tried again by itself."
    return Explanation(rule.kind, what, advice)


def _at_start(who: str) -> str:
    """A name at the beginning of a sentence: host names stay as they are."""
    return f"The{who[3:]}" if who.startswith("the ") else who


def _words(found: re.Match[str], answer: str, host: str) -> Mapping[str, str]:
    """What a rule's sentences may name, each with a wording for answers that do not name it."""
    groups = {name: text for name, text in found.groupdict().items() if text}
    address = groups.get("ip") or _address(answer)
    page = _PAGE.search(answer)
    listed = blocklists.named_in(answer)
    return {
        "who": provider_of(host) or "the recipient's server",
        "server": address or "this server's address",
        "mechanism": _mechanism(address),
        "domain": _domain(groups, answer) or "your domain",
        "list": listed.name if listed else "a block list",
        "removal": listed.advice(address) if listed else "Ask the server's administrator to have it removed there.",
        "page": f" See {page[0].rstrip('.,;:')}." if page else "",
    }


def _domain(groups: Mapping[str, str], answer: str) -> str:
    """The domain that the answer blames: as the rule found it, or by the words around it."""
    if "domain" in groups:
        return groups["domain"].rstrip(".")
    found = _DOMAIN.search(answer)
    return found[1] if found else ""


def _address(answer: str) -> str:
    """The first global-looking IP address in the answer; "" if there is none."""
    for match in _ADDRESS.finditer(answer):
        try:
            return str(ipaddress.ip_address(match[1]))
        except ValueError:
            continue
    return ""


def _mechanism(address: str) -> str:
    """What an SPF record has to list (RFC 7208 section 5.6)."""
    if not address:
        return "this server's address"
    return f"ip6:{address}" if ":" in address else f"ip4:{address}"
