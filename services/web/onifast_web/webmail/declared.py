"""What a page module declares: its ROUTES, its entries in the menu (NAV), and the NOTICES about what was just done.

A page whose entries have numbers beside them in the menu has a function NUMBERS too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from onifast_shared.db.database import Connection

from onifast_web.languages.texts import marked

View = Callable[..., Any]


class NavArea(Enum):
    """What the menu shows as one: the mail, or the pages of an area, which an entry beside the mail leads to.

    The value is the key of that entry, and its title.
    """

    MAIL = ("mail", marked("Mail"))
    SETTINGS = ("settings", marked("Settings"))
    ADMINISTRATION = ("administration", marked("Administration"))

    @property
    def key(self) -> str:
        """The key of the entry that leads there."""
        return self.value[0]

    @property
    def title(self) -> str:
        """What the area is called."""
        return self.value[1]


class NavGroup(Enum):
    """A part of the menu of an area, in the menu's order; the value is its area and its heading."""

    MAIL = (NavArea.MAIL, "")
    AREAS = (NavArea.MAIL, marked("More"))
    READING = (NavArea.SETTINGS, marked("Reading"))
    SORTING = (NavArea.SETTINGS, marked("Sorting"))
    WRITING = (NavArea.SETTINGS, marked("Writing"))
    YOUR_MAIL = (NavArea.SETTINGS, marked("Your mail"))
    ADDRESSES = (NavArea.SETTINGS, marked("Addresses"))
    SIGNING_IN = (NavArea.SETTINGS, marked("Signing in"))
    DELIVERY = (NavArea.SETTINGS, marked("Delivery"))
    ADMINISTRATION = (NavArea.ADMINISTRATION, marked("Server"))

    @property
    def area(self) -> NavArea:
        """Where it stands."""
        area: NavArea = self.value[0]
        return area

    @property
    def heading(self) -> str:
        """What stands above it, "" for nothing."""
        heading: str = self.value[1]
        return heading


@dataclass(frozen=True)
class PageRoute:
    """A path and the view that answers there. A view that no entry of NAV leads to has `off_menu` say why."""

    methods: str
    path: str
    view: View
    off_menu: str = ""


@dataclass(frozen=True)
class NavEntry:
    """An entry of the menu, for everybody who may call its view. `key` is what `pages.page` takes as `here`.

    `icon` is a file in templates/icons/; `order` counts within the group; `values` go into the view's URL; `hint` says
    in one sentence what is there, for the page that shows all of an area. The tabs that lie under it are called `tabs`
    together. Where `hides_at_zero`, it shows only with a number or when one is there.
    """

    key: str
    title: str
    view: View
    icon: str
    group: NavGroup
    order: int
    values: Mapping[str, Any] = field(default_factory=dict)
    tabs: str = ""
    hides_at_zero: bool = False
    hint: str = ""


@dataclass(frozen=True)
class NavTab:
    """A page that is reached by a tab of the entry whose key is `under`; its own page is the first tab."""

    key: str
    title: str
    view: View
    under: str
    order: int


@dataclass(frozen=True)
class MenuNumber:
    """The number beside an entry, hidden at 0; one of unread messages stands out."""

    shown: int
    is_unread: bool = False


@dataclass(frozen=True)
class OwnEntry:
    """An entry that a user made themselves: it stands under `heading` below the folders, `depth` steps to the right.

    `full_title` is its name with all that it lies in; `colour` one of `label_names.COLOURS`, or "".
    """

    key: str
    title: str
    full_title: str
    view: View
    icon: str
    heading: str
    values: Mapping[str, Any]
    number: MenuNumber
    depth: int = 0
    colour: str = ""


@dataclass(frozen=True)
class ActNotice:
    """An act on a list: how far it has come, in a hundred, if it is still worked on, and for how long it can be undone.

    Where `seconds` is 0 it cannot be undone any more.
    """

    id: int
    seconds: int
    percent: int | None = None


@dataclass(frozen=True)
class Notice:
    """One sentence about what was just done, or could not be; the time that it ends with; the act that it tells of."""

    text: str
    is_failure: bool = False
    moment: int | None = None
    act: ActNotice | None = None


NoticeMaker = Callable[[int], str | Notice | None]
"""Makes a notice of the number `n` that the redirect gives (0 for none)."""

Notices = Mapping[str, str | Notice | NoticeMaker]
"""By what a redirect to a page says as `did`. Texts are ours: only numbers and names of folders come from the URL."""

Numbers = Callable[[Connection, str, float], Mapping[str, MenuNumber]]
"""The numbers beside a page's entries, by their keys, for a user at a time."""


OwnEntries = Callable[[Connection, str], Sequence[OwnEntry]]
"""A user's own entries of the menu, in their order; a page module has them as OWN_ENTRIES."""


def endpoint(view: View) -> str:
    """The name by which `url_for` knows a view."""
    return f"webmail.{view.__name__}"
