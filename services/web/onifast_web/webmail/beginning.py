"""What the composer starts with: nothing, a draft, an answer, or a message to be forwarded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from flask import request
from onifast_shared.message import address_fields
from onifast_shared.message.html_text import to_quotable
from onifast_shared.message.parsing import Parsed
from onifast_shared.recipients import addresses
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.expansion import ANYBODY

from onifast_web.access import auth
from onifast_web.access.context import current
from onifast_web.actions import answering, drafts, forwarding, team
from onifast_web.actions.answering import Answer, Answering
from onifast_web.actions.drafts import Enclosed, Form
from onifast_web.actions.team import TeamChange
from onifast_web.http import csrf
from onifast_web.http.problems import not_found
from onifast_web.reading import render
from onifast_web.webmail.message import OpenedMessage, file_stem, open_message, own_addresses

_END_OF_TIME = 253_402_300_800  # the year 10000


def begun(username: str) -> Form:
    """The form that the request asks for."""
    for name, begin in _BEGINNINGS.items():
        if email_id := request.args.get(name, type=int):
            caller = auth.caller()
            if name.startswith("reply") and caller.member is not None and not csrf.is_prefetch(request):
                team.change(current(), caller, [email_id], TeamChange(answering=True))
            return replace(begin(username, open_message(username, email_id)), send_at=_former_time())
    return Form(to=request.args.get("to", "")[:1000], subject=request.args.get("subject", "")[:900])


def senders(username: str, chosen: str = "") -> list[str]:
    """The addresses that a user writes from, and the `chosen` one if it is theirs too: by a catch-all it may be."""
    address = _parsed(chosen)
    rows, is_own = current().database.read(
        lambda tx: (addresses.list_for(tx, username), address is not None and addresses.owns(tx, username, address))
    )
    found = [row.address for row in rows if not row.address.startswith(f"{ANYBODY}@")]
    known = {each.key for each in map(_parsed, found) if each}
    return [*found, str(address)] if is_own and address and address.key not in known else found


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
        text=render.quote(_quotable(opened.parsed), _attribution(opened)),
        in_reply_to=answering.in_reply_to(opened.parsed),
        references=" ".join(answering.references(opened.parsed)),
    )


def _forward(username: str, opened: OpenedMessage) -> Form:
    """A forward: with its HTML, if it has any; as text that can be edited; or as a file."""
    form = Form(
        sender=_sender(username, opened, own_addresses(username, opened)),
        subject=render.forward_subject(opened.row.subject),
    )
    if request.args.get("as") == "attachment":
        return replace(form, enclosed=enclosed(opened))
    form = replace(form, source=opened.row.id)
    if request.args.get("as") != "text" and (forwarded := forwarding.with_formatting(opened.parsed)):
        return replace(form, forwards=True, kept=drafts.kept(opened.parsed, forwarded))
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
    mine = {address.key: text for text in senders(username) if (address := _parsed(text))}
    for address in _where_it_came(opened):
        for each in (address, own.get(address.key)):
            if each is not None and each.key in mine:
                return mine[each.key]
        if address.key in own and str(address) in senders(username, str(address)):
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


def _attribution(opened: OpenedMessage) -> str:
    parsed = opened.parsed
    who = parsed.sender_name or str(parsed.sender or opened.row.sender or "somebody")
    when = f"On {parsed.date:%d %b %Y at %H:%M} UTC, " if parsed.date else ""
    return f"{when}{who} wrote:"
