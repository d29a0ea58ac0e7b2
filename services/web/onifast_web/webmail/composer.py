"""The composer: what its form sends, and the form again where that cannot be sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import preferences, team_marks
from onifast_shared.message.compose import DraftError, OutgoingAttachment
from onifast_shared.message.parsing import Parsed
from onifast_shared.queue import suppressions
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import one_at_a_time
from onifast_web.access.auth import Caller, Who, allow
from onifast_web.access.context import Web, current
from onifast_web.actions import drafts, forwarding, sending
from onifast_web.actions.drafts import Along, Form
from onifast_web.actions.forwarding import Forwarded
from onifast_web.actions.sending import Wait
from onifast_web.actions.suppressions import Suppressed
from onifast_web.http.problems import Problem
from onifast_web.reading import render
from onifast_web.serving import serve
from onifast_web.webmail.beginning import begun, enclosed, senders
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.message import file_stem, open_message
from onifast_web.webmail.pages import page, user

_FIELDS = {"from_": "from", "html": "text", "in_reply_to": "text", "references": "text"}
_KNOWN = frozenset({"from", "to", "cc", "bcc", "subject", "text", "attachments", "send_at"})
_LONGEST_INDEX = 9  # digits; no message has that many parts


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
    """The composer, empty or begun; and what its form sends."""
    caller, username = user()
    if request.method == "GET":
        return _page(username, begun(username))
    web = current()
    request.max_content_length = serve.largest_body(web.settings.max_message_size)
    one_at_a_time.wait_for_turn(web.turn, request.content_length or 0)
    form = _typed()
    if request.form.get("do") == "discard":
        web.database.write(lambda tx: _throw_away(tx, caller, form))
        back = "inbox" if form.draft is None else "drafts"
        return redirect(url_for("webmail.folder", folder=back, did="discarded"), 303)
    try:
        form, along = _with_what_goes_along(username, form)
    except Problem as error:
        return _page(username, form, _trouble(error))
    if request.form.get("do") == "save":
        return _save(web, username, form, along)
    return _send(web, caller, form, along, later=request.form.get("do") == "later")


ROUTES = (PageRoute("GET POST", "/compose", compose, off_menu="the button above the menu leads to it"),)
NAV = ()
NOTICES: Notices = {
    "sent": "Your message is on its way.",
    "saved": "Draft saved.",
    "discarded": "Draft discarded.",
}


def _throw_away(tx: Connection, caller: Caller, form: Form) -> None:
    drafts.remove(tx, str(caller.username), form.draft)
    if caller.member is not None:
        team_marks.end_answers(tx, str(caller.username), caller.member)


def _send(web: Web, caller: Caller, form: Form, along: Along, *, later: bool) -> AnyResponse:
    username, lifted = str(caller.username), _lifted()
    try:
        sent = sending.send(
            web,
            caller,
            form.to_draft(along),
            origin="web",
            wait=sending.until(web, _moment(form.send_at)) if later else _for_undo(web, username),
            together_with=lambda tx: _make_way(tx, username, form, lifted),
        )
    except (DraftError, Problem) as error:
        return _not_sent(web, username, form, along, _trouble(error))
    if later:
        return redirect(url_for("webmail.folder", folder="inbox", did="scheduled", n=sent.release_ts), 303)
    return redirect(url_for("webmail.folder", folder="inbox", did="sent"), 303)


def _make_way(tx: Connection, username: str, form: Form, lifted: Iterable[Address]) -> None:
    """The draft is a message now, and those may get it whose suppression the sender lifts with it."""
    drafts.remove(tx, username, form.draft)
    for recipient in lifted:
        suppressions.lift(tx, username, recipient)


def _lifted() -> list[Address]:
    try:
        return [Address.parse(text) for text in request.form.getlist("lift")]
    except AddressError as error:
        raise Problem(400, f"A suppression is lifted by its address: {error}.") from None


def _for_undo(web: Web, username: str) -> Wait:
    seconds = web.database.read(lambda tx: preferences.undo_seconds(tx, username, web.settings))
    return sending.for_undo(web, seconds)


def _moment(text: str) -> int:
    try:
        return times.parse_rfc3339(text)
    except ValueError:
        raise DraftError("send_at", "choose a date and a time") from None


def _save(web: Web, username: str, form: Form, along: Along) -> AnyResponse:
    try:
        drafts.save(web, username, form, along)
    except (DraftError, Problem) as error:
        return _page(username, form, _trouble(error))
    return redirect(url_for("webmail.folder", folder="drafts", did="saved"), 303)


def _not_sent(web: Web, username: str, form: Form, along: Along, trouble: _Trouble) -> AnyResponse:
    """The composer again, with all that was typed. A browser forgets files, so these are kept in a draft."""
    if not along.attachments:
        return _page(username, form, trouble)
    try:
        draft = drafts.save(web, username, form, along)
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
            return _Trouble("Your message was not sent. Please look at the marked field.", {name: text}, 422, blocked)
        return _Trouble(f"Your message was not sent. {text}", {}, 422)
    errors = {item["field"]: error.detail for item in error.errors}
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        later = "Send it again then; until then you can keep it as a draft."
        return _Trouble(f"Your message was not sent. {error.detail} {later}", {}, 429)
    return _Trouble(f"Your message was not sent. {error.detail}", errors, int(error.status))


def _page(username: str, form: Form, trouble: _Trouble | None = None) -> Response:
    own, lifted = senders(username, form.sender), request.form.getlist("lift")
    written_so = next((item for item in own if item.lower() == form.sender.lower()), form.sender)
    form = form if form.sender in own else replace(form, sender=written_so)
    return page(
        "compose.html",
        "",
        trouble.status if trouble else 200,
        form=form,
        senders=own,
        heading=_heading(form),
        summary=trouble.summary if trouble else "",
        errors=trouble.errors if trouble else {},
        suppressed=list(dict.fromkeys((*lifted, *trouble.suppressed))) if trouble else [],
        lifted=lifted,
        max_size=current().settings.max_message_size,
    )


def _heading(form: Form) -> str:
    if form.draft:
        return "Draft"
    is_reply = form.in_reply_to or any(name.startswith("reply") for name in request.args)
    return "Reply" if is_reply else "Forward" if form.source or form.enclosed else "New message"


def _typed() -> Form:
    text = request.form.get
    return Form(
        sender=text("from", ""),
        to=text("to", ""),
        cc=text("cc", ""),
        bcc=text("bcc", ""),
        subject=text("subject", "").strip(),
        text=text("text", "").replace("\r\n", "\n"),
        in_reply_to=text("in_reply_to", ""),
        references=text("references", ""),
        send_at=typed_moment(),
        draft=_number("draft"),
        source=_number("source"),
        forwards=request.form.get("forward") == "html",
    )


def _number(name: str) -> int | None:
    text = request.form.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def typed_moment() -> str:
    """The time that was chosen, as RFC 3339 has it: our script says which moment it is where the reader lives.

    Without the script the field's date and time are UTC, and the page says so.
    """
    local = request.form.get("send_at_local", "")
    return request.form.get("send_at") or (f"{local}:00Z" if local else "")


def _with_what_goes_along(username: str, form: Form) -> tuple[Form, Along]:
    """The form, with what it encloses; and all that goes along: files that were attached before and are kept, a message
    that is forwarded as a file or below the text, then the new files."""
    keep, forwarded, found = _kept(), None, list[OutgoingAttachment]()
    if form.source is not None and (keep or form.forwards):
        parsed = open_message(username, form.source).parsed
        found = drafts.attachments_of(parsed, keep)
        forwarded = _forwarded(parsed, is_draft=form.source == form.draft) if form.forwards else None
    if (number := _number("enclose")) is not None:
        opened = open_message(username, number)
        form = replace(form, enclosed=enclosed(opened))
        found.append(forwarding.as_attachment(opened.raw, file_stem(opened.row)))
    new = [item for item in request.files.getlist("attachments") if item.filename]
    found += [OutgoingAttachment(item.filename or "", item.mimetype, file=item.stream) for item in new]
    return form, Along(found, forwarded)


def _forwarded(parsed: Parsed, *, is_draft: bool) -> Forwarded | None:
    taken = forwarding.taken_up(parsed) if is_draft else None
    return taken[1] if taken else forwarding.with_formatting(parsed)


def _kept() -> set[int]:
    """The numbers of the files to keep. What is no number is refused: passed over, it would lose a file unseen."""
    texts = request.form.getlist("keep")
    if not all(text.isdecimal() and len(text) <= _LONGEST_INDEX for text in texts):
        raise Problem(400, "A file to keep is named by its number.")
    return {int(text) for text in texts}
