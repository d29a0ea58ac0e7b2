"""SMTP replies as notifications quote them, in fields and in sentences."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import takewhile

from onifast_shared.values.reply import Reply

_CODE = re.compile(r"(?<![\d.:/-])([45]\d\d)(?:[ -]|$|(?=[#(<]))")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_MOST = 1000  # characters of a reply
_WINDOW = 800  # characters about one recipient


def enhanced(text: str) -> str:
    """The first enhanced status code (RFC 3463) in a text, or ""."""
    match = _ENHANCED.search(text[:_MOST])
    return match[1] if match else ""


def read(text: str, status: str = "") -> Reply:
    """The reply that a text quotes, from its code on; without one, the whole text is what was said.

    `status` is an enhanced code that stands elsewhere. One in the text counts more, unless it is as vague as x.0.0.
    """
    line = _SPACE.sub(" ", text).strip()[:_MOST]
    code = _CODE.search(line)
    said = line[code.end() :].lstrip(" -#(") if code else line
    within = enhanced(line)
    if within and (not status or not within.endswith(".0.0") or status.endswith(".0.0")):
        status = within
    if said.startswith(within):
        said = said[len(within) :].lstrip(" ):-")
    number = int(code[1]) if code else (450 if status.startswith("4") else 550)
    if status and status[0] != str(number)[0]:
        # A site that gives up after many a 4xx says 5.4.7 (RFC 3464): what it decided counts.
        number = {"4": 450, "5": 550}.get(status[0], number) if not code else number
        status = status if status[0] == str(number)[0] else f"{number // 100}{status[1:]}"
    return Reply(number, status, said)


def says_something(reply: Reply) -> bool:
    """Whether a reply tells more than that it failed."""
    return bool(re.search(r"[^\W\d_]{3}", reply.text)) or not reply.status.endswith((".0.0", ".5.0"))


def about(words: str, address: str, others: Collection[str] = ()) -> str:
    """What a text for people says of a recipient: from where the address stands on, up to the next one of `others`.

    All of it where the address is not there; "" for nothing.
    """
    lower = words.lower()
    at = lower.find(address.lower()) if address else -1
    if at < 0:
        return words[:_WINDOW].strip()
    start = lower.rfind("\n", 0, at) + 1
    after = at + len(address)
    ends = [lower.find(each.lower(), after, start + _WINDOW) for each in others if each.lower() != address.lower()]
    window = words[start : min((end for end in ends if end >= 0), default=start + _WINDOW)]
    if _CODE.match(window.lstrip()):
        return _reply_lines(window)
    code = _CODE.search(window)
    if code:
        return _paragraph(window[code.start() :])
    if not re.search(r"[^\W\d_]{3}", window.replace(words[at:after], "")) and (
        before := _last_paragraph(words[:start])
    ):
        return before  # the reason stands above the address
    return window.strip()


def _reply_lines(text: str) -> str:
    """A reply that a transcript quotes, with the lines that go on with it (RFC 5321 section 4.2.1)."""
    first, *rest = text.lstrip().split("\n")
    goes_on = (first[:3] + "-", first[:3] + " ") if first[3:4] == "-" else (" ", "\t")
    return "\n".join([first, *takewhile(lambda line: line.startswith(goes_on) and line.strip(), rest)])


def _last_paragraph(text: str) -> str:
    """What is behind the last empty line, up to _WINDOW characters."""
    return re.split(r"\n[ \t]*\n", text[-_WINDOW:].rstrip())[-1].strip()


def _paragraph(text: str) -> str:
    """Up to the first empty line."""
    return re.split(r"\n[ \t]*\n", text, maxsplit=1)[0]
