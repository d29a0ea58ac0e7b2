"""SASL in SMTP: challenges and answers in base64 (RFC 4954 section 4), and the mechanisms that carry a password."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from onifast_shared.accounts.scram_verifier import prepared
from onifast_shared.machine.log import Secret
from onifast_shared.values.reply import Reply

from onifast_smtpd.protocol.replies import Refused, refused

SCRAM, SCRAM_PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"

WRONG = Reply(535, "5.7.8", "authentication credentials invalid")

Ask = Callable[[bytes], Awaitable[bytes]]
"""Sends a challenge and gives the client's answer, both without base64; raises Refused."""


@dataclass(frozen=True)
class Credentials:
    """What a client says of itself."""

    username: str
    password: Secret


def decode_base64(text: str) -> bytes:
    """The octets of an initial response or an answer (RFC 4954 section 4); raises Refused."""
    try:
        return base64.b64decode(b"" if text == "=" else text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise refused(501, "5.5.2", "cannot decode base64") from None


def challenge(octets: bytes) -> str:
    """The line that carries a challenge; one that is empty keeps its space (RFC 4954 section 4)."""
    return f"334 {base64.b64encode(octets).decode('ascii')}"


def parse_answer(line: bytes) -> bytes:
    """What a client answers to a challenge; raises Refused where it gives up with "*"."""
    if line == b"*":
        raise refused(501, "5.7.0", "authentication cancelled")
    return decode_base64(line.decode("ascii", "replace"))


async def plain(initial: bytes | None, ask: Ask) -> Credentials:
    """RFC 4616. Acting as somebody else (an authorization identity) is not offered. Raises Refused."""
    response = await ask(b"") if initial is None else initial
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise refused(501, "5.5.2", "malformed PLAIN response")
    acting_as, username, password = parts
    if acting_as not in (b"", username):
        raise Refused(WRONG)
    return _credentials(username, password)


async def login(initial: bytes | None, ask: Ask) -> Credentials:
    """The LOGIN mechanism, which never became an RFC; old programs know no other."""
    username = await ask(b"Username:") if initial is None else initial
    return _credentials(username, await ask(b"Password:"))


EXCHANGES: dict[str, Callable[[bytes | None, Ask], Awaitable[Credentials]]] = {"PLAIN": plain, "LOGIN": login}


def _credentials(username: bytes, password: bytes) -> Credentials:
    try:
        return Credentials(prepared(username.decode("utf-8")), Secret(password.decode("utf-8")))
    except UnicodeDecodeError:
        raise Refused(WRONG) from None
