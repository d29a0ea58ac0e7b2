"""Labels and own folders: the page where they are made and changed."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labels
from onifast_shared.mailboxes.labels import LabelError
from onifast_shared.values.label_names import COLOURS
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import messages
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail import places
from onifast_web.webmail.declared import MenuNumber, NavEntry, NavGroup, Notices, OwnEntry, PageRoute
from onifast_web.webmail.mailbox import labelled
from onifast_web.webmail.pages import page, user

_LONGEST = 1000


@allow(Who.USER)
def labels_page() -> AnyResponse:
    """The labels with their forms."""
    _caller, username = user()
    if request.method == "GET":
        return _page(username)
    do = request.form.get("do", "")
    try:
        return _act(do, username)
    except LabelError as error:
        return _page(username, {error.field: sentence(error)}, request.form.get("id", 0, type=int))


ROUTES = (PageRoute("GET POST", "/labels", labels_page),)
NAV = (
    NavEntry(
        "labels",
        marked("Labels and folders"),
        labels_page,
        icon="label",
        group=NavGroup.SORTING,
        order=10,
        hint=marked("What you sort your mail by: names, colours, and what lies in what."),
    ),
)
NOTICES: Notices = {
    "label-made": marked("Made. Select messages, and put them there."),
    "label-changed": marked("Changed."),
    "label-deleted": marked("Deleted. Its messages are where they were; those of a folder are in Archive."),
}


def _own_entries(tx: Connection, username: str) -> Sequence[OwnEntry]:
    """The user's own folders and labels, for the menu."""
    return [
        OwnEntry(
            key=places.here_of(each),
            title=each.leaf,
            full_title=each.name,
            view=labelled,
            icon=places.icon_of(each),
            heading=_("Folders") if each.is_folder else _("Labels"),
            values={"label_id": each.id},
            number=MenuNumber(each.unread, is_unread=True),
            depth=each.depth,
            colour=each.colour,
        )
        for each in sorted(labels.list_all(tx, username), key=lambda each: not each.is_folder)
    ]


OWN_ENTRIES = _own_entries


def _act(do: str, username: str) -> AnyResponse:
    web, form = current(), request.form
    name, colour = form.get("name", "")[:_LONGEST], form.get("colour", "")
    if do == "create":
        is_folder = form.get("kind") == "folder"
        web.database.write(
            lambda tx: labels.create(tx, username, name, colour=colour, is_folder=is_folder, now=web.clock())
        )
        return _back("label-made")
    label_id = form.get("id", 0, type=int)
    label = web.database.read(lambda tx: messages.label_of(tx, username, label_id))
    if do == "delete":
        messages.delete_label(web, label)
        return _back("label-deleted")
    if do != "change":
        raise Problem(400, _("That action is not known."))

    def change(tx: Connection) -> None:
        labels.set_colour(tx, label, colour)
        labels.rename(tx, label, name, web.clock())

    web.database.write(change)
    return _back("label-changed")


def _back(did: str) -> AnyResponse:
    return redirect(url_for("webmail.labels_page", did=did), 303)


def _page(username: str, errors: dict[str, str] | None = None, changed: int = 0) -> Response:
    found = current().database.read(lambda tx: labels.list_all(tx, username))
    return page(
        "labels.html",
        "labels",
        422 if errors else 200,
        labels=found,
        colours=COLOURS,
        errors=errors or {},
        changed=changed,
        form=request.form if errors else {},
    )
