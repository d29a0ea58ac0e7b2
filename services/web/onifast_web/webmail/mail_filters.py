"""Filters: the user's own, made, ordered, tried, and run on mail that is here; and the log of what they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.filters import rules
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.rules import MOST_CONDITIONS
from onifast_shared.filters.runs import LOOKED_THROUGH
from onifast_shared.mailboxes import labels
from onifast_shared.mailboxes import templates as template_store
from onifast_shared.mailboxes.labels import Label
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.paging import CursorError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import mail_filters as actions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail import filter_forms, filter_words
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_PAGE = 50


@allow(Who.USER)
def mail_filters() -> AnyResponse:
    """The filters in their order, and their runs on mail that is here."""
    _caller, username = user()
    if request.method == "GET":
        return _list_page(username)
    try:
        return redirect(url_for("webmail.mail_filters", did=_act(username, request.form.get("do", ""))), 303)
    except Problem as problem:
        if problem.status != 422:
            raise
        return _list_page(username, sentence(str(problem.errors[0]["message"])))


@allow(Who.USER)
def new_filter() -> AnyResponse:
    """The form of a new filter; of messages like one, where `like` names it."""
    _caller, username = user()
    if request.method == "POST":
        return _saved(username, None)
    like = request.args.get("like", 0, type=int)
    found = actions.like(current(), username, like) if like else filter_forms.EMPTY
    return _form_page(username, None, filter_forms.of_rule(found))


@allow(Who.USER)
def edit_filter(filter_id: int) -> AnyResponse:
    """A filter's form."""
    _caller, username = user()
    found = current().database.read(lambda tx: actions.of(tx, username, filter_id))
    if request.method == "POST":
        return _saved(username, found)
    form = filter_forms.of_rule(rules.as_dict(found.rule), name=found.name, is_on=found.is_on)
    return _form_page(username, found, form)


@allow(Who.USER)
def filter_log() -> Response:
    """What filters did, the latest first."""
    _caller, username = user()
    try:
        found = actions.log(current(), username, limit=_PAGE, cursor=request.args.get("cursor"))
    except CursorError as error:
        raise Problem(400, str(error)) from None
    lines = [(each, filter_words.did(each)) for each in found.rows]
    return page("filter_log.html", "mail-filters", lines=lines, next_cursor=found.next_cursor)


ROUTES = (
    PageRoute("GET POST", "/filters", mail_filters),
    PageRoute("GET POST", "/filters/new", new_filter, off_menu="the page of filters leads to it, and each message's"),
    PageRoute("GET POST", "/filters/<int:filter_id>", edit_filter, off_menu="the page of filters leads to it"),
    PageRoute("GET", "/filters/log", filter_log, off_menu="the page of filters leads to it"),
)
NAV = (
    NavEntry(
        "mail-filters",
        marked("Filters"),
        mail_filters,
        icon="filter",
        group=NavGroup.SORTING,
        order=20,
        hint=marked("What is done with mail as it comes: label, move, forward, answer, refuse."),
    ),
)
NOTICES: Notices = {
    "filter-kept": marked("Saved. It acts on what comes from now on."),
    "filter-kept-run": marked("Saved. It is run on the mail in your inbox now."),
    "filter-on": marked("Turned on."),
    "filter-off": marked("Turned off. What it did stays as it is."),
    "filter-up": marked("Moved up."),
    "filter-down": marked("Moved down."),
    "filter-remove": marked("Deleted. What it did stays as it is."),
    "filter-run": marked("It runs in the background. Below is how far it is."),
    "filter-stop": marked("Stopped."),
    "filter-undo": marked("What it changed is put back, in the background."),
}


def _act(username: str, do: str) -> str:
    """Does what a button of the list says; which notice tells of it. Raises Problem."""
    web, number = current(), request.form.get("id", 0, type=int)
    match do:
        case "on" | "off":
            actions.change(web, username, number, is_on=do == "on")
        case "up" | "down":
            actions.move(web, username, number, -1 if do == "up" else 1)
        case "remove":
            actions.remove(web, username, number)
        case "run":
            folders = [each for each in LOOKED_THROUGH if each in request.form.getlist("folders")]
            actions.run(web, username, number or None, folders)
        case "stop":
            actions.stop(web, username, number)
        case "undo":
            actions.undo(web, username, number)
        case _:
            raise Problem(400, _("That action is not known."))
    return f"filter-{do}"


def _saved(username: str, found: MailFilter | None) -> AnyResponse:
    """What the form's buttons do: one more condition, one less, a template's text, a try, or the filter is kept."""
    web, form = current(), filter_forms.of_request(request.form)
    do = request.form.get("do", "save")
    if do == "more":
        return _form_page(username, found, form.with_one_more())
    if do.startswith("less:"):
        return _form_page(username, found, form.without(do.removeprefix("less:")))
    if do == "template":
        return _form_page(username, found, _with_template(username, form))
    try:
        rule = actions.parse_rule(form.rule())
        if do == "try":
            return _form_page(username, found, form, tried=actions.tried(web, username, rule))
        if found is None:
            found = actions.add(web, username, form.name, rule, is_on=form.is_on)
        else:
            found = actions.change(web, username, found.id, name=form.name, rule=rule, is_on=form.is_on)
    except Problem as problem:
        if problem.status != 422:
            raise
        return _form_page(username, found, form, errors=form.placed(problem.errors))
    if request.form.get("run") != "1":
        return redirect(url_for("webmail.mail_filters", did="filter-kept"), 303)
    actions.run(web, username, found.id, ["inbox"])
    return redirect(url_for("webmail.mail_filters", did="filter-kept-run"), 303)


def _with_template(username: str, form: filter_forms.FilterForm) -> filter_forms.FilterForm:
    """The form, with the text and subject of the chosen template as its answer, which can be changed from there."""
    number = request.form.get("template", 0, type=int)
    chosen = current().database.read(lambda tx: template_store.get(tx, username, number))
    if chosen is None:
        return form
    return replace(form, answer=chosen.text, subject=chosen.subject or form.subject)


def _form_page(
    username: str,
    found: MailFilter | None,
    form: filter_forms.FilterForm,
    *,
    errors: Mapping[str, str] | None = None,
    tried: Any = None,
) -> Response:
    own, texts = current().database.read(
        lambda tx: (labels.list_all(tx, username), template_store.list_all(tx, username))
    )
    return page(
        "mail_filter.html",
        "mail-filters",
        422 if errors else 200,
        found=found,
        form=form,
        errors=errors or {},
        tried=tried,
        templates=texts,
        folders=[each for each in own if each.is_folder],
        labels=[each for each in own if not each.is_folder],
        may_forward=not mailbox_accounts.is_mailbox(username),
        most=MOST_CONDITIONS,
        words=filter_words,
    )


def _list_page(username: str, problem: str = "") -> Response:
    standing = actions.standing(current(), username)
    names = {each.id: each.name for each in _labels(username)}
    lines = [
        (each, filter_words.when(each.rule), filter_words.what(each.rule, names), standing.use.get(each.id, (0, 0)))
        for each in standing.filters
    ]
    return page(
        "mail_filters.html",
        "mail-filters",
        422 if problem else 200,
        lines=lines,
        runs=standing.runs,
        is_running=any(each.is_active for each in standing.runs),
        folders=LOOKED_THROUGH,
        problem=problem,
    )


def _labels(username: str) -> list[Label]:
    return current().database.read(lambda tx: labels.list_all(tx, username))
