"""Links whose text names another domain than the one that they lead to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from onifast_shared.values.address import AddressError, parse_domain
from onifast_shared.values.suffixes import suffixes

MAX_TEXT = 2000
"""Characters of a link's text that are looked at."""

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL}){{1,10}}"
_NAMED = re.compile(rf"(?:https?://|\bwww\.)(?:[^\s/@]{{0,64}}@)?({_DOMAIN})", re.IGNORECASE)
_WHOLE = re.compile(
    rf"\W{{0,4}}(?:[^\s/@]{{1,64}}@)?({_DOMAIN})\.?(?::\d{{1,5}})?(?:[/?#]\S*)?\W{{0,4}}", re.IGNORECASE
)
_FILES = frozenset(("html", "htm", "pdf", "zip", "md", "py", "sh", "js", "doc", "docx", "txt", "rs"))


@dataclass(frozen=True)
class LyingLink:
    """A link whose text names a domain, and the other one that it leads to; both as they are registered."""

    named: str
    target: str


def lie(text: str, href: str) -> LyingLink | None:
    """What a link says and where it leads, where that is another registered domain; None where it is the same."""
    target = _target(href)
    named = _named(" ".join(text[:MAX_TEXT].split()))
    if not target or not named or _registered(named) == _registered(target):
        return None
    return LyingLink(_registered(named), _registered(target))


def target_of(href: str) -> str:
    """What a link leads to, for people: the whole of it."""
    return href if len(href) <= 500 else href[:500] + "…"


def _target(href: str) -> str:
    if href.lower().startswith("mailto:"):
        return _canonical(unquote(href[7:]).partition("?")[0].rpartition("@")[2])
    try:
        return _canonical(urlsplit(href).hostname or "")
    except ValueError:
        return ""


def _named(text: str) -> str:
    """The domain in a text that names one; "" for none."""
    if found := _NAMED.search(text):
        return _canonical(found[1])
    found = _WHOLE.fullmatch(text)
    if found is None:
        return ""
    domain = _canonical(found[1])
    if not domain or not suffixes().is_public(_suffix(domain)):
        return ""
    # `setup.py` is a file rather than a domain of Paraguay's; who means the domain writes www or https.
    is_file = domain.count(".") == 1 and "@" not in text and domain.rpartition(".")[2] in _FILES
    return "" if is_file else domain


def _suffix(domain: str) -> str:
    return suffixes().organizational(domain).partition(".")[2]


def _registered(domain: str) -> str:
    return suffixes().organizational(domain)


def _canonical(domain: str) -> str:
    try:
        return parse_domain(domain)
    except AddressError:
        return ""
