"""What is found out about mail to an address, in words and values: pure, with no look at anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from onifast_shared.dkim.keys import SigningKey
from onifast_shared.limits.subjects import Subject
from onifast_shared.queue.hold_rules import HoldRule
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.transport.routes import Way
from onifast_shared.values import times
from onifast_shared.values.reply import Outcome

from onifast_outbox.tls_policy.policy import TlsPolicy
from onifast_outbox.tls_policy.requirement import Insist, Requirement

About = Literal["recipient", "suppression", "hold", "sandbox", "route", "server", "signature", "limits"]
Verdict = Literal["good", "note", "stop"]

_INSIST = {
    Insist.NOTHING: "an encrypted connection if the server offers one",
    Insist.ENCRYPTION: "an encrypted connection, from whomever",
    Insist.CERTIFICATE: "an encrypted connection to a server that proves its name",
    Insist.DANE: "an encrypted connection with a certificate that the domain's TLSA records name (DANE)",
}
_DECIDED_BY = {
    "recipient_domain": "the route for mail to {name}",
    "sender_domain": "the route for mail from {name}",
    "relay": "the relay that is set for all mail",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found: `good`, worth a `note`, or what would `stop` the message, in a sentence."""

    about: About
    verdict: Verdict
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the answer."""
        return asdict(self)


@dataclass(frozen=True)
class Host:
    """A server of the route: its addresses, or why it has none now; what is asked of it, or why it may not be used."""

    name: str
    addresses: Sequence[str] = ()
    requirement: Requirement | None = None
    trouble: str = ""


@dataclass(frozen=True)
class LimitRoom:
    """What limits leave to a subject; infinity where there is none."""

    subject: Subject
    messages: float
    recipients: float
    until: float | None


def here(outcome: Outcome) -> Finding:
    """For a recipient of this host."""
    if outcome.reply.is_positive:
        return Finding("recipient", "good", f"The recipient is of this server: the message is {outcome.reply.text}.")
    return Finding("recipient", "stop", f"The recipient is of this server: {outcome.reply.text}.")


def elsewhere(domain: str) -> Finding:
    """For a recipient of another site."""
    return Finding("recipient", "good", f"{domain} is not of this server: the message goes out.")


def suppressed(suppression: Suppression | None) -> Finding:
    """Whether the asker's mail to this recipient is held back."""
    if suppression is None:
        return Finding("suppression", "good", "The recipient is not on your list of suppressed addresses.")
    until = f" until {times.rfc3339(suppression.expires_ts)}" if suppression.expires_ts else ""
    why = f": {suppression.reason.rstrip('.')}" if suppression.reason else ""
    return Finding(
        "suppression",
        "stop",
        f"The recipient is suppressed{until}{why}. Take it off the list of suppressed addresses to send there again.",
        {"origin": suppression.origin, "expires_at": times.rfc3339(suppression.expires_ts or 0) if until else None},
    )


def held(rule: HoldRule | None) -> list[Finding]:
    """The rule that would hold the message, if there is one."""
    if rule is None:
        return []
    return [Finding("hold", "stop", f"The message would wait for an administrator: {rule.reason}.", {"rule": rule.id})]


def captured(everything: bool, domain: str | None) -> list[Finding]:
    """The sandbox that would capture the message, if there is one."""
    if everything:
        return [Finding("sandbox", "stop", "This server sends nothing to other sites: the message would be captured.")]
    if domain:
        return [Finding("sandbox", "stop", f"{domain} is in the sandbox: the message would be captured, and not sent.")]
    return []


def way(found: Way) -> Finding:
    """By which server the message goes, and what decided that."""
    if found.server is None:
        why = f", as {_DECIDED_BY[found.decided_by].format(name=found.name)} says" if found.name else ""
        return Finding("route", "good", f"It goes straight to the domain's mail servers{why}.", {"by": "mx"})
    server = found.server
    name = f"{server.host}:{server.port}"
    login = ", with a login" if server.user else ""
    decided = _DECIDED_BY[found.decided_by].format(name=found.name)
    facts = {"by": found.decided_by, "name": found.name, "host": server.host, "port": server.port, "tls": server.tls}
    return Finding("route", "good", f"It goes by way of {name} (TLS: {server.tls}{login}): {decided}.", facts)


def unroutable(outcome: Outcome) -> Finding:
    """No server can be named."""
    when = "would be tried again later" if outcome.reply.is_transient else "would be returned to you"
    text = f"{_sentence(outcome.reply.text)} The message {when}."
    return Finding("route", "stop", text, {"reply": str(outcome.reply)})


def policy(found: TlsPolicy | None) -> list[Finding]:
    """What was wrong with finding out the domain's MTA-STS policy, if anything was."""
    if found is None or found.sts_trouble is None:
        return []
    counts = "the one that was kept counts" if found.sts else "none counts"
    text = (
        f"The MTA-STS policy that {found.domain} announces cannot be had, so that {counts}: {found.sts_trouble.text}."
    )
    return [Finding("server", "note", text, {"result": found.sts_trouble.kind.value})]


def server(host: Host, place: int) -> Finding:
    """One server of the route, in the order that they are tried."""
    facts: dict[str, Any] = {"host": host.name, "addresses": list(host.addresses), "place": place}
    if host.requirement is None:
        return Finding("server", "note", f"{host.name} would be passed over: {host.trouble}.", facts)
    asked = _INSIST[host.requirement.insist]
    because = f", since {host.requirement.because}" if host.requirement.because else ""
    facts["insist"] = host.requirement.insist.value
    if not host.addresses:
        return Finding("server", "note", f"{host.name} has no address: {host.trouble}.", facts)
    return Finding("server", "good", f"{host.name} ({', '.join(host.addresses)}): {asked}{because}.", facts)


def signed(keys: Iterable[SigningKey], domain: str, problem: str) -> Finding:
    """Which keys would sign, or why none would."""
    named = [{"domain": key.domain, "selector": key.selector, "algorithm": key.algorithm} for key in keys]
    if problem:
        return Finding("signature", "note", f"The message would not be signed: {problem}.", {"keys": []})
    if not named:
        return Finding("signature", "note", f"The message would not be signed: {domain} has no DKIM key.", {"keys": []})
    names = " and ".join(f"{key['selector']}._domainkey.{key['domain']} ({key['algorithm']})" for key in named)
    return Finding("signature", "good", f"It is signed with {names}.", {"keys": named})


def limits(rooms: Iterable[LimitRoom]) -> list[Finding]:
    """What may still be sent."""
    return [_limit(room) for room in rooms]


def _limit(room: LimitRoom) -> Finding:
    facts = {
        "scope": room.subject.scope,
        "name": room.subject.name,
        "messages_left": _count(room.messages),
        "recipients_left": _count(room.recipients),
    }
    if room.until is not None:
        text = f"The {room.subject} has used up its limit; there is room again at {times.rfc3339(room.until)}."
        return Finding("limits", "stop", text, facts)
    if math.isinf(room.messages) and math.isinf(room.recipients):
        return Finding("limits", "good", f"The {room.subject} has no limit.", facts)
    left = [
        f"{_count(number)} more {what}"
        for number, what in ((room.messages, "messages"), (room.recipients, "recipients"))
        if not math.isinf(number)
    ]
    return Finding("limits", "good", f"The {room.subject} may send {' to '.join(left)} now.", facts)


def _count(number: float) -> int | None:
    return None if math.isinf(number) else max(0, int(number))


def _sentence(text: str) -> str:
    text = text.replace("\n", " ").strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
