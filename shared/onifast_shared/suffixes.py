"""Organizational domains (RFC 7489 section 3.2), by the public suffix list that `publicsuffixlist` brings along."""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


class Suffixes:
    """Where a domain is registered. Names are lower-case A-labels, without a final dot."""

    def __init__(self) -> None:
        self._all = PublicSuffixList()
        self._registries = PublicSuffixList(only_icann=True)

    def organizational(self, domain: str) -> str:
        """The domain that somebody registered: one label more than its public suffix, or the domain itself."""
        return self._all.privatesuffix(domain) or domain

    def registry(self, domain: str) -> str | None:
        """The public suffix of a registry above the domain (RFC 9091's PSD), None for a public suffix itself.

        Suffixes that companies listed for their customers do not count: a record there is about their own mail.
        """
        suffix = self._registries.publicsuffix(domain)
        return None if suffix == domain else suffix


@cache
def suffixes() -> Suffixes:
    """The list, read once: that takes longer than checking a message."""
    return Suffixes()
