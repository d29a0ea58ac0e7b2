"""What a mailing list says of itself in its messages (RFC 2369)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from onifast_shared.values.address import Address, AddressError

_LOOKED_AT = 4096  # characters of the field
# Comments are passed over, whatever they hold. One that is never closed, or holds another one, is text between URLs.
_PIECE = re.compile(r"\((?:[^()\\]|\\.)*\)|<([^<>]*)>")
_LIST_ID = re.compile(r"<\s*([^<>\s@]{1,255})\s*>\s*$")
_ONE_CLICK = re.compile(r"\s*List-Unsubscribe\s*=\s*One-Click\s*", re.IGNORECASE)
_SIGNED = frozenset(("list-unsubscribe", "list-unsubscribe-post"))
_LONGEST_URL = 2000
_LONGEST_TEXT = 1000  # of what a mailto URL wants to be said
_NO = re.compile(r"NO(?![A-Za-z])", re.IGNORECASE)


def posting_address(list_post: str) -> Address | None:
    """Where messages to a list go, by its List-Post field (section 3.4); None where it takes none, or not by mail.

    The URLs stand in order of preference (section 2). One that names several addresses names none.
    """
    text = list_post[:_LOOKED_AT]
    if _NO.match(_PIECE.sub(" ", text).strip()):
        return None
    found = (_address("".join(match[1].split())) for match in _PIECE.finditer(text) if match[1])
    return next(filter(None, found), None)


def _address(url: str) -> Address | None:
    scheme, colon, rest = url.partition(":")
    if not colon or scheme.lower() != "mailto":
        return None
    try:
        return Address.parse(unquote(rest.partition("?")[0], errors="strict"))
    except (AddressError, UnicodeDecodeError):
        return None


def list_id(field: str) -> str:
    """The id in a List-Id field (RFC 2919), in lower case; "" where it has none."""
    found = _LIST_ID.search(field[:_LOOKED_AT])
    return found[1].lower() if found else ""


@dataclass(frozen=True)
class UnsubscribeMail:
    """A message that takes its sender off a list (RFC 6068)."""

    to: Address
    subject: str
    text: str


@dataclass(frozen=True)
class UnsubscribeWays:
    """The ways off a list that its messages name: "" and None for those that they do not.

    `one_click` takes a POST (RFC 8058); `page` is for people.
    """

    one_click: str = ""
    mail: UnsubscribeMail | None = None
    page: str = ""


def unsubscribe_ways(unsubscribe: Collection[str], post: Collection[str], *, is_signed: bool) -> UnsubscribeWays:
    """The ways off a list, by its List-Unsubscribe (RFC 2369 section 3.2) and List-Unsubscribe-Post fields.

    `is_signed` says that a signature that holds covers both: without one nothing is posted (RFC 8058 section 4), since
    the URL may be anybody's.
    """
    if len(unsubscribe) != 1:
        return UnsubscribeWays()
    text = next(iter(unsubscribe))[:_LOOKED_AT]
    urls = ["".join(match[1].split()) for match in _PIECE.finditer(text) if match[1]]
    pages = [url for url in urls if _is_web(url)]
    secure = next((url for url in pages if url.lower().startswith("https:")), "")
    posts = len(post) == 1 and _ONE_CLICK.fullmatch(next(iter(post))) is not None
    return UnsubscribeWays(
        secure if posts and is_signed else "",
        next(filter(None, map(_mail, urls)), None),
        secure or next(iter(pages), ""),
    )


def are_covered(signatures: Collection[str], passed: Collection[str]) -> bool:
    """Whether a signature that holds covers the two fields of RFC 8058, given the DKIM-Signature fields of a message.

    `passed` are the domains of those that hold, in lower case. Which of several of one domain that is nobody told us,
    so that each of them must cover both: anybody may put another one beside a good one.
    """
    covering: dict[str, bool] = {}
    for each in signatures:
        tags = _tags(each)
        domain = tags.get("d", "").lower()
        covers = frozenset(tags.get("h", "").lower().split(":")) >= _SIGNED
        covering[domain] = covers and covering.get(domain, True)
    return any(covers and domain in passed for domain, covers in covering.items())


def _tags(signature: str) -> dict[str, str]:
    """The tags of a DKIM-Signature field (RFC 6376 section 3.2), without white space."""
    pairs = (tag.partition("=") for tag in signature[:_LOOKED_AT].split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, equals, value in pairs if equals}


def _is_web(url: str) -> bool:
    try:
        return len(url) <= _LONGEST_URL and url.isprintable() and bool(_web_host(url))
    except ValueError:
        return False


def _web_host(url: str) -> str | None:
    parts = urlsplit(url)
    return parts.hostname if parts.scheme.lower() in ("http", "https") and not parts.username else None


def _mail(url: str) -> UnsubscribeMail | None:
    address = _address(url)
    if address is None or len(url) > _LONGEST_URL:
        return None
    fields = {name.lower(): values[0] for name, values in parse_qs(url.partition("?")[2]).items()}
    subject = " ".join(fields.get("subject", "").split())[:_LONGEST_TEXT]
    return UnsubscribeMail(address, subject or "unsubscribe", fields.get("body", "")[:_LONGEST_TEXT] or "unsubscribe")
