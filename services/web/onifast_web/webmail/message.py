"""One message: its page, the sandboxed page of its HTML, its attachments, its source."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

from flask import Response, redirect, request, url_for
from onifast_shared.filters import store as filter_store
from onifast_shared.filters.store import FilterLogLine
from onifast_shared.junk import senders as senders_store
from onifast_shared.mailboxes import conversations, image_senders, mailbox
from onifast_shared.mailboxes.conversations import MailConversation
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.invitations import InvitationReply
from onifast_shared.message.compose import DraftError
from onifast_shared.message.parsing import Parsed
from onifast_shared.queue import returns as returns_store
from onifast_shared.queue import view as queue_view
from onifast_shared.queue import waiting as waiting_store
from onifast_shared.values import mailbox_accounts
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import (
    answering,
    downloads,
    forwarding,
    image_proxy,
    invitations,
    receipts,
    stored_files,
    team,
    unsubscribing,
)
from onifast_web.actions.drafts import Form
from onifast_web.http import csrf
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked, ngettext
from onifast_web.reading import bodies, hops, impostors, lures, render, returns
from onifast_web.webmail import beginning, content, filter_words, sorting
from onifast_web.webmail.content import ImageConsent, Links
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.filters import listed
from onifast_web.webmail.opened import OpenedMessage, image_proxy_of, open_message, own_addresses
from onifast_web.webmail.pages import page, user

_WHERE_SENT_MAIL_LIES = ("sent", "archive", "trash")
_SOURCE_SHOWN = 256 * 1024
_MOST_COMMENT = 1000


@allow(Who.USER, visitors=True)
def message(email_id: int) -> Response:
    """The message's page; seeing it marks it as read."""
    _caller, username = user()
    opened = open_message(username, email_id)
    if _mark_read(username, opened.row):
        _tell_that_it_was_read(opened)
    shown, in_conversation = content_of(username, opened), request.args.get("conversation") == "1"
    found = current().database.read(lambda tx: sorting.of(tx, username, opened.row))
    return page(
        "message.html",
        found.place.here,
        row=opened.row,
        content=shown,
        sorting=found,
        folders=mailbox.FOLDERS,
        conversation=_conversation(username, opened.row),
        # A script puts what it gets so into its place in a conversation, which has a title and the answer below it.
        in_conversation=in_conversation,
        quick=None if in_conversation else quick_reply_of(username, opened),
        filtered=_filtered(username, email_id),
        **head_of(username, opened),
    )


@allow(Who.USER, visitors=True)
def frame(email_id: int) -> Response:
    """The message's HTML, sanitised, as a page of its own that its headers lock in."""
    parsed = open_message(user()[1], email_id, is_noted=True).parsed
    wanted = request.args.get("part")
    part = forwarding.part_of(parsed) if wanted == "forwarded" else _as_quote(parsed) if wanted == "quote" else ""
    return content.html_page(parsed, part, image_proxy_of(email_id))


@allow(Who.USER, visitors=True)
def proxied_image(email_id: int) -> Response:
    """An image of the message, or of one inside it, that outbox has fetched for its reader."""
    url, signed = request.args.get("url", ""), request.args.get("signature", "")
    found = image_proxy.image(current(), user()[1], email_id, url, signed)
    return content.embedded_image(found.data, found.content_type)


@allow(Who.USER, visitors=True)
def attachment(email_id: int, index: int) -> Response:
    """An attachment, to be saved: never shown by the browser in our name."""
    web, (caller, username) = current(), user()
    found = stored_files.attachment(web, caller, email_id, index, "mail.read")
    if found is not None:
        return found
    parsed = open_message(username, email_id).parsed
    stored_files.remember(web, email_id, parsed)
    return downloads.attachment(parsed, index)


@allow(Who.USER, visitors=True)
def source(email_id: int) -> Response:
    """Every header, and the bytes as they came."""
    opened = open_message(user()[1], email_id)
    shown = opened.raw[:_SOURCE_SHOWN].decode("utf-8", "replace")
    return page(
        "source.html",
        opened.row.folder,
        row=opened.row,
        headers=opened.parsed.headers,
        raw=shown,
        truncated=len(opened.raw) > _SOURCE_SHOWN,
    )


@allow(Who.USER, visitors=True)
def raw(email_id: int) -> Response:
    """The message as a file."""
    caller, username = user()
    found = stored_files.message(current(), caller, email_id, "mail.read")
    if found is not None:
        return found
    opened = open_message(username, email_id)
    return downloads.file(opened.raw, downloads.message_name(opened.row.subject), "message/rfc822")


@allow(Who.USER)
def answer_invitation(email_id: int) -> AnyResponse:
    """Tells the organizer whether the reader comes, and shows the message again."""
    caller, _username = user()
    given = request.form.get("answer", "")
    comment = request.form.get("comment", "").strip()[:_MOST_COMMENT]
    choice = next((each for each in get_args(InvitationReply) if each == given), None)
    if choice is None:
        raise Problem(400, _("That answer is not known."))
    try:
        invitations.answer(current(), caller, email_id, choice, comment=comment, origin="web")
    except DraftError as error:
        raise Problem(422, render.sentence(error.text)) from None
    return redirect(url_for("webmail.message", email_id=email_id, did=f"invitation-{given}"), 303)


@allow(Who.USER)
def unsubscribe(email_id: int) -> AnyResponse:
    """Asks the list that a message came by for no more of its mail, and shows the message again, which tells of it."""
    caller, username = user()
    opened, own = open_message(username, email_id), beginning.senders(username)
    sender = beginning.short_reply(username, opened).sender or (own[0].address if own else "")
    try:
        unsubscribing.leave(current(), caller, email_id, sender=sender)
    except DraftError as error:
        raise Problem(422, render.sentence(error.text)) from None
    return redirect(url_for("webmail.message", email_id=email_id), 303)


ROUTES = (
    PageRoute("GET", "/messages/<int:email_id>", message, off_menu="a folder's list leads to it"),
    PageRoute(
        "POST", "/messages/<int:email_id>/invitation", answer_invitation, off_menu="a message's page leads to it"
    ),
    PageRoute("POST", "/messages/<int:email_id>/unsubscribe", unsubscribe, off_menu="a message's page leads to it"),
    PageRoute("GET", "/messages/<int:email_id>/html", frame, off_menu="shown within a message's page"),
    PageRoute("GET", "/messages/<int:email_id>/proxied-image", proxied_image, off_menu="shown within a message's HTML"),
    PageRoute("GET", "/messages/<int:email_id>/attachments/<int:index>", attachment, off_menu="a download"),
    PageRoute("GET", "/messages/<int:email_id>/source", source, off_menu="a message's page leads to it"),
    PageRoute("GET", "/messages/<int:email_id>/raw", raw, off_menu="a download"),
)
NAV = ()
NOTICES: Notices = {
    "invitation-accepted": marked("Accepted. The organizer is told."),
    "invitation-declined": marked("Declined. The organizer is told."),
    "invitation-tentative": marked("Answered with “maybe”. The organizer is told."),
}


def content_of(username: str, opened: OpenedMessage) -> dict[str, Any]:
    """What a message says, for a page of its reader's."""
    web, row, parsed = current(), opened.row, opened.parsed
    shown = content.of(parsed, links(row.id), _image_consent(username, opened))
    is_proven = bodies.proven_author(row.authentication, parsed) is not None
    who = web.database.read(lambda tx: web.readers.of(tx, username))
    return shown | {"lures": lures.links(who, row, parsed, shown["lies"], is_proven=is_proven)}


def _as_quote(parsed: Parsed) -> str:
    """What an answer quotes of a message without HTML."""
    return "" if parsed.html is not None else render.text_to_html(parsed.text or "", links=False, folds=False)


def _image_consent(username: str, opened: OpenedMessage) -> ImageConsent:
    author = bodies.proven_author(opened.row.authentication, opened.parsed)
    if author is None:
        return ImageConsent()
    return ImageConsent(
        author.display,
        current().database.read(lambda tx: image_senders.has(tx, username, author)),
        url_for("webmail.always_show_images", email_id=opened.row.id),
    )


def links(email_id: int) -> Links:
    """Where the pages of a message are."""
    return Links(
        page=lambda **query: url_for("webmail.message", email_id=email_id, **query),
        frame=lambda **query: url_for("webmail.frame", email_id=email_id, **query),
        attachment=lambda index: url_for("webmail.attachment", email_id=email_id, index=index),
        preview=lambda index: url_for("webmail.preview", email_id=email_id, index=index),
        shown=lambda index: url_for("webmail.previewed", email_id=email_id, index=index),
        inside=lambda index: url_for("webmail.inside", email_id=email_id, path=str(index)),
        archive=url_for("webmail.archive", email_id=email_id),
        whole=url_for("webmail.raw", email_id=email_id),
    )


def _conversation(username: str, row: EmailRow) -> MailConversation | None:
    number = row.conversation_id
    return None if number is None else current().database.read(lambda tx: conversations.get(tx, username, number))


def head_of(username: str, opened: OpenedMessage) -> dict[str, Any]:
    """What is said of a message above its text, and the ways to answer it."""
    row, parsed = opened.row, opened.parsed
    # Wherever they have put it since, the sender's copy tells what became of it.
    is_sent, now = row.folder in _WHERE_SENT_MAIL_LIES, current().clock()
    web, is_own = current(), row.folder in ("sent", "drafts")
    is_visited = auth.caller().visited_by is not None
    deliveries, waiting, who, reports, invitation, is_apart, receipt, unsubscribe = web.database.read(
        lambda tx: (
            queue_view.for_email(tx, row.id) if is_sent else [],
            waiting_store.of_email(tx, username, row.id, now) if is_sent else None,
            web.readers.of(tx, username),
            returns_store.of_email(tx, username, row.id),
            None if is_own else invitations.find(tx, web, username, row, parsed),
            senders_store.is_apart(tx, username, row.id),
            None if is_own or is_visited else receipts.wanted(tx, web, username, row, parsed),
            unsubscribing.offer(tx, username, row, parsed),
        )
    )
    live = [item.status for item in deliveries if item.status != "cancelled"]
    recallable = bool(live) and all(status in waiting_store.RECALLABLE for status in live)
    own = own_addresses(username, opened)
    answers = answering.to(parsed, own, folder=row.folder)
    named = [*parsed.mailboxes("to"), *parsed.mailboxes("cc")]
    names = [_("me") if each.key in own else each.name or each.shown for each in named]
    is_proven = bodies.proven_author(row.authentication, parsed) is not None
    sender = parsed.sender.display if parsed.sender else row.sender
    domain = parsed.sender.domain if parsed.sender else ""  # the envelope's sender is not what was shown to be genuine
    return {
        "parsed": parsed,
        "sender": sender,
        "sender_name": parsed.sender_name,
        "to_short": _shortened(list(dict.fromkeys(names))) or row.recipient or _("undisclosed recipients"),
        "reply_all": answers.reply_all() != answers.reply(),
        "reply_list": parsed.list_post,
        "warnings": [
            *impostors.warnings(who, row, parsed.authors),
            *lures.answers(who, row, parsed, own, is_proven=is_proven),
        ],
        "verdict": bodies.verdict(row.authentication, domain),
        "hops": hops.of(parsed.texts("received"), web.settings.hostname) if not is_own else [],
        "deliveries": deliveries,
        "waiting": waiting,
        "recallable": recallable,
        "returns": returns.sentences(reports),
        "invitation": invitation,
        "is_apart": is_apart,
        "team": _team(row.id),
        "receipt": receipt,
        "unsubscribe": unsubscribe,
    }


def quick_reply_of(username: str, opened: OpenedMessage) -> Form | None:
    """What the answer below a message begins with; None where none is written there."""
    if auth.caller().visited_by is not None or opened.row.folder in ("drafts", "junk"):
        return None
    found = beginning.short_reply(username, opened)
    return found if found.to and beginning.senders(username) else None


def _shortened(names: list[str]) -> str:
    return listed(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _filtered(username: str, email_id: int) -> list[tuple[FilterLogLine, str]]:
    """What the reader's filters did with a message, each in words."""
    lines = current().database.read(lambda tx: filter_store.log_of(tx, username, email_id))
    return [(each, filter_words.did(each)) for each in lines]


def _team(email_id: int) -> dict[str, Any] | None:
    """What members of a shared mailbox see of each other; None in a mailbox of one's own."""
    web, caller = current(), auth.caller()
    marks = team.of(web, caller, email_id)
    if marks is None:
        return None
    members = web.database.read(lambda tx: team.mailbox_of(tx, caller)).members
    minutes = max(0, int(web.clock()) - (marks.answering_ts or 0)) // 60
    return {
        "marks": marks,
        "members": [mailbox_accounts.shown(each) for each in members],
        "since": _("just now") if minutes < 1 else ngettext("%(n)s minute", "%(n)s minutes", minutes),
    }


def _mark_read(username: str, row: EmailRow) -> bool:
    """Marks a message as read; whether it was unread so far."""
    # A link on somebody else's site, or a browser that looks ahead, reads nothing.
    if row.is_read or not csrf.comes_from_here(request) or csrf.is_prefetch(request):
        return False
    if auth.caller().visited_by is not None:
        return False
    current().database.write(lambda tx: mailbox.set_read(tx, username, [row.id], True))
    return True


def _tell_that_it_was_read(opened: OpenedMessage) -> None:
    """Sends the receipt that is asked for, where the reader wants them to be sent always."""
    web, (caller, username) = current(), user()
    found = web.database.read(lambda tx: receipts.wanted(tx, web, username, opened.row, opened.parsed))
    if found is not None and found.is_sent_unasked:
        with contextlib.suppress(Problem):  # it is asked for by the page then
            receipts.send(web, caller, opened.row.id, unasked=True)
