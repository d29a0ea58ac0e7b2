"""The Sender Rewriting Scheme: whose domain forwarded mail is from, and where its bounces belong.

Who forwards a message under its author's envelope sender fails the author's SPF. So the sender becomes an address of
the forwarder, which holds the original one, and a keyed hash, so that nobody can have us bounce mail to anywhere. An
address that was rewritten elsewhere before (SRS0, SRS1) becomes SRS1, which leads straight to the first forwarder.
No RFC describes it; libsrs2's forms are understood by everybody, whatever the hash is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from onifast_shared.values.address import MAX_ADDRESS, Address, AddressError, parse_domain

LIFETIME_DAYS = 21
"""How long bounces are taken: longer than anybody tries to deliver a message (RFC 5321 section 4.5.4.1)."""

_HASH_OCTETS = 5  # eight letters of base32, so that a server which changes the case does no harm
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PERIOD = len(_BASE32) ** 2  # days after which two letters begin anew
_DAY = 86400

_TAGGED = re.compile(r"SRS([01])([=+-])(.+)", re.IGNORECASE | re.DOTALL)


class SrsError(Exception):
    """A rewritten address that cannot be taken back; the text says why, in words fit for an SMTP reply."""


class SrsExpired(SrsError):
    """The address was ours, and is too old."""


def is_rewritten(address: Address) -> bool:
    """Whether an address has the form of SRS, whoever made it."""
    return _TAGGED.fullmatch(address.local) is not None


def rewrite(sender: Address, domain: str, key: bytes, now: float) -> Address:
    """The address at `domain` that stands for a sender; `now` is epoch seconds.

    A sender that is too long for it stays as it is: better a failed SPF than a path that no server takes.
    """
    rewritten = _rewrite(sender, domain, key, now)
    return rewritten if len(str(rewritten).encode()) <= MAX_ADDRESS else sender


def _rewrite(sender: Address, domain: str, key: bytes, now: float) -> Address:
    tagged = _TAGGED.fullmatch(sender.local)
    if tagged is None:
        return _first(sender, domain, key, now)
    number, separator, rest = tagged.groups()
    if number == "0":
        return _further(sender.domain, separator + rest, domain, key)
    # Another forwarder's SRS1: what it holds stays, its hash is nobody's business any more.
    _, _, further = rest.partition("=")
    host, equals, first_rest = further.partition("=")
    if not equals or not host or not first_rest:
        return _first(sender, domain, key, now)
    return _further(host, first_rest, domain, key)


def restore(address: Address, key: bytes | None, now: float) -> Address:
    """The address that one of ours stands for; raises SrsError. Without a key there cannot be any."""
    tagged = _TAGGED.fullmatch(address.local)
    if tagged is None or key is None:
        raise SrsError("address was not made here")
    number, _, rest = tagged.groups()
    return _restore_first(rest, key, now) if number == "0" else _restore_further(rest, key)


def _first(sender: Address, domain: str, key: bytes, now: float) -> Address:
    stamp = _stamp(now)
    held = f"{sender.domain}={sender.local}"
    return Address(f"SRS0={_hash(key, '0', stamp, held)}={stamp}={held}", domain)


def _further(host: str, rest: str, domain: str, key: bytes) -> Address:
    return Address(f"SRS1={_hash(key, '1', host, rest)}={host}={rest}", domain)


def _restore_first(rest: str, key: bytes, now: float) -> Address:
    pieces = rest.split("=", 3)
    if len(pieces) != 4:
        raise SrsError("address was not made here")
    given, stamp, host, local = pieces
    _check(given, _hash(key, "0", stamp, f"{host}={local}"))
    if _age(stamp, now) > LIFETIME_DAYS:
        raise SrsExpired("address is too old to take bounces")
    return _address(local, host)


def _restore_further(rest: str, key: bytes) -> Address:
    pieces = rest.split("=", 2)
    if len(pieces) != 3:
        raise SrsError("address was not made here")
    given, host, first_rest = pieces
    _check(given, _hash(key, "1", host, first_rest))
    return _address(f"SRS0{first_rest}", host)


def _address(local: str, domain: str) -> Address:
    try:
        return Address(local, parse_domain(domain))
    except AddressError as error:
        raise SrsError(str(error)) from None


def _check(given: str, expected: str) -> None:
    if not hmac.compare_digest(given.upper().encode(), expected.encode()):
        raise SrsError("address was not made here")


def _hash(key: bytes, *parts: str) -> str:
    """Of the lower-cased parts, since the address may come back in another case."""
    text = "\0".join(parts).lower().encode()
    return base64.b32encode(hmac.digest(key, text, hashlib.sha256)[:_HASH_OCTETS]).decode("ascii")


def _stamp(now: float) -> str:
    days = int(now // _DAY) % _PERIOD
    return _BASE32[days // len(_BASE32)] + _BASE32[days % len(_BASE32)]


def _age(stamp: str, now: float) -> int:
    """In days. A stamp of tomorrow, from a host whose clock is ahead, is a day old."""
    high, low = (_BASE32.find(letter) for letter in stamp.upper().rjust(2, "?")[:2])
    if len(stamp) != 2 or high < 0 or low < 0:
        return _PERIOD
    days = (int(now // _DAY) - (high * len(_BASE32) + low)) % _PERIOD
    return 1 if days == _PERIOD - 1 else days
