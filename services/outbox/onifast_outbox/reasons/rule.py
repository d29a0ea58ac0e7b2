"""A known answer: how it is recognised, and the sentence for it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """`because` and `advice` may name {who}, {server}, {mechanism}, {domain}, {list}, {removal} and {page}.

    `provider`: only this provider's answers count. `says_wait`: the advice itself tells what a wait will bring.
    """

    kind: str
    pattern: re.Pattern[str]
    because: str
    advice: str
    provider: str = ""
    says_wait: bool = False

    def match(self, answer: str, provider: str) -> re.Match[str] | None:
        """The match in an answer on one line: code, enhanced code, text."""
        if self.provider and self.provider != provider:
            return None
        return self.pattern.search(answer)


def rule(kind: str, pattern: str, because: str, advice: str, *, provider: str = "", says_wait: bool = False) -> Rule:
    """A rule; the case of letters does not count in its pattern."""
    return Rule(kind, re.compile(pattern, re.IGNORECASE), because, advice, provider, says_wait)
