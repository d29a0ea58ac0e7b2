"""ARC (RFC 8617): is what earlier handlers saw and sealed still what they saw? By dkimpy, over our own resolver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import dkim
from dkim.util import parse_tag_value
from onifast_shared.message.sections import RawMessage

from onifast_smtpd.authentication import arc_sets
from onifast_smtpd.authentication.arc_sets import PARTS, SEAL, SIGNATURE, ArcSet, Seal
from onifast_smtpd.authentication.key_record import ALGORITHMS, UNREADABLE, KeyRecord, choose, look_up
from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups
from onifast_smtpd.authentication.signature_rules import uncovered, untimely
from onifast_smtpd.authentication.signed_message import is_too_large, load, signed_once

__all__ = ["ArcResult", "Seal", "check_arc", "vouched"]


@dataclass(frozen=True)
class ArcResult:
    """The chain's result (RFC 8617 section 5.2); `seals` are those of a chain that passes, the newest first.

    For a temperror, `claimed` are the seals that cannot be checked now, and `failing` is the failed look-up, "" where
    no single one did.
    """

    result: str
    seals: tuple[Seal, ...] = ()
    reason: str = ""
    claimed: tuple[Seal, ...] = ()
    failing: str = ""


class _Chain(dkim.ARC):  # type: ignore[misc]  # dkimpy has no types
    """The chain of a message; dkimpy has taken the message apart, and does the arithmetic of one signature.

    Which fields a signature is about is told here: dkimpy looks for ` i=1;` in all of them, letter by letter.
    Algorithm, times and keys are judged as those of DKIM signatures are (RFC 8617 sections 4.1.2 and 4.1.3).
    """

    keys_at: Callable[[bytes], list[bytes]]

    def objection(self, sets: Sequence[ArcSet]) -> str:
        """Why a chain does not pass, "" where it does. Raises DnsTrouble, and what `UNREADABLE` has.

        RFC 8617 section 5.2 asks for the newest message signature and for every seal: most of the older signatures were
        broken by later handlers, who say so.
        """
        if not self._is_signed(sets[0]):
            return "Most recent ARC-Message-Signature did not validate"
        for number, each in enumerate(sets):
            if not self._is_sealed(each, sets[number:]):
                return f"ARC-Seal[{each.number}] did not validate"
        return ""

    def _is_signed(self, newest: ArcSet) -> bool:
        tags = _tags(newest.fields[SIGNATURE], b"bh", b"h")
        names = [name.strip() for name in tags[b"h"].lower().split(b":")]
        if b"from" not in names or b"arc-seal" in names or uncovered(tags, self.body):
            return False
        return self._holds(tags, signed_once(names), newest.fields[SIGNATURE])

    def _is_sealed(self, sealed: ArcSet, before: Sequence[ArcSet]) -> bool:
        """Whether a set's seal is good. It covers all fields of the sets `before`, its own among them, but itself."""
        tags = _tags(sealed.fields[SEAL], b"cv")
        covered = [each.fields[part] for each in reversed(before) for part in PARTS][:-1]
        # dkimpy takes fields from below.
        self.headers = covered[::-1]
        return b"h" not in tags and self._holds(tags, [name.lower() for name, _ in covered], sealed.fields[SEAL])

    def _holds(self, tags: dict[bytes, bytes], names: list[bytes], field: tuple[bytes, bytes]) -> bool:
        if tags[b"a"] not in ALGORITHMS or untimely(tags, time.time()):
            return False
        keys = choose(self.keys_at(tags[b"s"] + b"._domainkey." + tags[b"d"]), tags[b"a"])
        return any(self._is_made_with(key, tags, names, field) for key in keys.usable)

    def _is_made_with(
        self, key: KeyRecord, tags: dict[bytes, bytes], names: list[bytes], field: tuple[bytes, bytes]
    ) -> bool:
        try:
            return bool(self.verify_sig(tags, [*names], field, lambda *_, **__: key.text))
        except dkim.DKIMException:
            return False


def check_arc(lookups: Lookups, message: RawMessage) -> ArcResult:
    """Checks the chain of a message whose line ends are CRLF. Blocks; raises nothing for DNS trouble."""
    head, _, body = message.octets.partition(b"\r\n\r\n")
    if b"arc-" not in head.lower():
        return ArcResult("none")
    try:
        sets = arc_sets.read(message.head.renewed(head + b"\r\n"))
    except arc_sets.BrokenChain as error:
        return ArcResult("fail", reason=str(error))
    if not sets:
        return ArcResult("none")
    if is_too_large(head):
        return ArcResult("fail", reason="header is too large to be checked")
    seals = tuple(each.seal for each in sets)
    try:
        chain = load(_Chain, head, body)
        chain.keys_at = partial(look_up, lookups)
        problem = chain.objection(sets)
    except DnsTrouble as error:
        return ArcResult("temperror", reason=str(error), claimed=seals, failing=error.lookup)
    except UNREADABLE as error:
        problem = str(error)[:200] or "a public key cannot be used"
    return ArcResult("fail", reason=problem) if problem else ArcResult("pass", seals)


def _tags(field: tuple[bytes, bytes], *needed: bytes) -> dict[bytes, bytes]:
    """The tags of a signature or a seal, where they are well-formed; in ARC the relaxed form is the usual one."""
    tags: dict[bytes, bytes] = parse_tag_value(field[1])
    dkim.validate_signature_fields(tags, [b"i", b"a", b"b", b"d", b"s", *needed], True)
    return {b"c": b"relaxed/relaxed", **tags}


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
