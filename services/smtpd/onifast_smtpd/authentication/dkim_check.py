"""DKIM verification (RFC 6376, RFC 8463) by dkimpy, whose DNS is replaced by ours."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dkim

from onifast_smtpd.authentication.key_record import UNREADABLE, KeyRecord, choose, look_up
from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups
from onifast_smtpd.authentication.signature_rules import is_for_subdomain, objection, uncovered
from onifast_smtpd.authentication.signed_message import is_too_large, load, signed_once

MAX_SIGNATURES = 5  # checked in one message; RFC 6376 section 6.1 lets a verifier set a limit
MAX_CONSIDERED = 20  # signatures, from the top, that these are chosen from
STRONG_RSA_BITS = 2048  # what signers should use, by the same section

# Where another key may yet be right
_UNUSABLE = "public key cannot be used"
_WRONG = "signature does not verify"


@dataclass(frozen=True)
class DkimResult:
    """The result for one signature, in RFC 8601's words (section 2.7.1); `signature` is its b= tag.

    For a temperror, `failing` is the look-up that failed, "" where no single one did.
    """

    result: str
    domain: str = ""
    selector: str = ""
    signature: str = ""
    reason: str = ""
    failing: str = ""


class _Verifier(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's verifier. Once it `knows_body`, that the text is what was signed, it looks at the header alone."""

    knows_body = False

    def verify_headerprep(self, idx: int = 0) -> Any:
        """dkimpy's function of that name: a signature without `bh` is one whose text it leaves alone."""
        prepared = super().verify_headerprep(idx)
        if not prepared:
            return prepared
        tags, names, fields = prepared
        if self.knows_body:
            del tags[b"bh"]
        return tags, signed_once(names), fields


def check_dkim(
    lookups: Lookups, raw: bytes, speaks: Callable[[str], bool] = lambda _domain: False
) -> tuple[DkimResult, ...]:
    """Checks the signatures of a message whose line ends are CRLF; none gives an empty tuple.

    Those of domains that `speaks` is true for, since they could speak for the author, come first and are looked up
    apart: signatures of a stranger's, whose name servers are slow, leave them their time. Blocks; raises nothing for
    DNS trouble.
    """
    head, _, body = raw.partition(b"\r\n\r\n")
    if b"dkim-signature" not in head.lower():
        return ()
    if is_too_large(head):
        return (DkimResult("permerror", reason="header is too large to be checked"),)
    try:
        verifier = load(_Verifier, head, body)
    except UNREADABLE:
        return (DkimResult("permerror", reason="message cannot be parsed"),)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    numbers = range(min(count, MAX_CONSIDERED))
    authors = {index for index in numbers if speaks(_signer(verifier, index))}
    chosen = sorted(numbers, key=lambda index: index not in authors)[:MAX_SIGNATURES]
    # One dead name among the author's own must not hide a signature that could be verified by another.
    apart = defaultdict[str, Lookups](lookups.apart)
    found = {
        index: _check_one(apart[_key(verifier, index)] if index in authors else lookups, verifier, index)
        for index in chosen
    }
    return tuple(found[index] for index in sorted(found))


def _signer(verifier: _Verifier, index: int) -> str:
    return _key(verifier, index).rpartition("@")[2]


def _key(verifier: _Verifier, index: int) -> str:
    """Which key a signature is made with, as selector@domain."""
    verifier.signature_fields = {}
    with suppress(*UNREADABLE):
        verifier.verify_headerprep(index)
    tags = _tags(verifier)
    return f"{tags['selector']}@{tags['domain']}".lower()


def _check_one(lookups: Lookups, verifier: _Verifier, index: int) -> DkimResult:
    verifier.signature_fields, verifier.knows_body = {}, False
    try:
        verifier.verify_headerprep(index)
    except UNREADABLE as error:
        return DkimResult("permerror", **_tags(verifier), reason=_shown(error))
    fields, tags = verifier.signature_fields, _tags(verifier)
    if problem := objection(fields, time.time()):
        return DkimResult("permerror", **tags, reason=problem)
    try:
        records = look_up(lookups, fields[b"s"] + b"._domainkey." + fields[b"d"])
    except DnsTrouble as error:
        return DkimResult("temperror", **tags, reason=str(error), failing=error.lookup)
    keys = choose(records, fields[b"a"], is_subdomain=is_for_subdomain(fields))
    result = DkimResult("permerror", **tags, reason=keys.problem)
    for key in keys.usable:
        result = _try(verifier, index, key)
        if result.reason not in (_UNUSABLE, _WRONG):
            break
        verifier.knows_body = result.reason == _WRONG
    return result


def _try(verifier: _Verifier, index: int, key: KeyRecord) -> DkimResult:
    tags, verifier.keysize = _tags(verifier), 0
    try:
        valid = verifier.verify(index, dnsfunc=lambda *_, **__: key.text)
    except dkim.KeyFormatError as error:
        return DkimResult("policy", **tags, reason=_shown(error))
    except UNREADABLE as error:
        return DkimResult("fail", **tags, reason=_shown(error))
    if valid:
        return _valid(verifier, tags, key)
    if not verifier.keysize:
        return DkimResult("permerror", **tags, reason=_UNUSABLE)
    return DkimResult("fail", **tags, reason=_WRONG)


def _valid(verifier: _Verifier, tags: dict[str, str], key: KeyRecord) -> DkimResult:
    left = uncovered(verifier.signature_fields, verifier.body)
    if left < 0:
        return DkimResult("permerror", **tags, reason="more text is signed than there is")
    if left > 0:
        # RFC 6376 section 8.2: anything could have been put below what was signed.
        return DkimResult("policy", **tags, reason=f"the last {left} octets of the text are not signed")
    weak = verifier.ktag == b"rsa" and verifier.keysize < STRONG_RSA_BITS
    remarks = [f"{verifier.keysize}-bit key", *["which is weak"] * weak, *["for testing"] * key.is_for_testing]
    return DkimResult("pass", **tags, reason=", ".join(remarks))


def _tags(verifier: _Verifier) -> dict[str, str]:
    fields = verifier.signature_fields
    tags = {"domain": b"d", "selector": b"s", "signature": b"b"}
    return {name: _text(fields.get(tag, b"")) for name, tag in tags.items()}


def _text(value: bytes) -> str:
    return re.sub(r"\s+", "", value.decode("utf-8", "replace"))


def _shown(error: Exception) -> str:
    return "body hash does not match" if "body hash" in str(error) else str(error)[:200] or _UNUSABLE
