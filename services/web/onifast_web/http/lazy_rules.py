"""Routing rules that are compiled for links when the first link is made by them, and not all of them at the start.

werkzeug compiles two functions for each rule as it is added, which was half of what making the application took; the
rules of the API, most of all, link nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


class LazyRule(Rule):
    """A rule of werkzeug's; `compile` asks it for two builders, each of which is now made at its first call."""

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        compiled: Builder | None = None

        def build(rule: LazyRule, **values: Any) -> tuple[str, str]:
            nonlocal compiled
            if compiled is None:
                compiled = Rule._compile_builder(rule, append_unknown)
            return compiled(rule, **values)

        return build
