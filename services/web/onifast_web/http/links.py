"""Links to our own pages, put together once: a page has a hundred, most of them the same each time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask import Flask, request

from onifast_web.http.lazy_rules import LazyRule

MOST_KEPT = 2000  # a few hundred kilobytes; the fifty messages of a list are among them

_OPTIONS = ("_anchor", "_method", "_scheme", "_external")


class LinkingFlask(Flask):
    """Flask, but that links below one prefix are remembered."""

    url_rule_class = LazyRule

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._made = lru_cache(MOST_KEPT)(self._make)

    def url_for(self, /, endpoint: str, **values: Any) -> str:
        """The link to a view, as Flask makes it."""
        for option in _OPTIONS:  # flask.url_for hands all of them on, None or not
            if values.get(option, "") is None:
                del values[option]
        if any(name[0] == "_" for name in values):  # absolute, or with an anchor
            return super().url_for(endpoint, **values)
        # 1 and True are one key of a dictionary, and two in a link.
        named = tuple([(name, value, type(value)) for name, value in values.items()])
        try:
            return self._made(request.script_root, endpoint, named)
        except TypeError:  # a list of values cannot be a key
            return super().url_for(endpoint, **values)

    def _make(self, _prefix: str, endpoint: str, named: tuple[tuple[str, Any, type], ...]) -> str:
        return super().url_for(endpoint, **{name: value for name, value, _ in named})
