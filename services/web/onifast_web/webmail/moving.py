"""Import and export: mail brought along from elsewhere, and taken there, in the background."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.mailboxes import labels
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.moving import jobs
from onifast_shared.moving.imap import PORT
from onifast_shared.moving.jobs import MovingJob
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import moving as actions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_LONGEST = 1000


@allow(Who.USER)
def moving() -> AnyResponse:
    """The forms, and what is under way or done."""
    _caller, username = user()
    if request.method == "GET":
        return _page(username)
    do = request.form.get("do", "")
    try:
        _do(username, do)
    except Problem as problem:
        if problem.status not in (409, 413, 422, 507):
            raise
        said = str(problem.errors[0]["message"]) if problem.errors else problem.detail
        return _page(username, sentence(said), do)
    return redirect(url_for("webmail.moving", did=f"moving-{do}"), 303)


@allow(Who.USER)
def moving_report(job_id: int) -> Response:
    """What an import passed over, and why."""
    _caller, username = user()
    job = actions.of(current(), username, job_id)
    return page("moving_report.html", "moving", job=job, lines=actions.report(current(), username, job_id))


@allow(Who.USER)
def exported_file(job_id: int) -> Response:
    """The file of an export that is done."""
    _caller, username = user()
    return actions.file(current(), username, job_id)


ROUTES = (
    PageRoute("GET POST", "/moving", moving),
    PageRoute(
        "GET", "/moving/<int:job_id>", moving_report, off_menu="an import that passed something over leads there"
    ),
    PageRoute("GET", "/moving/<int:job_id>/file", exported_file, off_menu="an export that is done leads there"),
)
NAV = (
    NavEntry(
        "moving",
        "Import and export",
        moving,
        icon="moving",
        group=NavGroup.YOUR_MAIL,
        order=10,
        hint="Bring mail along from a file or another account, and take yours with you.",
    ),
)
NOTICES: Notices = {
    "moving-import": "The import has begun. It goes on by itself; you can close this page.",
    "moving-account": "The import has begun. It goes on by itself; you can close this page.",
    "moving-export": "The export has begun. Its file appears below.",
    "moving-cancel": "Cancelled. What has come in stays.",
    "moving-continue": "It goes on.",
    "moving-remove": "Removed from the list.",
}


def _do(username: str, do: str) -> None:
    """Does what a form's button says; raises Problem."""
    web, form = current(), request.form
    match do:
        case "import":
            _take_upload(username, form.get("into", ""))
        case "account":
            where = {"host": form.get("host", ""), "port": _port(form.get("port", "")), "user": form.get("user", "")}
            actions.begin_account(web, username, where, form.get("password", "")[:_LONGEST], form.get("into", ""))
        case "export":
            _begin_export(username)
        case "cancel" | "continue" | "remove":
            actions.act(web, username, form.get("id", 0, type=int), do)
        case _:
            raise Problem(400, "That action is not known.")


def _take_upload(username: str, into: str) -> None:
    """A file that came with the form, from a browser without scripts."""
    found = request.files.get("file")
    if found is None or not found.filename:
        raise Problem(422, _("Choose a file first."))
    size = found.stream.seek(0, 2)
    found.stream.seek(0)
    if not size:
        raise Problem(422, _("The file is empty."))
    job, offset = actions.begin_upload(current(), username, found.filename, size, into), 0
    while piece := found.stream.read(actions.PIECE):
        actions.take_piece(current(), username, job.id, offset, piece)
        offset += len(piece)


def _begin_export(username: str) -> None:
    kind, _sep, target = request.form.get("what", "").partition(":")
    folder = target if kind == "folder" and target in FOLDERS else None
    label_id = int(target) if kind == "label" and target.isdigit() and len(target) < 19 else None
    text = request.form.get("q", "")[:_LONGEST] if kind == "search" else ""
    if kind == "search" and not text.strip():
        raise Problem(422, _("Say what to search for."))
    form = request.form.get("format", "mbox")
    if form not in ("mbox", "maildir", "eml"):
        raise Problem(400, "That format is not known.")
    web = current()
    scope = web.database.read(lambda tx: actions.scope(tx, username, folder, label_id, text))
    label = web.database.read(lambda tx: labels.get(tx, username, label_id)) if label_id else None
    title = label.name if label else folder or text or "mail"
    try:
        actions.begin_export(web, username, form, scope, title)
    except Problem as problem:
        if problem.status != 404:
            raise
        raise Problem(422, _("There is no mail there.")) from None


def _port(text: str) -> int:
    return int(text) if text.isdigit() and 0 < int(text[:6]) < 65536 else PORT


def _page(username: str, problem: str = "", tried: str = "") -> Response:
    web = current()
    found = [(job, actions.received(web, job), _state_words(job)) for job in actions.list_all(web, username)]
    own = web.database.read(lambda tx: labels.list_all(tx, username))
    is_moving = any(job.state == "running" for job, _received, _words in found)
    return page(
        "moving.html",
        "moving",
        422 if problem else 200,
        jobs=found,
        own=own,
        folders=FOLDERS,
        is_moving=is_moving,
        problem=problem,
        tried=tried,
        typed=request.form,
        port=PORT,
        piece=actions.PIECE,
        largest=web.settings.import_max_size,
        kept_days=max(1, round(web.settings.moved_files_kept / 86400)),
        most=jobs.MOST_OPEN,
    )


def _state_words(job: MovingJob) -> tuple[str, str]:
    """What a job's state is called, and the kind of its mark."""
    words = {
        "uploading": (_("Uploading"), "move"),
        "running": (_("Under way"), "move"),
        "paused": (_("Waiting for you"), "wait"),
        "done": (_("Done"), "good"),
        "failed": (_("Failed"), "bad"),
        "cancelled": (_("Cancelled"), "idle"),
    }
    return words[job.state]
