"""Images: the senders whose remote images the user wants to see always."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.mailboxes import image_senders as store
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading import bodies
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.opened import open_message
from onifast_web.webmail.pages import page, user


@allow(Who.USER)
def image_senders() -> AnyResponse:
    """The list, and what takes one off it."""
    web, (_caller, username) = current(), user()
    if request.method == "GET":
        return _page(username)
    address = request.form.get("address", "")
    if not web.database.write(lambda tx: store.remove(tx, username, address)):
        raise not_found("sender")
    return redirect(url_for("webmail.image_senders", did="image-sender-removed", q=wanted() or None), 303)


@allow(Who.USER)
def always_show_images(email_id: int) -> AnyResponse:
    """Shows the images of a message's author from now on."""
    web, (_caller, username) = current(), user()
    opened = open_message(username, email_id)
    author = bodies.proven_author(opened.row.authentication, opened.parsed)
    if author is None:
        raise Problem(409, _("It could not be verified who this message is from, so its sender cannot be allowed."))
    web.database.write(lambda tx: store.add(tx, username, author, web.clock()))
    return redirect(url_for("webmail.message", email_id=email_id, did="image-sender-added"), 303)


ROUTES = (
    PageRoute("GET POST", "/image-senders", image_senders),
    PageRoute(
        "POST", "/messages/<int:email_id>/always-show-images", always_show_images, off_menu="a message’s page asks it"
    ),
)
NAV = (
    NavEntry(
        "image-senders",
        marked("Images"),
        image_senders,
        icon="image",
        group=NavGroup.READING,
        order=20,
        hint=marked("Whose images are shown without asking."),
    ),
)
NOTICES: Notices = {
    "image-sender-added": marked(
        "Images from this sender are always shown from now on. Settings, Images has the list."
    ),
    "image-sender-removed": marked("Removed. You are asked again before images from this sender are shown."),
}


def _page(username: str) -> Response:
    rows = current().database.read(lambda tx: store.list_all(tx, username))
    found = shown(rows, lambda row: f"{row.address} {in_script(row.address)}")
    return page("image_senders.html", "image-senders", rows=found.rows, found=found)
