"""Storage: what takes the room in a mailbox, the largest messages, and what can be cleared away."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.acts import steps
from onifast_shared.acts.journal import AskedAct, ListAct
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import storage as store
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.recipients import quotas
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem
from onifast_web.webmail import acts
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_SHOWN = 50


@allow(Who.USER)
def storage() -> AnyResponse:
    """What takes the room, and buttons that make some."""
    _caller, username = user()
    if request.method == "POST":
        return _cleared(username)
    web = current()
    use, largest, quota = web.database.read(
        lambda tx: (
            store.use(tx, username),
            store.largest(tx, username, _SHOWN),
            quotas.of(tx, "owner", username, web.settings),
        )
    )
    return _shown(use, largest, quota)


def _cleared(username: str) -> AnyResponse:
    """Moves the chosen messages to trash, or empties trash or junk: acts like any other, which can be undone."""
    web, do, ids, now = current(), request.form.get("do", ""), acts.selected_ids(), current().clock()
    if do not in ("trash", "empty:trash", "empty:junk"):
        raise Problem(400, "That action is not known.")

    def act(tx: Connection) -> ListAct:
        if do == "trash":
            return steps.act(tx, AskedAct(username, "move", "trash", "inbox"), ids, now)
        folder = do.partition(":")[2]
        return steps.act_on_all(tx, AskedAct(username, "delete", "", folder), ListScope(folder=folder), now)

    if ids or do != "trash":
        done = acts.worked_on(web.database.write(act))
        if done.id:
            return redirect(url_for("webmail.storage", did="act", act=done.id), 303)
    return redirect(url_for("webmail.storage"), 303)


def _shown(use: store.StorageUse, largest: list[EmailRow], quota: quotas.Quota) -> Response:
    return page(
        "storage.html",
        "storage",
        use=use,
        largest=largest,
        own_quota=quota,
        most=max((each.octets for each in use.folders.values()), default=0),
    )


ROUTES = (PageRoute("GET POST", "/storage", storage),)
NAV = (
    NavEntry(
        "storage",
        "Storage",
        storage,
        icon="storage",
        group=NavGroup.YOUR_MAIL,
        order=20,
        hint="What takes the room in your mailbox, and the largest messages.",
    ),
)
NOTICES: Notices = {}
