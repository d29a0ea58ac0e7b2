"""One language: its gettext catalogue, read once, and which way its script runs."""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup

from onifast_web.languages import pseudo

CATALOGUES = Path(__file__).parent / "catalogues"
"""One `LANGUAGE.po` for each language, and the `LANGUAGE.mo` that is compiled from it as the project is installed."""

SOURCE = "en"
"""The language that texts are written in where they stand."""

_RIGHT_TO_LEFT = {"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}
_CONTEXT = "\x04"  # between context and text, as .mo files have it
_NAMES = {"en": "English", "de": "Deutsch"}


class Catalogue:
    """The texts of one language. Texts without a translation stay as they are.

    What templates show is kept as Markup, made once: texts are ours, and what is put into them is escaped.
    """

    def __init__(self, tag: str, found: gettext.NullTranslations, change: Callable[[str], str] | None = None) -> None:
        self.tag = tag
        self.direction = "rtl" if tag.split("-", maxsplit=1)[0] in _RIGHT_TO_LEFT else "ltr"
        self._found = found
        self._change = change
        self._texts: dict[str, str] = {}
        self._markup: dict[str, Markup] = {}

    @property
    def name(self) -> str:
        """What the language calls itself."""
        return _NAMES.get(self.tag) or str(self._found.info().get("x-language-name", self.tag))

    @property
    def plural_rule(self) -> str:
        """Which form a number takes, as the C expression in the catalogue's header."""
        header = str(self._found.info().get("plural-forms", ""))
        match = re.search(r"plural\s*=\s*([n0-9\s!=<>&|?:%()]+)", header)
        return match[1].strip() if match else "n != 1"

    def text(self, message: str) -> str:
        """The text for one that is written in the source."""
        known = self._texts.get(message)
        if known is None:
            message = "".join(message)  # no `Marked`, which would be looked up for ever
            known = self._found.gettext(message)
            known = self._texts[message] = self._change(known) if self._change else known
        return known

    def text_in(self, context: str, message: str) -> str:
        """The same, where a context tells it from others that are written the same way."""
        key = context + _CONTEXT + message
        known = self._texts.get(key)
        if known is None:
            known = self._found.pgettext(context, message)
            known = self._texts[key] = self._change(known) if self._change else known
        return known

    def counted(self, one: str, many: str, number: int) -> str:
        """The form for a number of things."""
        found = self._found.ngettext(one, many, number)
        return self._change(found) if self._change else found

    def markup(self, message: str) -> Markup:
        """The text for a template."""
        known = self._markup.get(message)
        if known is None:
            known = self._markup[message] = Markup(self.text(message))  # noqa: S704 - texts are ours
        return known

    @property
    def is_source(self) -> bool:
        """Whether it is the language that texts are written in."""
        return self.tag == SOURCE

    def messages(self) -> list[str]:
        """Every text that there is a translation of, but for those with plural forms."""
        known = getattr(self._found, "_catalog", {})
        return [key for key in known if isinstance(key, str) and key and _CONTEXT not in key]

    def has(self, message: str) -> bool:
        """Whether it is another text here than in the source."""
        return self.text(message) != message


@lru_cache(maxsize=16)
def load(tag: str) -> Catalogue:
    """The catalogue of a language that there is (`known`, or a pseudo language)."""
    if tag in pseudo.LANGUAGES:
        return Catalogue(tag, gettext.NullTranslations(), pseudo.LANGUAGES[tag])
    if tag == SOURCE:
        return Catalogue(tag, gettext.NullTranslations())
    with (CATALOGUES / f"{tag}.mo").open("rb") as file:
        return Catalogue(tag, gettext.GNUTranslations(file))


@lru_cache(maxsize=1)
def known() -> tuple[str, ...]:
    """The languages that there are, by BCP 47: the source's, and each that a catalogue was compiled for."""
    return (SOURCE, *sorted(file.stem for file in CATALOGUES.glob("*.mo")))
