"""What the composer starts with: nothing, a draft, an answer, or a message to be forwarded."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from flask import request
from onifast_shared.mailboxes import composers, preferences
from onifast_shared.mailboxes import identities as identity_store
from onifast_shared.message import address_fields
from onifast_shared.message.html_text import to_quotable
from onifast_shared.message.parsing import Parsed
from onifast_shared.recipients import addresses
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError

from onifast_web.access import auth
from onifast_web.access.context import current
from onifast_web.actions import answering, drafts, forwarding, identities, team, templates
from onifast_web.actions.answering import Answer, Answering
from onifast_web.actions.drafts import Enclosed, Form
from onifast_web.actions.identities import OwnIdentity
from onifast_web.actions.team import TeamChange
from onifast_web.http import csrf
from onifast_web.http.problems import not_found
from onifast_web.languages import dates
from onifast_web.languages.texts import _
from onifast_web.reading import render, written_html
from onifast_web.webmail.opened import OpenedMessage, file_stem, open_message, own_addresses

# What a link to the composer may say, as one of mailto: does, and how long that may be.
_GIVEN = {"to": 1000, "cc": 1000, "bcc": 1000, "subject": 900, "text": 20_000}
_END_OF_TIME = 253_402_300_800  # the year 10000


def begun(username: str) -> Form:
    """The form that the request asks for."""
    for name, begin in _BEGINNINGS.items():
        if email_id := request.args.get(name, type=int):
            caller = auth.caller()
            if name.startswith("reply") and caller.member is not None and not csrf.is_prefetch(request):
                team.change(current(), caller, [email_id], TeamChange(answering=True))
            form = replace(begin(username, open_message(username, email_id)), send_at=_former_time())
            return _latest(username, form) if form.draft else signed(username, _spoken(username, form))
    given = {name: request.args.get(name, "")[:most] for name, most in _GIVEN.items()}
    form = Form(to=given["to"], cc=given["cc"], bcc=given["bcc"], subject=given["subject"], text="")
    form = signed(username, _spoken(username, form))
    if template_id := request.args.get("template", type=int):
        template = templates.get(current(), username, template_id)
        html = f"{template.html}{_signature_html(username, form)}" if template.html else ""
        return replace(form, subject=form.subject or template.subject, text=template.text + form.text, html=html)
    return replace(form, text=given["text"] + form.text)


def _spoken(username: str, form: Form) -> Form:
    """A form in the language that its user writes in."""
    language = current().database.read(lambda tx: preferences.writing(tx, username)).language
    return replace(form, language=form.language or language)


def _signature_html(username: str, form: Form) -> str:
    own = senders(username, form.sender)
    identity = own[0].identity if own else None
    if identity is None or not identity.signature_text:
        return ""
    html = identity.signature_html or written_html.of_text(identity.signature_text)
    return f"<div><br></div><div><div>{identities.SEPARATOR}</div>{html}</div>"


def resumed(username: str, draft_id: int) -> Form:
    """A draft of the composer that a page was."""
    return _latest(username, _from_draft(username, open_message(username, draft_id)))


def _latest(username: str, form: Form) -> Form:
    """A draft with the words that were typed since its message was written, and its composer's key."""
    draft = form.draft or 0
    composer = current().database.read(lambda tx: composers.of_draft(tx, username, draft))
    key = composer.key if composer else form.key or f"draft-{draft}"
    words = json.loads(composer.words) if composer and composer.words else {}
    for name in drafts.WORDS:
        if isinstance(value := words.get(name), str):
            form = _with(form, name, value)
    return replace(form, key=key)


def _with(form: Form, name: str, value: str) -> Form:
    fields: dict[str, Any] = {name: value}
    return replace(form, **fields)


def senders(username: str, chosen: str = "") -> list[OwnIdentity]:
    """The addresses that a user writes from, and the `chosen` one if it is theirs too: by a catch-all it may be."""
    address = _parsed(chosen)
    found, is_own = current().database.read(
        lambda tx: (
            identities.own_in(tx, username),
            address is not None and addresses.owns(tx, username, address),
        )
    )
    if not is_own or address is None or address.key in {each.identity.address for each in found}:
        return found
    known = current().database.read(lambda tx: identity_store.of(tx, username))
    return [*found, identities.of_address(known, str(address))]


def signed(username: str, form: Form) -> Form:
    """A form that begins, with the signature of whom it is from above what it quotes, and where answers go."""
    own = senders(username, form.sender)
    written_so = form.sender.lower()
    identity = next(
        (each.identity for each in own if each.address.lower() == written_so), own[0].identity if own else None
    )
    if identity is None:
        return form
    return replace(form, text=identities.signed(identity, form.text), reply_to=form.reply_to or identity.reply_to)


def _former_time() -> str:
    """When a message was to be sent that is now written anew."""
    number = request.args.get("send_at", 0, type=int)
    return times.rfc3339(number) if current().clock() < number < _END_OF_TIME else ""


def _from_draft(_username: str, opened: OpenedMessage) -> Form:
    if opened.row.folder != "drafts":
        raise not_found("draft")  # a stranger's message could say that it is one, and to whom it goes
    return drafts.load(opened.row.id, opened.parsed)


def _reply(username: str, opened: OpenedMessage) -> Form:
    return _answer(username, opened, Answering.reply)


def short_reply(username: str, opened: OpenedMessage) -> Form:
    """The answer to a message's author, to be written below it."""
    return replace(_reply(username, opened), key=secrets.token_urlsafe(12), text="")


def _reply_all(username: str, opened: OpenedMessage) -> Form:
    return _answer(username, opened, Answering.reply_all)


def _reply_to_list(username: str, opened: OpenedMessage) -> Form:
    return _answer(username, opened, Answering.reply_to_list)


def _answer(username: str, opened: OpenedMessage, choose: Callable[[Answering], Answer | None]) -> Form:
    own = own_addresses(username, opened)
    answer = choose(answering.to(opened.parsed, own, folder=opened.row.folder))
    if answer is None:
        raise not_found("mailing list")
    return Form(
        sender=_sender(username, opened, own),
        to=address_fields.shown(answer.to) or opened.row.sender,
        cc=address_fields.shown(answer.cc),
        subject=render.reply_subject(opened.row.subject),
        text=render.quote(_quotable(opened.parsed), attribution(opened)),
        source=opened.row.id,
        quotes=True,
        in_reply_to=answering.in_reply_to(opened.parsed),
        references=" ".join(answering.references(opened.parsed)),
    )


def _forward(username: str, opened: OpenedMessage) -> Form:
    """A forward: with its HTML, if it has any; as text that can be edited; or as a file."""
    form = Form(
        sender=_sender(username, opened, own_addresses(username, opened)),
        subject=render.forward_subject(opened.row.subject),
        forward_of=opened.row.id,
    )
    if request.args.get("as") == "attachment":
        return replace(form, enclosed=enclosed(opened))
    form = replace(form, source=opened.row.id)
    if request.args.get("as") != "text" and (forwarded := forwarding.with_formatting(opened.parsed)):
        return replace(form, forwards=True, kept=drafts.kept(opened.parsed, forwarded.places))
    lines = "\n".join(f"{name}: {value}" for name, value in forwarding.facts(opened.parsed))
    text = f"\n\n{forwarding.TITLE}\n{lines}\n\n{_quotable(opened.parsed)}"
    return replace(form, text=text, kept=drafts.kept(opened.parsed))


def enclosed(opened: OpenedMessage) -> Enclosed:
    """A message, to be sent along as a file."""
    return Enclosed(opened.row.id, f"{file_stem(opened.row)}.eml", opened.row.size)


def _quotable(parsed: Parsed) -> str:
    """A message's words for an answer: as its HTML says them, where it has any, since that is what was read."""
    return to_quotable(parsed.html) if parsed.html is not None else parsed.text or ""


_BEGINNINGS = {
    "draft": _from_draft,
    "reply": _reply,
    "reply_all": _reply_all,
    "reply_list": _reply_to_list,
    "forward": _forward,
}


def _sender(username: str, opened: OpenedMessage, own: dict[str, Address]) -> str:
    """The address of the user's that the message came to, so that the answer comes from there; "" for none."""
    mine = {each.identity.address: each.address for each in senders(username)}
    for address in _where_it_came(opened):
        for each in (address, own.get(address.key)):
            if each is not None and each.key in mine:
                return mine[each.key]
        if address.key in own and any(each.address == str(address) for each in senders(username, str(address))):
            return str(address)
    return ""


def _where_it_came(opened: OpenedMessage) -> Iterable[Address]:
    named = [each.address for name in ("to", "cc") for each in opened.parsed.mailboxes(name)]
    first = opened.parsed.sender if opened.row.folder == "sent" else _parsed(opened.row.recipient)
    return filter(None, (first, *named))


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None


def attribution(opened: OpenedMessage) -> str:
    """Who wrote what an answer quotes, and when."""
    parsed = opened.parsed
    who = parsed.sender_name or str(parsed.sender or opened.row.sender or _("somebody"))
    if parsed.date is None:
        return _("%(who)s wrote:", who=who)
    return _("On %(when)s, %(who)s wrote:", when=dates.moment(parsed.date.timestamp(), "quoted"), who=who)
