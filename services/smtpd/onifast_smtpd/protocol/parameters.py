"""Parameters: what `KEYWORD=value` after the paths of MAIL and RCPT means (RFC 5321 section 4.1.2); pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from onifast_shared.values.envelope import Body, Ret

from onifast_smtpd.protocol.replies import Refused, refused

MAX_PARAMETER = 1024
MAX_ENVID = 100  # RFC 3461 section 4.4
MAX_ORCPT = 500  # RFC 3461 section 4.2

_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\s]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_ORCPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*;(?:[!-*,-<>-~\x80-\U0010ffff]|\+[0-9A-F]{2})+")
_EVENTS = frozenset(("SUCCESS", "FAILURE", "DELAY"))
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)

Parameters = dict[str, str | None]


@dataclass(frozen=True)
class MailOptions:
    """The parameters of MAIL that we know.

    `size` is what the client declared, in octets; `hold_for` seconds and `hold_until` epoch seconds are RFC 4865's,
    None where they were not given.
    """

    size: int = 0
    body: Body = "7BIT"
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    requiretls: bool = False
    hold_for: int | None = None
    hold_until: int | None = None

    @property
    def holds(self) -> bool:
        """Whether the client asked for the message to be released later."""
        return self.hold_for is not None or self.hold_until is not None

    def release_ts(self, now: float) -> int:
        """When a message that comes in `now` is to be released, in epoch seconds; 0 for at once."""
        if self.hold_for is not None:
            return int(now) + self.hold_for
        return self.hold_until or 0


@dataclass(frozen=True)
class RcptOptions:
    """The parameters of RCPT, as RFC 3461 has them: events in upper case, the original recipient in its 7-bit form."""

    notify: str | None = None
    orcpt: str | None = None


NO_MAIL_OPTIONS = MailOptions()
NO_RCPT_OPTIONS = RcptOptions()


def parse_parameters(text: str) -> Parameters:
    """`KEYWORD=value KEYWORD …` as a dict with upper-case keywords; raises Refused."""
    parameters: Parameters = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if not match or len(word) > MAX_PARAMETER or match[1].upper() in parameters:
            raise refused(501, "5.5.4", "malformed or repeated parameter")
        parameters[match[1].upper()] = match[2]
    return parameters


def mail_options(parameters: Parameters) -> MailOptions:
    """What the parameters of MAIL mean; raises Refused, with 555 for unknown ones."""
    options = NO_MAIL_OPTIONS
    for keyword, value in parameters.items():
        if keyword not in _MAIL_PARAMETERS:
            raise unknown(keyword, "MAIL")
        options = _MAIL_PARAMETERS[keyword](options, value)
    if options.hold_for is not None and options.hold_until is not None:
        raise refused(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other")  # RFC 4865 section 5
    return options


def rcpt_options(parameters: Parameters) -> RcptOptions:
    """What the parameters of RCPT mean; raises Refused, with 555 for unknown ones."""
    options = NO_RCPT_OPTIONS
    for keyword, value in parameters.items():
        if keyword not in _RCPT_PARAMETERS:
            raise unknown(keyword, "RCPT")
        options = _RCPT_PARAMETERS[keyword](options, value)
    return options


def unknown(keyword: str, verb: str) -> Refused:
    """The refusal of a parameter that we do not offer (RFC 5321 section 4.1.1.11)."""
    return refused(555, "5.5.4", f"parameter {keyword} of {verb} not recognized")


def _wrong(text: str) -> Refused:
    return refused(501, "5.5.4", text)


def _number(value: str | None, most: int) -> int | None:
    if not value or not value.isascii() or not value.isdigit() or len(value) > most:
        return None
    return int(value)


def _size(options: MailOptions, value: str | None) -> MailOptions:
    size = _number(value, 20)
    if size is None:
        raise _wrong("SIZE needs a number of octets")  # RFC 1870 section 3
    return replace(options, size=size)


def _body(options: MailOptions, value: str | None) -> MailOptions:
    match (value or "").upper():
        case "7BIT":
            return replace(options, body="7BIT")
        case "8BITMIME":
            return replace(options, body="8BITMIME")
        case "BINARYMIME":
            return replace(options, body="BINARYMIME")
    raise _wrong("BODY is 7BIT, 8BITMIME or BINARYMIME")  # RFC 6152 section 2, RFC 3030 section 3


def _smtputf8(options: MailOptions, value: str | None) -> MailOptions:
    if value is not None:
        raise _wrong("SMTPUTF8 takes no value")
    return replace(options, smtputf8=True)


def _ignored_auth(options: MailOptions, value: str | None) -> MailOptions:
    """RFC 4954 section 5: whoever offers AUTH takes the parameter; nobody here is trusted to tell who somebody is."""
    if value is None:
        raise _wrong("AUTH needs a value")
    return options


def _ret(options: MailOptions, value: str | None) -> MailOptions:
    match (value or "").upper():
        case "FULL":
            return replace(options, ret="FULL")
        case "HDRS":
            return replace(options, ret="HDRS")
    raise _wrong("RET is FULL or HDRS")  # RFC 3461 section 4.3


def _envid(options: MailOptions, value: str | None) -> MailOptions:
    if not value or len(value) > MAX_ENVID or not _XTEXT.fullmatch(value):
        raise _wrong(f"ENVID needs xtext of at most {MAX_ENVID} characters")
    return replace(options, envid=value)


def _requiretls(options: MailOptions, value: str | None) -> MailOptions:
    if value is not None:
        raise _wrong("REQUIRETLS takes no value")  # RFC 8689 section 2
    return replace(options, requiretls=True)


def _hold_for(options: MailOptions, value: str | None) -> MailOptions:
    seconds = _number(value, 9)
    if seconds is None:
        raise _wrong("HOLDFOR needs a number of seconds")  # RFC 4865 section 5
    return replace(options, hold_for=seconds)


def _hold_until(options: MailOptions, value: str | None) -> MailOptions:
    wrong = _wrong("HOLDUNTIL needs a date and time with its zone (RFC 3339)")
    if not value or not _DATE_TIME.fullmatch(value):
        raise wrong
    try:
        moment = int(datetime.fromisoformat(value.upper()).timestamp())
    except (ValueError, OverflowError):  # the 30th of February
        raise wrong from None
    return replace(options, hold_until=max(0, moment))


def _notify(options: RcptOptions, value: str | None) -> RcptOptions:
    events = (value or "").upper()
    if events == "NEVER":
        return replace(options, notify=events)
    # An event named twice is harmless, but SUCCESS,NEVER contradicts itself (RFC 3461 section 4.1).
    if not _EVENTS.issuperset(events.split(",")):
        raise _wrong("NOTIFY is NEVER, or some of SUCCESS, FAILURE, DELAY")
    return replace(options, notify=events)


def _orcpt(options: RcptOptions, value: str | None) -> RcptOptions:
    if not value or len(value) > MAX_ORCPT or not _ORCPT.fullmatch(value):
        raise _wrong(f"ORCPT needs type;xtext of at most {MAX_ORCPT} characters")
    # Other scripts in their 7-bit form (RFC 6533 section 3): the next hop may not know SMTPUTF8.
    plain = "".join(each if each.isascii() else f"\\x{{{ord(each):X}}}" for each in value)
    return replace(options, orcpt=plain)


_MAIL_PARAMETERS: dict[str, Callable[[MailOptions, str | None], MailOptions]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "AUTH": _ignored_auth,
    "RET": _ret,
    "ENVID": _envid,
    "REQUIRETLS": _requiretls,
    "HOLDFOR": _hold_for,
    "HOLDUNTIL": _hold_until,
}

_RCPT_PARAMETERS: dict[str, Callable[[RcptOptions, str | None], RcptOptions]] = {
    "NOTIFY": _notify,
    "ORCPT": _orcpt,
}
