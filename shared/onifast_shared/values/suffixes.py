"""Where domains are registered, by the public suffix list that `publicsuffixlist` brings along."""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


class Suffixes:
    """Where a domain is registered. Names are lower-case A-labels, without a final dot."""

    def __init__(self) -> None:
        self._all = PublicSuffixList()

    def organizational(self, domain: str) -> str:
        """The domain that somebody registered: one label more than its public suffix, or the domain itself."""
        return self._all.privatesuffix(domain) or domain

    def is_public(self, domain: str) -> bool:
        """Whether domains are given away below this name, by a registry or by somebody to customers."""
        return bool(self._all.is_public(domain))


@cache
def suffixes() -> Suffixes:
    """The list, read once: that takes longer than checking a message."""
    return Suffixes()
