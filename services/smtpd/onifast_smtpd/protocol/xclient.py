"""XCLIENT: what a trusted proxy says of the client that it speaks for, in Postfix's words (XCLIENT_README)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace

from onifast_shared.machine.config import Settings

from onifast_smtpd.clients.client import Client, identify_proxied
from onifast_smtpd.protocol.replies import refused

ATTRIBUTES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT", "REVERSE_NAME")
KEYWORD = "XCLIENT " + " ".join(ATTRIBUTES)

_PAIR = re.compile(r"([A-Za-z_]+)=([!-<>-~]{1,500})", re.ASCII)
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_UNKNOWN = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


def parse(argument: str) -> dict[str, str | None]:
    """Attributes by upper-case name, None for what the proxy does not know; raises Refused."""
    found: dict[str, str | None] = {}
    for word in argument.split():
        match = _PAIR.fullmatch(word)
        if not match or match[1].upper() not in ATTRIBUTES:
            raise refused(501, "5.5.4", "bad attribute of XCLIENT")
        value = _XTEXT.sub(lambda code: chr(int(code[1], 16)), match[2])
        if not value.isprintable():
            raise refused(501, "5.5.4", "bad value of an attribute of XCLIENT")
        found[match[1].upper()] = None if match[2].upper() in _UNKNOWN else value
    if not found:
        raise refused(501, "5.5.4", "syntax: XCLIENT attribute=value ...")
    return found


def client_of(told: Mapping[str, str | None], proxy: Client, settings: Settings) -> Client:
    """The client that these attributes describe; raises Refused."""
    if "ADDR" not in told:
        return proxy
    address = told["ADDR"]
    if address is None:
        # Of a client that the proxy does not know we know that it is not local.
        return replace(proxy, is_loopback=False, is_trusted=False, unix_user=None)
    return identify_proxied(proxy, (_address(address), _port(told.get("PORT"))), settings)


def _address(value: str) -> str:
    text = value[5:] if value[:5].upper() == "IPV6:" else value
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise refused(501, "5.5.4", "bad ADDR of XCLIENT") from None


def _port(value: str | None) -> int:
    if value is None:
        return 0
    if not value.isascii() or not value.isdigit() or len(value) > 5 or int(value) > 65535:
        raise refused(501, "5.5.4", "bad PORT of XCLIENT")
    return int(value)
