"""What a composer saves while somebody writes: soon after each pause, and each file as it is chosen."""

from __future__ import annotations

import json
from http import HTTPStatus

from flask import Response, jsonify, request
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import composers
from onifast_shared.mailboxes.composers import Composer
from onifast_shared.message.compose import DraftError
from onifast_shared.queue import send_keys
from onifast_shared.values import times

from onifast_web.access.context import Web
from onifast_web.actions import drafts
from onifast_web.actions.drafts import Along, Form
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _
from onifast_web.reading.render import sentence
from onifast_web.webmail import composed
from onifast_web.webmail.opened import open_message


class Overtaken(Exception):
    """Another page of this composer has saved it since, or sent it; `composer` is None then."""

    def __init__(self, composer: Composer | None) -> None:
        super().__init__()
        self.composer = composer


def answer(web: Web, username: str, form: Form, *, words_only: bool) -> Response:
    """Saves a composer, and says what of its draft the page has to know; 409 for one that was overtaken.

    Raises Problem(400), Problem(413).
    """
    writer = request.form.get("writer", "")[:64]
    if not form.key:
        raise Problem(400, _("A composer has a key."))
    try:
        _refuse_overtaken(web, username, form)
        if words_only:
            web.database.write(lambda tx: _put_words(tx, username, form, writer, web.clock()))
            return jsonify(saved_at=times.rfc3339(web.clock()))
        form, along = composed.with_what_goes_along(username, form)
        draft_id = save(web, username, form, along, writer)
    except Overtaken as overtaken:
        return _overtaken(username, overtaken.composer, writer)
    except DraftError as error:
        response = jsonify(error=sentence(error.text))
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response
    return jsonify(_state(username, draft_id) | {"saved_at": times.rfc3339(web.clock())})


def save(web: Web, username: str, form: Form, along: Along, writer: str) -> int:
    """Writes the draft of a composer, in the place of the one before; returns its id.

    Raises Overtaken, DraftError, Problem(413).
    """

    def before(tx: Connection) -> None:
        if form.key:
            _check(tx, username, form, web.clock())

    def after(tx: Connection, draft_id: int) -> None:
        if form.key:
            composers.put(tx, username, Composer(form.key, draft_id, writer), web.clock())

    return drafts.save(web, username, form, along, before, after=after)


def _refuse_overtaken(web: Web, username: str, form: Form) -> None:
    """Before a large draft is made for nothing, and before files of one that is gone are looked for."""
    web.database.read(lambda tx: _check(tx, username, form, web.clock()))


def _check(tx: Connection, username: str, form: Form, now: float) -> None:
    if send_keys.find(tx, username, f"composer {form.key}", now):
        raise Overtaken(None)
    found = composers.find(tx, username, form.key)
    if found and found.draft_id != form.draft:
        raise Overtaken(found)


def _put_words(tx: Connection, username: str, form: Form, writer: str, now: float) -> None:
    _check(tx, username, form, now)
    if (found := composers.find(tx, username, form.key)) is None:
        raise Problem(409, _("This draft is not there any more."))
    words = json.dumps({name: getattr(form, name) for name in drafts.WORDS})
    composers.put(tx, username, Composer(form.key, found.draft_id, writer, words), now)


def _overtaken(username: str, composer: Composer | None, writer: str) -> Response:
    """A page that hears of its own save, whose answer was lost, goes on from there; another one asks its reader."""
    if composer is None:
        response = jsonify(state="sent")
    else:
        state = "stale" if composer.writer == writer else "changed"
        response = jsonify(_state(username, composer.draft_id) | {"state": state})
    response.status_code = HTTPStatus.CONFLICT
    return response


def _state(username: str, draft_id: int) -> dict[str, object]:
    parsed = open_message(username, draft_id, is_noted=True).parsed
    saved = drafts.load(draft_id, parsed)
    kept = [{"index": item.index, "name": item.name, "size": item.size} for item in saved.kept]
    images = [image.content_id for image in drafts.images_of(parsed)]
    return {"draft": draft_id, "kept": kept, "images": images}
