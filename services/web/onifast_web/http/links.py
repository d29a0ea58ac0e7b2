"""Links to our own pages, put together once: a page has a hundred, most of them the same each time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from flask import Flask, current_app, request

from onifast_web.http.lazy_rules import LazyRule
from onifast_web.languages.compiling import OutputEnvironment

_ANY_NUMBER = 10**17 + 1  # no other part of a link has it
MOST_KEPT = 2000  # a few hundred kilobytes; the fifty messages of a list are among them

_OPTIONS = ("_anchor", "_method", "_scheme", "_external")


class LinkingFlask(Flask):
    """Flask, but that links below one prefix are remembered."""

    url_rule_class = LazyRule
    jinja_environment = OutputEnvironment  # type: ignore[assignment]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._made = lru_cache(MOST_KEPT)(self._make)
        self.around_number = lru_cache(MOST_KEPT)(self._make_around)
        """What stands before and after a number in links below a prefix; see `numbered`."""

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

    def _make_around(
        self, _prefix: str, endpoint: str, name: str, values: tuple[tuple[str, Any], ...]
    ) -> tuple[str, str]:
        given: dict[str, Any] = {**dict(values), name: _ANY_NUMBER}
        before, _, after = super().url_for(endpoint, **given).partition(str(_ANY_NUMBER))
        return before, after


def numbered(endpoint: str, name: str, number: int, **values: Any) -> str:
    """`url_for` where one value is the number of a message or the like, and the rest is the same for a whole list."""
    app = cast(LinkingFlask, current_app)
    before, after = app.around_number(request.script_root, endpoint, name, tuple(values.items()))
    return f"{before}{number}{after}"
