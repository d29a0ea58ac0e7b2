"""The menu, the tabs below an entry and the notices, put together from what the page modules declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from types import ModuleType
from typing import NamedTuple, cast

from flask import Flask, current_app, request, url_for
from onifast_shared.db.database import Connection

from onifast_web.access import auth
from onifast_web.access.caller import Caller
from onifast_web.languages.texts import _
from onifast_web.webmail.declared import (
    MenuNumber,
    NavArea,
    NavEntry,
    NavGroup,
    NavTab,
    Notice,
    Notices,
    Numbers,
    OwnEntries,
    OwnEntry,
    endpoint,
)

_NAME = "webmail"  # among the app's extensions


@dataclass(frozen=True)
class PageParts:
    """What all page modules declare, in the order in which it is shown."""

    entries: tuple[NavEntry, ...]
    tabs: tuple[NavTab, ...]
    notices: Notices
    numbers: tuple[Numbers, ...]
    own: tuple[OwnEntries, ...] = ()


class MenuItem(NamedTuple):
    """An entry for one caller on one page."""

    key: str
    title: str
    icon: str
    url: str
    is_here: bool
    number: MenuNumber | None = None
    is_hidden: bool = False
    depth: int = 0
    colour: str = ""
    full_title: str = ""
    is_own: bool = False
    hint: str = ""


class MenuSection(NamedTuple):
    """Entries below a heading, "" for none."""

    heading: str
    items: list[MenuItem]


class Menu(NamedTuple):
    """The menu on one page: its area's sections, after those that lead to the other areas (`ways`).

    `area` is the entry that leads to all pages of the area; None in the mail.
    """

    sections: list[MenuSection]
    ways: list[MenuItem]
    area: MenuItem | None = None


def register(app: Flask, pages: Iterable[ModuleType]) -> None:
    """Puts together what the modules declare, for the pages of this app."""
    app.extensions[_NAME] = collected(pages)


def collected(pages: Iterable[ModuleType]) -> PageParts:
    """The parts of all page modules."""
    modules, groups = list(pages), list(NavGroup)
    declared = [each for module in modules for each in module.NAV]
    entries = [each for each in declared if isinstance(each, NavEntry)]
    tabs = [each for each in declared if isinstance(each, NavTab)]
    notices: dict[str, object] = {}
    for module in modules:
        notices |= module.NOTICES
    return PageParts(
        tuple(sorted(entries, key=lambda each: (groups.index(each.group), each.order))),
        tuple(sorted(tabs, key=lambda each: each.order)),
        cast(Notices, notices),
        tuple(module.NUMBERS for module in modules if hasattr(module, "NUMBERS")),
        tuple(module.OWN_ENTRIES for module in modules if hasattr(module, "OWN_ENTRIES")),
    )


def numbers(tx: Connection, username: str, now: float) -> dict[str, MenuNumber]:
    """The numbers of the menu for a user, by the keys of the entries that have one."""
    found: dict[str, MenuNumber] = {}
    for each in _parts().numbers:
        found |= each(tx, username, now)
    return found


def own_entries(tx: Connection, username: str) -> list[OwnEntry]:
    """The entries of the menu that a user made themselves."""
    return [entry for each in _parts().own for entry in each(tx, username)]


def shown(caller: Caller, here: str, found: Mapping[str, MenuNumber], own: Sequence[OwnEntry] = ()) -> Menu:
    """The menu that a caller sees on the page `here`; in the mail, their own entries stand below the folders."""
    parts = _parts()
    above = next((tab.under for tab in parts.tabs if tab.key == here), here)
    visible = [each for each in parts.entries if auth.may_call(caller, each.view)]
    area = _area(parts, above)
    sections = [
        MenuSection(
            _(group.heading) if group.heading else "", [_item(each, above, found.get(each.key)) for each in entries]
        )
        for group, entries in groupby(visible, key=lambda each: each.group)
        if group.area is area and group is not NavGroup.AREAS
    ]
    ways = [_item(each, above, None) for each in visible if each.group is NavGroup.AREAS]
    if area is NavArea.MAIL:
        sections += [
            MenuSection(heading, [_own_item(each, here) for each in entries])
            for heading, entries in groupby(own, key=lambda each: each.heading)
        ]
        return Menu(sections, ways)
    first = next(each for each in visible if each.group is NavGroup.MAIL)
    mail = _item(first, above, found.get(first.key))._replace(icon="back", title=_("Back to mail"))
    return Menu(sections, [mail, *ways], next((each for each in ways if each.key == area.key), None))


def _area(parts: PageParts, key: str) -> NavArea:
    """The area that the page belongs to whose entry has this key; an entry beside the areas may be no area (Help)."""
    entry = next((each for each in parts.entries if each.key == key), None)
    if entry is not None and entry.group is NavGroup.AREAS:
        return next((each for each in NavArea if each.key == key), NavArea.MAIL)
    return entry.group.area if entry else NavArea.MAIL


def tabs(caller: Caller, here: str) -> MenuSection | None:
    """The tabs of the page `here`, if it has any, under what they are called together."""
    parts = _parts()
    above = next((tab.under for tab in parts.tabs if tab.key == here), here)
    entry = next((each for each in parts.entries if each.key == above), None)
    below = [each for each in parts.tabs if each.under == above and auth.may_call(caller, each.view)]
    if entry is None or not below:
        return None
    items: Sequence[NavEntry | NavTab] = (entry, *below)
    shown_tabs = [MenuItem(each.key, _(each.title), "", _url(each), each.key == here) for each in items]
    return MenuSection(_(entry.tabs) if entry.tabs else "", shown_tabs)


def notice() -> Notice | None:
    """What the redirect to this page says was done."""
    found = _parts().notices.get(request.args.get("did", ""))
    if callable(found):
        made = found(request.args.get("n", 0, type=int))
        return Notice(made) if isinstance(made, str) else made
    if isinstance(found, Notice):
        return replace(found, text=_(found.text))
    return Notice(_(found)) if found else None


def _item(entry: NavEntry, here: str, number: MenuNumber | None) -> MenuItem:
    is_here = entry.key == here
    is_hidden = entry.hides_at_zero and not (is_here or (number and number.shown))
    title, hint = _(entry.title), _(entry.hint) if entry.hint else ""
    return MenuItem(entry.key, title, entry.icon, _url(entry), is_here, number, is_hidden, hint=hint)


def _own_item(entry: OwnEntry, here: str) -> MenuItem:
    return MenuItem(
        entry.key,
        entry.title,
        entry.icon,
        url_for(endpoint(entry.view), **entry.values),
        entry.key == here,
        entry.number,
        depth=entry.depth,
        colour=entry.colour,
        full_title=entry.full_title,
        is_own=True,
    )


def _url(entry: NavEntry | NavTab) -> str:
    return url_for(endpoint(entry.view), **(entry.values if isinstance(entry, NavEntry) else {}))


def _parts() -> PageParts:
    return cast(PageParts, current_app.extensions[_NAME])
