"""Notifications for people alone, as qmail, old Exims, Exchange and many more write them: who is named, and why."""

from __future__ import annotations

import re
from collections.abc import Collection

from onifast_outbox.returns import replies
from onifast_outbox.returns.values import Action, RecipientReport

MOST_RECIPIENTS = 100

_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]{1,64}@(?:[A-Za-z0-9\x80-\U0010ffff-]{1,63}\.){1,10}[A-Za-z\x80-\U0010ffff][A-Za-z0-9\x80-\U0010ffff-]{1,62}"
)
# Where what was written ends and what is sent back begins.
_ORIGINAL = re.compile(
    r"^[ \t>*=_#-]{0,80}(?:(?:this is|here is|below is|following is|included is|attached is)?[ \t]{0,3}"
    r"(?:a|the|your)?[ \t]{0,3}"
    r"(?:(?:copy|text|header|start|beginning|content|contents|body|part) of (?:the |your )?"
    r"(?:original |returned |returning |failed )?"
    r"(?:message|mail|e-mail)(?! generated)|original (?:message|mail|e-mail)|returned (?:message|mail)"
    r"|undelivered message"
    r"|unsent message|message (?:header|headers|text|contents|body|follows)\b|headers? (?:of|from) the"
    r"|below this line|(?:original|message) headers|your (?:original )?message (?:follows|reads)))"
    r"|^(?:received|return-path|message-id|dkim-signature|mime-version|x-mailer):[ \t]",
    re.IGNORECASE | re.MULTILINE,
)
# Before an address that stands so, a sentence says that this is the one.
_NAMING = re.compile(
    r"(?:^|(?:recipient|address|addressed to|recipients?|user|mailbox|failed|rcpt to"
    r"|deliver(?:ed)?(?: (?:your )?message)? to"
    r"|sent to|delivery to|message to|mail to|email to|to|for|account)\b[ \t]*"
    r"(?:was|is|were|are|e?s?\(e?s\))?[ \t]*:?)[ \t>*|.\"'<(\[-]*$"
    r"|^[ \t]*[45]\d\d (?:[45]\.\d{1,3}\.\d{1,3} )?<$",
    re.IGNORECASE,
)
# After such a sentence come the recipients; before it, fields of the message that is told of.
_LISTING = re.compile(
    r"(?:did not reach|(?:could|can)(?: ?not|n't) be delivered to) the following recipient", re.IGNORECASE
)
_NOT_RECIPIENTS = re.compile(
    r"(?:mailer-daemon|postmaster|abuse|support|helpdesk|noreply|no-reply|bounce)", re.IGNORECASE
)
_DELAY = re.compile(
    r"warning: (?:message|could not send)|not yet been delivered|delayed mail|message delayed"
    r"|delivery (?:is |has been |was )?(?:temporarily )?delayed|will (?:continue to )?(?:be )?retr(?:y|ied)"
    r"|still (?:being|trying)|no action is required|do not need to resend",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"(?:given|giving) up|permanent|could not be delivered to all|returned to sender|not be retried", re.IGNORECASE
)


def without_original(text: str) -> str:
    """What a notification says itself, without the message that it sends back, or describes, in its own text."""
    match = _ORIGINAL.search(text, 1)
    said = text[: match.start()] if match else text
    listing = _LISTING.search(said)
    return said[listing.start() :] if listing and "@" in said[listing.end() :] else said


def action(text: str) -> Action:
    """Whether the words say that it will be tried again."""
    return "delayed" if _DELAY.search(text) and not _LOST.search(text) else "failed"


def recipients(words: str, failed: Collection[str], ours: Collection[str]) -> list[RecipientReport]:
    """Who is named, with what is said of each. `failed` are those that a field of the header names.

    `ours` are addresses, in lower case, of whom it is written by and for: they are never meant.
    """
    named = list(dict.fromkeys(failed)) or _named(words, ours)
    what = action(words)
    return [
        RecipientReport(each, action=what, reply=replies.read(replies.about(words, each, named)))
        for each in named[:MOST_RECIPIENTS]
    ]


def addresses(text: str) -> list[str]:
    """Every address in a text, once each."""
    return list(dict.fromkeys(match[0].strip(".'") for match in _ADDRESS.finditer(text)))


def _named(words: str, ours: Collection[str]) -> list[str]:
    """The addresses that stand where a recipient is named; all other ones where none stands so."""
    strong: dict[str, None] = {}
    weak: dict[str, None] = {}
    for line in words.split("\n")[:1000]:
        for match in _ADDRESS.finditer(line[:2000]):
            found = match[0].strip(".'")
            if found.lower() in ours or _NOT_RECIPIENTS.match(found):
                continue
            before = line[max(0, match.start() - 60) : match.start()]
            (strong if _NAMING.search(before) else weak).setdefault(found)
    return _distinct(strong or weak)


def _distinct(found: Collection[str]) -> list[str]:
    seen: dict[str, str] = {}
    for each in found:
        seen.setdefault(each.lower(), each)
    return list(seen.values())
