"""ARC (RFC 8617): is what earlier handlers saw and sealed still what they saw? By dkimpy, over our own resolver."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dkim
from onifast_shared.dkim.linear import close_names
from onifast_shared.message.authentication_results import arc_instance

from onifast_smtpd.authentication import arc_sets
from onifast_smtpd.authentication.arc_sets import Seal
from onifast_smtpd.authentication.dkim_check import MAX_HEAD, MAX_HEAD_LINES, MIN_RSA_BITS
from onifast_smtpd.authentication.key_record import ALGORITHMS, UNREADABLE, choose, look_up
from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups
from onifast_smtpd.authentication.signature_rules import uncovered, untimely

__all__ = ["ArcResult", "Seal", "check_arc", "vouched"]

_silent = logging.Logger("arc", logging.CRITICAL + 1)


@dataclass(frozen=True)
class ArcResult:
    """The chain's result (RFC 8617 section 5.2); `seals` are those of a chain that passes, the newest first.

    Of a temperror `claimed` are the seals that nobody can check now, and `failing` is the look-up that failed, "" where
    no single one did.
    """

    result: str
    seals: tuple[Seal, ...] = ()
    reason: str = ""
    claimed: tuple[Seal, ...] = ()
    failing: str = ""


class _Chain(dkim.ARC):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's verifier, which does not check the message signatures of older sets: a later handler broke most."""

    newest = b""

    def verify_sig(self, sig: Any, include_headers: Any, sig_header: Any, dnsfunc: Any) -> bool:
        """RFC 8617 section 5.2 asks for the newest message signature and for every seal.

        Their algorithm, times and keys are judged as those of DKIM signatures are (sections 4.1.2 and 4.1.3).
        """
        if sig_header[0] == b"ARC-Message-Signature":
            if sig[b"i"] != self.newest:
                return True
            if b"from" not in include_headers or uncovered(sig, self.body):
                return False
        if sig[b"a"] not in ALGORITHMS or untimely(sig, time.time()):
            return False
        keys = choose(dnsfunc(sig[b"s"] + b"._domainkey." + sig[b"d"]), sig[b"a"])
        inherited = super().verify_sig
        return any(
            inherited(sig, [*include_headers], sig_header, lambda *_, text=key.text, **__: text) for key in keys.usable
        )


def check_arc(lookups: Lookups, raw: bytes) -> ArcResult:
    """Checks the chain of a message whose line ends are CRLF. Blocks; raises nothing for DNS trouble."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if b"arc-" not in head.lower():
        return ArcResult("none")
    try:
        claimed = arc_sets.seals(head + b"\r\n")
    except arc_sets.BrokenChain as error:
        return ArcResult("fail", reason=str(error))
    if not claimed:
        return ArcResult("none")
    if len(head) > MAX_HEAD or head.count(b"\n") > MAX_HEAD_LINES:
        return ArcResult("fail", reason="header is too large to be checked")
    try:
        return _check(lookups, head, body, len(claimed))
    except DnsTrouble as error:
        return ArcResult("temperror", reason=str(error), claimed=claimed, failing=error.lookup)
    except UNREADABLE as error:
        return ArcResult("fail", reason=str(error)[:200] or "a public key cannot be used")


def _check(lookups: Lookups, head: bytes, body: bytes, count: int) -> ArcResult:
    chain = _Chain(close_names(head) + b"\r\n\r\n", logger=_silent, minkey=MIN_RSA_BITS)
    chain.body = body
    newest, _ = chain.sorted_arc_headers()
    if newest != count:
        return ArcResult("fail", reason="chain has a set whose number is not clear")
    chain.newest = str(newest).encode()
    verdict, sets, reason = chain.verify(dnsfunc=partial(look_up, lookups))
    if verdict == dkim.CV_Pass:
        return ArcResult("pass", tuple(_seal(item) for item in sets))
    return ArcResult("fail", reason=str(reason)[:200])


def vouched(seals: Sequence[Seal], trusted: Iterable[str], author: str) -> str | None:
    """The trusted handler that saw DMARC pass for the author's domain, None where there is none.

    Everybody who sealed after them must be trusted too: they could have changed what they passed on.
    """
    known = {domain.lower() for domain in trusted}
    for seal in seals:
        if seal.domain not in known:
            return None
        if seal.dmarc == "pass" and seal.header_from == author:
            return seal.domain
    return None


def _seal(item: dict[str, Any]) -> Seal:
    domain = item["as-domain"].decode("utf-8", "replace").strip().lower()
    results = item["aar-value"].decode("utf-8", "replace")
    return arc_sets.seal(domain, results) if arc_instance(results) == item["instance"] else Seal(domain)
