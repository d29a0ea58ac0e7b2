"""What code writes people's texts with: `_("Saved.")`, and its like, in the language of the request.

Texts are found by these names (`make translations`), so they are written in place, whole, with `%(name)s` for what is
put in; a per cent sign is `%%`. A text that stands where no request is, in a table of a module, is `marked("Saved.")`.
"""

from __future__ import annotations

from typing import Any

from markupsafe import escape

from onifast_web.languages.current import catalogue


def gettext(message: str, /, **values: Any) -> str:
    """The text in the language of the request."""
    found = catalogue().text(message)
    return found % values if values or "%" in found else found


def ngettext(one: str, many: str, n: int, /, **values: Any) -> str:
    """The text for `n` things, which is `%(n)s` in it."""
    return catalogue().counted(one, many, n) % ({"n": n} | values)


def pgettext(context: str, message: str, /, **values: Any) -> str:
    """The text where its context tells it from another that is written the same way in English."""
    found = catalogue().text_in(context, message)
    return found % values if values or "%" in found else found


class Marked(str):
    """A text of a table, which is English to the program, and in the reader's language wherever it is shown."""

    __slots__ = ()

    def __str__(self) -> str:
        return catalogue().text(str.__str__(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __html__(self) -> str:
        return str(escape(str(self)))


def marked(message: str) -> Marked:
    """A text for the catalogue to know of, where no request is: it is looked up when it is shown."""
    return Marked(message)


_ = gettext
