"""What a junk filter reads in a message: its words, and facts of its header, each as a number.

A message of any size gives MOST features at the most, from its beginning; the time that takes has a bound too. The
numbers are kept with a user's counts, so a feature never changes its text: what was learned could not be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, islice
from typing import Any

from onifast_shared.message.parsing import Parsed
from onifast_shared.values.address import Address

MOST = 300
"""Features of one message."""

_LOOKED_AT = 32 * 1024  # characters of text
_HTML_LOOKED_AT = 128 * 1024  # characters of HTML that are looked through for links
_MOST_WORDS = 4000  # words that are looked at, the same ones included
_MOST_LINKS = 50
_LONGEST_FIELD = 1000  # octets of a field of addresses that is looked at
_MOST_FILES = 20
_LONGEST_WORD = 24
# Marks stand within words: v1agra, don't, e-mail, 100%. A run of anything else is passed over in one step.
_WORD = re.compile(r"[\w$%][\w$%'’.-]{1,200}")
# Scripts that write no spaces: pairs of characters stand for words.
_SOLID = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]{2,200}"
)
_DIGITS = re.compile(r"[0-9.]+")
_LINK_HOST = re.compile(r"https?://(?:[^\s/@\"'<>]{0,100}@)?([A-Za-z0-9.-]{1,100})", re.IGNORECASE)


@dataclass(frozen=True)
class Feature:
    """One thing that a message has. `word` is how it is named to people, "" for what is no word of theirs."""

    number: int
    word: str = ""


@dataclass(frozen=True)
class Reading:
    """A message as a junk filter reads it: its author, None where none can be told, and its features."""

    author: Address | None
    features: tuple[Feature, ...]


NOTHING = Reading(None, ())


def read(parsed: Parsed, text: str, authentication: Mapping[str, Any]) -> Reading:
    """What is in a message; `text` is its body as people read it, `authentication` what smtpd found out about it."""
    found: dict[str, str] = {}
    for key, word in chain(_facts(parsed, authentication), _words(parsed, text)):
        found.setdefault(key, word)
        if len(found) == MOST:
            break
    return Reading(parsed.sender, tuple(Feature(_number(key), word) for key, word in found.items()))


def _number(key: str) -> int:
    """A number with a sign and 64 bits, as SQLite has them: nobody finds two texts with one."""
    return int.from_bytes(blake2b(key.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


def _facts(parsed: Parsed, authentication: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the header and the structure say."""
    yield from _about_author(parsed)
    for name in ("list-id", "x-mailer", "user-agent", "precedence"):
        if value := (parsed.header(name) or "")[:200].casefold().strip():
            yield f"{name}:{_DIGITS.sub('0', value)}", ""
    for name in ("list-unsubscribe", "in-reply-to", "feedback-id"):
        if parsed.header(name):
            yield f"has:{name}", ""
    for method in ("spf", "dkim", "dmarc"):
        if isinstance(result := authentication.get(method), str):
            yield f"{method}:{result}", ""
    yield f"type:{(parsed.header('content-type') or '').partition(';')[0].casefold()[:60]}", ""
    if parsed.text is None and parsed.html is not None:
        yield "has:only-html", ""
    for item in parsed.attachments[:_MOST_FILES]:
        yield f"file:{item.filename.rpartition('.')[2].casefold()[:10]}", ""
    for host in _link_hosts(parsed):
        yield f"link:{host}", host


def _about_author(parsed: Parsed) -> Iterator[tuple[str, str]]:
    author = parsed.sender
    if author is None:
        return
    yield f"from:{author.key}", str(author)
    yield f"from-domain:{author.domain}", author.domain
    for word in _plain_words(parsed.sender_name[:200]):
        yield f"name:{word}", ""
    for entry in parsed.mailboxes("reply-to", _LONGEST_FIELD)[:3]:
        if entry.address is not None and entry.address.domain != author.domain:
            yield f"reply-domain:{entry.address.domain}", ""


def _link_hosts(parsed: Parsed) -> Iterable[str]:
    source = (parsed.html or "")[:_HTML_LOOKED_AT] + (parsed.text or "")[:_LOOKED_AT]
    hosts = (match[1].casefold().strip(".") for match in islice(_LINK_HOST.finditer(source), _MOST_LINKS * 4))
    return list(dict.fromkeys(hosts))[:_MOST_LINKS]


def _words(parsed: Parsed, text: str) -> Iterator[tuple[str, str]]:
    """The subject's words, then the body's. Pairs of them would find little more, and take four times the room."""
    for word in _plain_words(parsed.subject[:1000]):
        yield f"subject:{word}", word
    for word in islice(_plain_words(text[:_LOOKED_AT]), _MOST_WORDS):
        yield word, word


def _plain_words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match[0].casefold().rstrip(".-'’")
        if _SOLID.search(word):
            yield from (run[0][at : at + 2] for run in _SOLID.finditer(word) for at in range(len(run[0]) - 1))
        elif 3 <= len(word) <= _LONGEST_WORD:
            yield word
