"""The verdict: what becomes of a message, judged from what the checks found. Values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from onifast_shared.machine.config import Settings
from onifast_shared.values.address import display_domain
from onifast_shared.values.reply import Reply

from onifast_smtpd import policy
from onifast_smtpd.authentication.arc_check import Seal, vouched
from onifast_smtpd.authentication.dmarc import DmarcResult
from onifast_smtpd.authentication.dnsbl import Listing
from onifast_smtpd.authentication.verify import Authentication
from onifast_smtpd.milter.filters import FilterResult
from onifast_smtpd.protocol.replies import NO_DNS
from onifast_smtpd.screening.scan import Scan
from onifast_smtpd.screening.words import sentence


@dataclass(frozen=True)
class Verdict:
    """What to do: refuse with `refusal`, or deliver into `folder`; `why` is that in a sentence, "" for no reason.

    `applied` and `override` are for DMARC reports: what was done on DMARC's account, and why that is not what the
    policy asks (RFC 7489 appendix C: PolicyOverrideType). Where only DNS stands between the message and a verdict,
    `waits` is true, and `waits_for` has the look-ups that fail, none where DNS as a whole does. `junk_by` says whose
    word put it into junk, DMARC's where there is none: what its recipients did may count for more, but not always.
    """

    refusal: Reply | None = None
    folder: str = "inbox"
    why: tuple[str, ...] = ()
    applied: str = "none"
    override: str = ""
    waits: bool = False
    waits_for: tuple[str, ...] = ()
    junk_by: tuple[str, ...] = ()


BLOCK_LIST, JUNK_FILTER, CONTENT_FILTER = "block list", "junk filter", "content filter"
"""Whose word can put a message into junk."""


def decide(
    checked: Authentication, listings: Sequence[Listing], scan: Scan | None, filtered: FilterResult, settings: Settings
) -> Verdict:
    """The verdict on a message from outside: what was found by the first that refuses it, else by all together."""
    verdict = judge_origin(checked, settings)
    if verdict.refusal:
        return verdict
    return judge_filtered(judge_scan(judge_listed(verdict, listings), scan, settings), filtered)


def judge_origin(checked: Authentication, settings: Settings) -> Verdict:
    """What SPF and DMARC say together."""
    spf = checked.spf
    if refusal := policy.judge_spf(spf.result, spf.explanation, settings):
        return Verdict(refusal, why=(f"Refused: {spf.domain} forbids this host to send its mail.",))
    if spf.result == "temperror" and settings.spf_fail == "reject":
        return _later(checked, [spf.failing], spf.domain)  # RFC 7208 section 8.6
    return judge_dmarc(checked, settings)


def judge_listed(verdict: Verdict, listings: Sequence[Listing]) -> Verdict:
    """What a block list does that does not refuse its clients already."""
    if not listings:
        return verdict
    why = f"It is in junk because the sending host is on the block list {listings[0].zone}."
    return _to_junk(verdict, why, BLOCK_LIST)


def judge_scan(verdict: Verdict, scan: Scan | None, settings: Settings) -> Verdict:
    """What the junk filter's word does."""
    if scan is None or scan.action == "accept":
        return verdict
    if scan.action == "later":
        reply = Reply(451, "4.7.1", "message deferred by the junk filter, try again later")
        return replace(verdict, refusal=reply, why=("Put off by the junk filter.",))
    if scan.action == "reject" and settings.scanner_reject == "reject":
        reply = Reply(550, "5.7.1", "message refused by the junk filter")
        return replace(verdict, refusal=reply, why=("Refused by the junk filter.",))
    return _to_junk(verdict, "It is in junk because the junk filter takes it for such.", JUNK_FILTER)


def judge_filtered(verdict: Verdict, filtered: FilterResult) -> Verdict:
    """What the content filters' word does, unless the message is refused already."""
    if verdict.refusal:
        return verdict
    if filtered.refusal:
        did = "Put off" if filtered.refusal.is_transient else "Refused"
        why = sentence(f"{did} by a content filter: {filtered.refusal.text}.")
        return replace(verdict, refusal=filtered.refusal, why=(why,))
    if filtered.quarantine is not None:
        why = f"It is in junk because a content filter put it aside: {filtered.reason}."
        return _to_junk(verdict, why, CONTENT_FILTER)
    return verdict


def _to_junk(verdict: Verdict, why: str, whose: str) -> Verdict:
    return replace(verdict, folder="junk", why=(*verdict.why, sentence(why)), junk_by=(*verdict.junk_by, whose))


def judge_dmarc(checked: Authentication, settings: Settings) -> Verdict:
    """What DMARC's result does (RFC 7489 section 6.6.2 step 6, section 6.7)."""
    dmarc, author = checked.dmarc, display_domain(checked.dmarc.domain)
    if dmarc.result == "permerror":
        return _unreadable_author(dmarc, settings)
    if dmarc.result == "temperror":
        return _unanswered(checked, settings)
    if dmarc.result != "fail":
        return Verdict()
    if dmarc.policy != "none" and (let_in := _forwarded(checked, settings)):
        return let_in
    if dmarc.disposition == "none":
        return Verdict(override=dmarc.spared_by)
    if settings.dmarc_reject == "note":
        return Verdict(override="local_policy")
    if checked.arc.result == "temperror" and _handler(checked, checked.arc.claimed, settings):
        return _later(checked, [checked.arc.failing], author)
    if dmarc.disposition == "reject" and settings.dmarc_reject == "reject":
        return Verdict(
            _refusal(checked), why=(f"Refused, as {author} asks.",), applied="reject", override=dmarc.spared_by
        )
    why = sentence(f"It is in junk because it could not be shown to be from {author}.")
    override = "local_policy" if dmarc.disposition == "reject" else dmarc.spared_by
    return Verdict(folder="junk", why=(why,), applied="quarantine", override=override)


def _unreadable_author(dmarc: DmarcResult, settings: Settings) -> Verdict:
    if settings.dmarc_reject == "note":
        return Verdict()
    return Verdict(folder="junk", why=(sentence(f"It is in junk because {dmarc.problem}."),))


def _unanswered(checked: Authentication, settings: Settings) -> Verdict:
    """What becomes of a message that DNS has not answered about: that must be neither a door nor a wall.

    Nothing is gained by naming a broken delegation: where a policy asks for something, the message waits. Without the
    policy nobody knows what is asked, which is no news worth waiting for where the domain's own servers are broken.
    """
    dmarc, author = checked.dmarc, display_domain(checked.dmarc.domain)
    if settings.dmarc_reject == "note" or dmarc.gravity == "none":
        return Verdict()
    if dmarc.record is None and checked.dns_works:
        why = sentence(f"It is in junk because the DMARC policy of {author} could not be looked up.")
        return Verdict(folder="junk", why=(why,))
    if dmarc.record is not None and (let_in := _forwarded(checked, settings)):
        return let_in
    return _later(checked, dmarc.failing, author)


def _later(checked: Authentication, failing: Sequence[str], author: str) -> Verdict:
    """What a client is told whose mail can be judged only when DNS answers."""
    waits_for = tuple(filter(None, failing)) if checked.dns_works else ()
    if not waits_for:
        return Verdict(NO_DNS, why=("Put off, because our DNS resolver does not answer.",), waits=True)
    what = f"whether this is from {author} cannot be told, since DNS does not answer about {waits_for[0]}"
    reply = Reply(451, "4.4.3", f"{what[:350]}; try again later".encode("ascii", "replace").decode())
    return Verdict(reply, why=(sentence(f"Put off: {what}."),), waits=True, waits_for=waits_for)


def _forwarded(checked: Authentication, settings: Settings) -> Verdict | None:
    """The verdict where a trusted handler vouches for the message (RFC 8617 section 7.2.1)."""
    handler = _handler(checked, checked.arc.seals, settings)
    if handler is None:
        return None
    why = sentence(f"It was let in because {handler}, which you trust, saw it pass DMARC before passing it on.")
    return Verdict(why=(why,), override="trusted_forwarder")


def _handler(checked: Authentication, seals: Sequence[Seal], settings: Settings) -> str | None:
    """The trusted handler that vouches for the author; of several authors it can have vouched for one only."""
    if not checked.dmarc.is_alone:
        return None
    return vouched(seals, settings.trusted_arc_sealers, checked.dmarc.domain)


def _refusal(checked: Authentication) -> Reply:
    spf, author = checked.spf, checked.dmarc.domain
    found = [f"SPF {spf.result} for {spf.domain or 'the sender'}"]
    found += [f"DKIM {item.result} for {item.domain}" for item in checked.dkim[:3]] or ["no DKIM signature"]
    why = f"DMARC policy of {author} asks to refuse this: {', '.join(found)}; none shows that it is from {author}"
    return Reply(550, "5.7.1", why.encode("ascii", "replace").decode()[:400])
