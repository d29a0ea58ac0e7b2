"""The composer: what its form sends, once; and the form again where that cannot be sent."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from http import HTTPStatus

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import composers, conversations, preferences, team_marks
from onifast_shared.mailboxes import templates as template_store
from onifast_shared.message.compose import DraftError
from onifast_shared.queue import suppressions
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import one_at_a_time
from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import Web, current
from onifast_web.actions import drafts, sending, sending_once
from onifast_web.actions.drafts import Along, Form
from onifast_web.actions.sending import Sent, Wait
from onifast_web.actions.sending_once import After, Before, SendKey
from onifast_web.actions.suppressions import Suppressed
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading import render
from onifast_web.serving import serve
from onifast_web.webmail import autosave, composed, content
from onifast_web.webmail.beginning import begun, resumed, senders
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.languages import LANGUAGES
from onifast_web.webmail.opened import open_message
from onifast_web.webmail.pages import page, user

_FIELDS = {"from_": "from", "html": "text", "in_reply_to": "text", "references": "text"}
_KNOWN = frozenset({"from", "to", "cc", "bcc", "reply_to", "subject", "text", "attachments", "send_at"})
_EVERY_REPORT = "SUCCESS,FAILURE,DELAY"  # RFC 3461 section 4.1


@dataclass(frozen=True)
class _Trouble:
    """Why a message was not sent: a sentence for its head, and for the fields that are wrong.

    `suppressed` are the recipients that stand in its way alone because mail to them is suppressed.
    """

    summary: str
    errors: dict[str, str]
    status: int
    suppressed: tuple[str, ...] = ()


@allow(Who.USER)
def compose() -> AnyResponse:
    """The composer, empty, begun or resumed; and what its form sends."""
    caller, username = user()
    if request.method == "GET":
        return _opened(username)
    web = current()
    request.max_content_length = serve.largest_body(web.settings.max_message_size)
    one_at_a_time.wait_for_turn(web.turn, request.content_length or 0)
    form = composed.typed()
    do = request.form.get("do")
    if do in ("autosave", "words"):
        return autosave.answer(web, username, form, words_only=do == "words")
    if do == "discard":
        web.database.write(lambda tx: _throw_away(tx, caller, form))
        return _leave("inbox" if form.draft is None else "drafts", "discarded")
    try:
        form, along = composed.with_what_goes_along(username, form)
    except Problem as error:
        return _sent_already(username, form) or _page(username, form, _trouble(error))
    if do == "save":
        return _save(web, username, form, along)
    if do == "open":
        return _open_whole(web, username, form, along)
    return _send(web, caller, form, along, later=do == "later")


@allow(Who.USER)
def left_dock() -> Response:
    """What a docked composer becomes once it has done its work: a page that tells the one around it."""
    return page("left_dock.html", "")


@allow(Who.USER)
def composer_image(key: str, content_id: str) -> Response:
    """A picture that the text of a draft shows, for its editor."""
    _caller, username = user()
    composer = current().database.read(lambda tx: composers.find(tx, username, composed.key_of(key)))
    draft_id = composer.draft_id if composer else _draft_of(key)
    opened = open_message(username, draft_id, is_noted=True)
    found = opened.parsed.embedded.get(f"cid:{content_id}")
    if opened.row.folder != "drafts" or found is None:
        raise not_found("picture")
    return content.embedded_image(found.data, found.image_type)


ROUTES = (
    PageRoute("GET POST", "/compose", compose, off_menu="the button above the menu leads to it"),
    PageRoute("GET", "/compose/images/<key>/<content_id>", composer_image, off_menu="shown within a composer"),
    PageRoute("GET", "/compose/left", left_dock, off_menu="shown where a docked composer was"),
)
NAV = ()
NOTICES: Notices = {
    "sent": marked("Your message is on its way."),
    "already-sent": marked("This message was sent already. It was not sent again."),
    "saved": marked("Draft saved."),
    "discarded": marked("Draft discarded."),
}


def _throw_away(tx: Connection, caller: Caller, form: Form) -> None:
    _end(tx, str(caller.username), form)
    if caller.member is not None:
        team_marks.end_answers(tx, str(caller.username), caller.member)


def _opened(username: str) -> AnyResponse:
    """The composer of the page's key, wherever it got to; or a new one."""
    form = Form(key=composed.key_of(request.args.get("key", "")))
    if sent := _sent_already(username, form):
        return sent
    composer = current().database.read(lambda tx: composers.find(tx, username, form.key)) if form.key else None
    if composer:
        return _page(username, resumed(username, composer.draft_id))
    begin = begun(username)
    return _page(username, replace(begin, key=form.key or begin.key or secrets.token_urlsafe(12)))


def _sent_already(username: str, form: Form) -> AnyResponse | None:
    """Where who comes back to a composer whose message was sent is led to."""
    web, key = current(), _send_key(username, form)
    if key is None or web.database.read(lambda tx: key.answer(tx, web.clock())) is None:
        return None
    return _leave("inbox", "already-sent")


def _send_key(username: str, form: Form) -> SendKey | None:
    # Whatever else its form says by now, a composer sends once.
    return SendKey(username, f"composer {form.key}", b"") if form.key else None


def _leave(folder: str, did: str, number: int | None = None) -> AnyResponse:
    """To a folder's list, out of the dock, or back to the message that a short answer stood below."""
    if request.values.get("dock"):
        return redirect(url_for("webmail.left_dock", did=did, n=number), 303)
    if answered := composed.number("after"):
        return redirect(url_for("webmail.message", email_id=answered, did=did, n=number), 303)
    return redirect(url_for("webmail.folder", folder=folder, did=did, n=number), 303)


def _send(web: Web, caller: Caller, form: Form, along: Along, *, later: bool) -> AnyResponse:
    username, lifted, sent_now = str(caller.username), _lifted(), list[Sent]()

    def send(before: Before, after: After) -> Sent:
        def make_way(tx: Connection) -> None:
            before(tx)
            _end(tx, username, form)
            if form.forward_of is not None:
                conversations.note_forwarded(tx, username, form.forward_of)
            for recipient in lifted:
                suppressions.lift(tx, username, recipient)

        sent = sending.send(
            web,
            caller,
            form.to_draft(along),
            origin="web",
            wait=sending.until(web, _moment(form.send_at)) if later else _for_undo(web, username),
            notify=_EVERY_REPORT if form.report else None,
            together_with=make_way,
            and_then=after,
        )
        sent_now.append(sent)
        return sent

    try:
        sending_once.answered(web, _send_key(username, form), send, lambda sent: json.dumps({"email": sent.email_id}))
    except (DraftError, Problem) as error:
        return _not_sent(web, username, form, along, _trouble(error))
    if not sent_now:
        return _leave("inbox", "already-sent")
    if later:
        return _leave("inbox", "scheduled", sent_now[0].release_ts)
    return _leave("inbox", "sent")


def _end(tx: Connection, username: str, form: Form) -> None:
    """The draft is a message now, or nothing: whichever page of its composer saved it last."""
    composer = composers.find(tx, username, form.key) if form.key else None
    for draft in {form.draft, composer.draft_id if composer else None}:
        drafts.remove(tx, username, draft)
    if form.key:
        composers.end(tx, username, form.key)


def _lifted() -> list[Address]:
    try:
        return [Address.parse(text) for text in request.form.getlist("lift")]
    except AddressError as error:
        raise Problem(400, _("A suppression is lifted by its address: %(error)s.", error=error)) from None


def _for_undo(web: Web, username: str) -> Wait:
    seconds = web.database.read(lambda tx: preferences.undo_seconds(tx, username, web.settings))
    return sending.for_undo(web, seconds)


def _moment(text: str) -> int:
    try:
        return times.parse_rfc3339(text)
    except ValueError:
        raise DraftError("send_at", _("choose a date and a time")) from None


def _save(web: Web, username: str, form: Form, along: Along) -> AnyResponse:
    try:
        autosave.save(web, username, form, along, writer="")
    except (DraftError, Problem) as error:
        return _page(username, form, _trouble(error))
    return _leave("drafts", "saved")


def _open_whole(web: Web, username: str, form: Form, along: Along) -> AnyResponse:
    """A short answer goes on in the composer."""
    try:
        autosave.save(web, username, form, along, writer="")
    except (DraftError, Problem) as error:
        return _page(username, form, _trouble(error))
    return redirect(url_for("webmail.compose", key=form.key), 303)


def _not_sent(web: Web, username: str, form: Form, along: Along, trouble: _Trouble) -> AnyResponse:
    """The composer again, with all that was typed. A browser forgets files, so these are kept in a draft."""
    if not along.attachments:
        return _page(username, form, trouble)
    try:
        draft = autosave.save(web, username, form, along, writer="")
    except (DraftError, Problem):
        return _page(username, form, trouble)
    saved = drafts.load(draft, open_message(username, draft).parsed)
    form = replace(form, draft=draft, source=draft, kept=saved.kept, forwards=saved.forwards, enclosed=None)
    return _page(username, form, trouble)


def _trouble(error: DraftError | Problem) -> _Trouble:
    if isinstance(error, DraftError):
        name = _FIELDS.get(error.field, error.field)
        text = render.sentence(error.text)
        if name in _KNOWN:
            blocked = error.recipients if isinstance(error, Suppressed) else ()
            return _Trouble(
                _("Your message was not sent. Please look at the marked field."), {name: text}, 422, blocked
            )
        return _Trouble(_("Your message was not sent. %(text)s", text=text), {}, 422)
    errors = {item["field"]: error.detail for item in error.errors}
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        later = _("Send it again then; until then you can keep it as a draft.")
        return _Trouble(_("Your message was not sent. %(detail)s %(later)s", detail=error.detail, later=later), {}, 429)
    return _Trouble(_("Your message was not sent. %(detail)s", detail=error.detail), errors, int(error.status))


def _page(username: str, form: Form, trouble: _Trouble | None = None) -> Response:
    web, lifted = current(), request.form.getlist("lift")
    own = senders(username, form.sender)
    named = [each.address for each in own]
    written_so = next((item for item in named if item.lower() == form.sender.lower()), form.sender)
    form = form if form.sender in named else replace(form, sender=written_so)
    writing, templates = web.database.read(
        lambda tx: (preferences.writing(tx, username), template_store.list_all(tx, username))
    )
    return page(
        "compose.html",
        "",
        trouble.status if trouble else 200,
        form=form,
        layout="dock.html" if request.values.get("dock") else "base.html",
        writes_plain=writing.plain,
        templates=templates,
        senders=own,
        heading=_heading(form),
        summary=trouble.summary if trouble else "",
        errors=trouble.errors if trouble else {},
        suppressed=list(dict.fromkeys((*lifted, *trouble.suppressed))) if trouble else [],
        lifted=lifted,
        takes_focus=request.args.get("dock") != "quiet",
        languages=LANGUAGES,
        max_size=web.settings.max_message_size,
    )


def _heading(form: Form) -> str:
    if form.draft:
        return _("Draft")
    is_reply = form.in_reply_to or any(name.startswith("reply") for name in request.args)
    return _("Reply") if is_reply else _("Forward") if form.source or form.enclosed else _("New message")


def _draft_of(key: str) -> int:
    number = key.removeprefix("draft-")
    if not number.isdecimal() or len(number) > 18:
        raise not_found("picture")
    return int(number)
