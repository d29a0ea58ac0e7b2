"""Light and dark: on what page a message is shown, by whether it has colours of its own."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_web.languages.texts import _
from onifast_web.reading.safe_html import SafeHtml

FOLLOWS = "follows"
"""It has no colours: it gets those of the reader's theme."""

PAPER = "paper"
"""Its colours were chosen for white paper, which it gets whatever the theme is."""

ADAPTS = "adapts"
"""It has rules for dark pages: they hold, on a page as the message's own words say."""

ADAPTS_WHOLE = "adapts whole"
"""The same, and it says that it is made for a dark page beside a light one."""

INVERTED = "paper inverted"
"""Paper, with its light and dark exchanged and its images left alone, because the reader wants that."""


@dataclass(frozen=True)
class OtherLook:
    """A look that the reader can choose: its `theme` in the page's address, None for the one that fits."""

    title: str
    theme: str | None


def of(safe: SafeHtml, theme: str | None) -> str:
    """How a message is shown to who wants a `theme`, "light" or "dark", or None: as it fits."""
    if theme == "light":
        return PAPER
    if not safe.coloured and not safe.adapts:
        return FOLLOWS
    if safe.adapts:
        return ADAPTS_WHOLE if "dark" in safe.schemes else ADAPTS
    return INVERTED if theme == "dark" else PAPER


def other(safe: SafeHtml, theme: str | None) -> OtherLook | None:
    """What readers with a dark theme can choose instead."""
    if theme is not None:
        return OtherLook(_("Show as it was made") if theme == "dark" else _("Show on a dark page"), None)
    if safe.adapts:
        return OtherLook(_("Show on a light page"), "light")
    return OtherLook(_("Show with dark colours"), "dark") if safe.coloured else None
