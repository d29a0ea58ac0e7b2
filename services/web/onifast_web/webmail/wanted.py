"""What a list's address asks for, and the address of the same list again."""

from __future__ import annotations

from collections.abc import Mapping

from onifast_shared.mailboxes.team_marks import TEAM_KINDS, TeamFilter

from onifast_web.actions.searching import WantedListing
from onifast_web.webmail import places
from onifast_web.webmail.places import ListPlace

PAGE = 50
"""Rows of one page."""

_LONGEST_QUERY = 200
_LONGEST_ADDRESS = 320
_PARTS = ("q", "in", "sort", "address", "team", "cursor")
TEAM_FOLDERS = ("inbox", "archive")
"""Where members of a shared mailbox choose by their marks: what others sent."""


def list_query(asked: Mapping[str, str]) -> dict[str, str | None]:
    """What makes the same page of a list: its search, order, address and cursor, for `places.url`."""
    return {name: asked.get(name) or None for name in _PARTS}


def wanted_of(
    place: ListPlace, asked: Mapping[str, str], *, by_conversation: bool = False, member: str | None = None
) -> WantedListing:
    """What the page's address, or its form, asks for; `in` and `sort` say something about a search alone, and `team`
    about a plain list of the shared mailbox that `member` has opened.
    """
    text = asked.get("q", "").strip()[:_LONGEST_QUERY]
    everywhere = bool(text) and asked.get("in") == "all"
    address = asked.get("address", "").strip()[:_LONGEST_ADDRESS] or None
    return WantedListing(
        folder=None if everywhere else place.folder,
        text=text,
        label=None if everywhere else place.label,
        starred=not everywhere and place.key == places.STARRED,
        snoozed=place.key == places.SNOOZED,
        address=address,
        by_rank=bool(text) and asked.get("sort") == "rank",
        limit=PAGE,
        cursor=asked.get("cursor") or None,
        # What was found are messages, and a draft is opened by itself.
        by_conversation=by_conversation and not text and place.folder != "drafts" and place.key != places.SNOOZED,
        team=None if text or address or place.folder not in TEAM_FOLDERS else _team(asked.get("team", ""), member),
    )


def _team(kind: str, member: str | None) -> TeamFilter | None:
    for each in TEAM_KINDS:
        if kind == each and member is not None:
            return TeamFilter(each, member)
    return None
