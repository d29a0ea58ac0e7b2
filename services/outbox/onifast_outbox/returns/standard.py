"""Reports for machines: delivery status notifications (RFC 3464, RFC 6533) and feedback reports (RFC 5965)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import get_args

from onifast_shared.values.reply import Reply

from onifast_outbox.returns import fields, replies
from onifast_outbox.returns.values import Action, RecipientReport, ReturnReport

STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
DISPOSITION_TYPES = ("message/disposition-notification", "message/global-disposition-notification")
FEEDBACK_TYPES = ("message/feedback-report",)
MOST_RECIPIENTS = 100

_ACTIONS: Mapping[str, Action] = {each: each for each in get_args(Action)} | {"failure": "failed", "delay": "delayed"}
_BY_CLASS: Mapping[str, Action] = {"2": "delivered", "4": "delayed"}
# What is said to be spam, or unwanted. `auth-failure` tells of a forger (RFC 6591), `not-spam` of the contrary.
COMPLAINTS = frozenset(("abuse", "complaint", "fraud", "miscategorized", "opt-out", "opt-out-list", "other", "virus"))

MICROSOFTS_RECIPIENT = "x-hmxmroriginalrecipient"
"""The field of the original that names who complains, in reports of Microsoft's, which are of no type."""

_ORIGINAL_RECIPIENT = re.compile(
    r"^(?:original-rcpt-to|redacted-address|removal-recipient):[ \t]*([^\r\n]{3,500})", re.IGNORECASE | re.MULTILINE
)


def delivery_status(text: str, words: str) -> tuple[str, str, list[RecipientReport]]:
    """(who reports, the envelope id, what is said of each recipient) of a part's text.

    `words` is what the notification says to people: for where the fields give no reason.
    """
    found = fields.groups(text)
    message = next((each for each in found if "reporting-mta" in each or "original-envelope-id" in each), {})
    recipients = [each for each in found if _address(each) or "x-actual-recipient" in each][:MOST_RECIPIENTS]
    addresses = list(dict.fromkeys(_bare_address(each) for each in recipients))
    reports = [_recipient(each, words, addresses) for each in recipients]
    reporter = fields.typed(message.get("reporting-mta", ""))[:255]
    return reporter, message.get("original-envelope-id", "")[:200], [each for each in reports if each.address]


def feedback(text: str, headers_of_original: Sequence[Mapping[str, str]]) -> ReturnReport | None:
    """A complaint; None for a report of another type. Whom it is from stands in its fields, or in the original's."""
    found: dict[str, str] = {}
    for group in reversed(fields.groups(text)):
        found |= group
    kind = found.get("feedback-type", "").lower().strip()[:40]
    if kind not in COMPLAINTS:
        return None
    named = [match[1] for match in _ORIGINAL_RECIPIENT.finditer(text)][:MOST_RECIPIENTS]
    envid = found.get("original-envelope-id", "")[:200]
    reporter = fields.typed(found.get("reporting-mta", ""))[:255]
    return complaint(kind, named, headers_of_original, envid=envid, reporter=reporter)


def disposition(text: str) -> ReturnReport | None:
    """A read receipt (RFC 8098 section 3.1); None for one that tells of something else than that it was displayed."""
    found: dict[str, str] = {}
    for group in reversed(fields.groups(text)):
        found |= group
    kind = found.get("disposition", "").partition(";")[2].strip().lower().split("/")[0]
    address = fields.address(found.get("final-recipient", ""))
    if kind != "displayed" or not address:
        return None
    original = fields.address(found.get("original-recipient", ""))
    said = RecipientReport(address, original, "delivered", replies.read("", "2.0.0"))
    message_id = found.get("original-message-id", "").strip()[:1000]
    return ReturnReport("read-receipt", (said,), (message_id,) if message_id else ())


def complaint(
    kind: str,
    named: Sequence[str],
    headers_of_original: Sequence[Mapping[str, str]],
    *,
    envid: str = "",
    reporter: str = "",
) -> ReturnReport:
    """A complaint by the recipients that are named; by those that the original was for, where none is."""
    for name in (MICROSOFTS_RECIPIENT, "to"):
        if not any(map(fields.address, named)):
            named = [head.get(name, "") for head in headers_of_original]
    addresses = dict.fromkeys(filter(None, map(fields.address, named)))
    return ReturnReport("complaint", tuple(RecipientReport(each) for each in addresses), (), envid, reporter, kind)


def _address(group: Mapping[str, str]) -> str:
    return group.get("final-recipient", "") or group.get("original-recipient", "")


def _bare_address(group: Mapping[str, str]) -> str:
    names = ("final-recipient", "x-actual-recipient", "original-recipient")
    return next(filter(None, (fields.address(group.get(name, "")) for name in names)), "")


def _action(group: Mapping[str, str]) -> Action:
    """What became of the message; of a word that is unknown, what the status says (RFC 3464 section 2.3.4)."""
    word = group.get("action", "").lower().split(" ")[0].split(";")[0].strip()
    by_status = _BY_CLASS.get(replies.enhanced(group.get("status", ""))[:1], "failed")
    return _ACTIONS.get(word, by_status if word else "failed")


def _recipient(group: Mapping[str, str], words: str, addresses: Collection[str]) -> RecipientReport:
    original = fields.address(group.get("original-recipient", ""))
    address, action = _bare_address(group), _action(group)
    host = fields.typed(group.get("remote-mta", "")).split(" ")[0][:255]
    log_id = group.get("final-log-id", "")[:100]
    return RecipientReport(address, original, action, _reply(group, address, words, addresses), host, log_id)


def _reply(group: Mapping[str, str], address: str, words: str, addresses: Collection[str]) -> Reply:
    """The reply that its fields hold; what people are told, where those say nothing."""
    diagnostic = fields.typed(group.get("diagnostic-code", ""))
    status = replies.enhanced(group.get("status", ""))
    found = replies.read(diagnostic, status) if diagnostic else None
    if found is not None and replies.says_something(found):
        return found
    said = replies.about(words, address, addresses)
    return replies.read(said, status) if said else found or replies.read("", status)
