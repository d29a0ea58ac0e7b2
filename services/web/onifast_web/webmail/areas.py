"""Settings and Administration: the pages that show all of an area, as its menu has them."""

from __future__ import annotations

from flask import Response

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.languages.texts import marked
from onifast_web.webmail.declared import NavArea, NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page


@allow(Who.USER)
def settings() -> Response:
    """What a user can set for themselves."""
    return _all_of(NavArea.SETTINGS)


@allow(Who.ADMINISTRATOR)
def administration() -> Response:
    """What administrators decide for the whole server."""
    return _all_of(NavArea.ADMINISTRATION)


ROUTES = (
    PageRoute("GET", "/settings", settings),
    PageRoute("GET", "/administration", administration),
)
NAV = (
    NavEntry("settings", marked("Settings"), settings, icon="settings", group=NavGroup.AREAS, order=10),
    NavEntry("administration", marked("Administration"), administration, icon="admin", group=NavGroup.AREAS, order=20),
)
NOTICES: Notices = {}


def _all_of(area: NavArea) -> Response:
    return page("area.html", area.key, title=area.title)
