"""Whether DNS shows a key's record, and in words what is wrong with what it shows (RFC 6376 section 3.6)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onifast_shared.dkim.keys import DnsRecord
from onifast_shared.machine import dns

_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEY_LIKE = re.compile(r"\b(v\s*=\s*DKIM|p\s*=)", re.IGNORECASE)
_SHOWN = 60  # characters of a record that a sentence quotes


class BadTags(ValueError):
    """A record is no list of tags. The text says where."""


@dataclass(frozen=True)
class RecordCheck:
    """What DNS says of one key: `published` is None where it gave no answer. `problem` is a sentence, or ''.

    A record that is right may still have a problem worth knowing: that it is marked as a test.
    """

    published: bool | None
    problem: str = ""


def compare(record: DnsRecord, found: Sequence[bytes]) -> RecordCheck:
    """What the TXT records at a key's name are worth for verifying its signatures."""
    texts = [text.decode("utf-8", "replace") for text in found]
    likely = [text for text in texts if _KEY_LIKE.search(text)]
    if not texts:
        return RecordCheck(False, f"There is no TXT record at {record.name}.")
    if _is_split(record.value, texts):
        return RecordCheck(
            False,
            f"The value is divided among {len(texts)} records at {record.name}:"
            " publish one record, as one text or as several strings.",
        )
    if not likely:
        return RecordCheck(False, f"The TXT record at {record.name} is no DKIM key: {_quoted(texts[0])}.")
    if len(likely) > 1:
        return RecordCheck(
            False,
            f"There are {len(likely)} DKIM records at {record.name}, and a verifier may read any of them:"
            " leave only the one that is shown here.",
        )
    return _compare_one(record.value, likely[0])


def _is_split(expected: str, texts: Sequence[str]) -> bool:
    """Whether each string of a long record was published as a record of its own; DNS keeps no order among them."""
    if not 1 < len(texts) < 4:
        return False
    wanted = "".join(expected.split())
    return any("".join("".join(order).split()) == wanted for order in itertools.permutations(texts))


def _compare_one(expected: str, text: str) -> RecordCheck:
    try:
        tags = parse_tags(text)
    except BadTags as error:
        return RecordCheck(False, _pasted_wrongly(expected, text) or f"The record cannot be read: {error}.")
    wanted = parse_tags(expected)
    problem = _wrong_form(tags, text) or _wrong_key(tags, wanted, expected, text)
    if problem:
        return RecordCheck(False, problem)
    if "y" in _words(tags.get("t", "")):
        return RecordCheck(
            True, "The record is marked as a test (t=y): verifiers may ignore the signatures. Remove t=y."
        )
    return RecordCheck(True)


def parse_tags(text: str) -> dict[str, str]:
    """The tags of a record (RFC 6376 section 3.2); raises BadTags."""
    tags: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not _TAG_NAME.fullmatch(name):
            raise BadTags(f"{_quoted(part.strip())} is no tag of the form name=value")
        if name in tags:
            raise BadTags(f"the tag {name}= stands there twice")
        tags[name] = value.strip()
    return tags


def _wrong_form(tags: Mapping[str, str], text: str) -> str:
    if "v" in tags and tags["v"] != "DKIM1":
        return f"The record's version is {_quoted(tags['v'])}; it has to be v=DKIM1."
    if "v" in tags and next(iter(tags)) != "v":
        return "The record has v=DKIM1 in the wrong place: it has to come first."
    if "p" not in tags:
        return f"The record holds no key: the tag p= is missing in {_quoted(text)}."
    if not tags["p"]:
        return "The record revokes the key: its p= is empty."
    if "h" in tags and "sha256" not in _words(tags["h"]):
        return f"The record allows only the hash {tags['h']}; signatures use sha256. Remove h=."
    if "s" in tags and not {"*", "email"} & set(_words(tags["s"])):
        return f"The record is not for mail (s={tags['s']}). Remove s=."
    return ""


def _wrong_key(tags: Mapping[str, str], wanted: Mapping[str, str], expected: str, text: str) -> str:
    kind, wanted_kind = tags.get("k", "rsa"), wanted.get("k", "rsa")
    if kind != wanted_kind:
        return f"The record says that the key is {kind} (k=); it is {wanted_kind}."
    key, wanted_key = "".join(tags["p"].split()), wanted["p"]
    if key == wanted_key:
        return ""
    if pasted := _pasted_wrongly(expected, text):
        return pasted
    if wanted_key.startswith(key):
        return f"The record ends too early, after {len(key)} of the key's {len(wanted_key)} characters."
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        return "The record's key (p=) is no valid base64: something was changed or lost in copying."
    return "The record holds another key than the one here."


def _pasted_wrongly(expected: str, text: str) -> str:
    """Where the strings of a long record were pasted with their quotation marks, or the whole zone line was."""
    if not any(mark in text for mark in '"\\()'):
        return ""
    bare = re.sub(r'[\s"\\()]', "", text)
    if re.sub(r"\s", "", expected) not in bare:
        return ""
    return "The record holds quotation marks: paste the value without them, or each part as a string of its own."


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(":")]


def _quoted(text: str) -> str:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return "“" + "".join(letter if letter.isprintable() else "?" for letter in shown) + "”"


async def look(resolver: dns.Resolver, record: DnsRecord, timeout: float) -> RecordCheck:
    """Asks DNS for one record; `timeout` in seconds."""
    try:
        async with asyncio.timeout(timeout):
            found = await resolver.txt(record.name)
    except (dns.NoSuchDomain, dns.NoData):
        found = []
    except (dns.Temporary, TimeoutError):
        return RecordCheck(None, f"DNS gave no answer about {record.name}.")
    return compare(record, found)


async def look_at_all(settings: dns.DNSSettings, records: Iterable[DnsRecord]) -> dict[str, RecordCheck]:
    """Asks DNS for several records at once; the answers by the records' names.

    With a resolver of its own: whoever asks may have just changed a record, and a cache would deny it.
    """
    wanted = list({record.name: record for record in records}.values())
    resolver = dns.resolver(settings)
    found = await asyncio.gather(*(look(resolver, record, settings.dns_timeout) for record in wanted))
    return {record.name: check for record, check in zip(wanted, found, strict=True)}


def look_now(settings: dns.DNSSettings, records: Iterable[DnsRecord]) -> dict[str, RecordCheck]:
    """`look_at_all` for threads without an event loop."""
    return asyncio.run(look_at_all(settings, records))
