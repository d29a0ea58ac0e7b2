"""Leaving a mailing list: by one click that outbox makes (RFC 8058), by a message, or on a page of the list's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox, unsubscriptions
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.unsubscriptions import Unsubscription
from onifast_shared.message import mailing_list, parsing
from onifast_shared.message.compose import Draft
from onifast_shared.message.mailing_list import UnsubscribeWays
from onifast_shared.message.parsing import Summary
from onifast_shared.values.address import display_domain

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import sending
from onifast_web.http.problems import Problem, not_found, waiting_for_others
from onifast_web.languages.texts import _

PATIENCE = 5.0
"""Seconds that a page waits for the list's answer; one that comes later is there when it is opened again."""

_LOOK = 0.1
_NOT_OFFERED = ("sent", "drafts", "junk")


@dataclass(frozen=True)
class UnsubscribeOffer:
    """The way off a list that a message came by: to `where` it leads, and what was asked before, if anything was.

    `page` is where people go to, for that way alone.
    """

    method: Literal["one-click", "mail", "page"]
    where: str
    page: str
    asked: Unsubscription | None


def offer(tx: Connection, owner: str, row: EmailRow, message: Summary) -> UnsubscribeOffer | None:
    """The best way off the list that a message came by; None where it names none, or is junk: that is not answered."""
    if row.folder in _NOT_OFFERED or "list-unsubscribe" not in message.names:
        return None
    ways = ways_of(row, message)
    asked = unsubscriptions.find(tx, owner, list_of(row, message))
    if ways.one_click:
        return UnsubscribeOffer("one-click", _host(ways.one_click), "", asked)
    if ways.mail:
        return UnsubscribeOffer("mail", ways.mail.to.display, "", asked)
    return UnsubscribeOffer("page", _host(ways.page), ways.page, asked) if ways.page else None


def leave(web: Web, caller: Caller, email_id: int, *, sender: str) -> None:
    """Asks the list that a message came by for no more of its mail, and waits a while for what it answers.

    Raises Problem(404) for a message that is not there, Problem(409) for one that names no such way; and, by mail, what
    sending.send raises.
    """

    def read(tx: Connection) -> tuple[EmailRow, Summary]:
        row = mailbox.get(tx, caller.mail_of, email_id) if email_id < 2**63 else None
        if row is None or row.owner is None:
            raise not_found()
        return row, parsing.summary(mailbox.raw(tx, email_id))

    row, message = web.database.read(read)
    ways, name, owner = ways_of(row, message), list_of(row, message), str(row.owner)
    if row.folder in _NOT_OFFERED or not (ways.one_click or ways.mail):
        raise Problem(409, _("This message names no way off its list that could be gone from here."))
    if ways.one_click:
        url = ways.one_click
        web.database.write(lambda tx: unsubscriptions.ask(tx, owner, name, web.clock(), method="one-click", target=url))
        _wait(web, owner, name)
    elif ways.mail:
        mail = ways.mail
        draft = Draft(from_=sender, to=[str(mail.to)], subject=mail.subject, text=mail.text)

        def note(tx: Connection) -> None:
            unsubscriptions.ask(tx, owner, name, web.clock(), method="mail", target=str(mail.to), is_made=True)

        sending.send(web, caller, draft, origin="web", together_with=note)


def ways_of(row: EmailRow, message: Summary) -> UnsubscribeWays:
    """The ways off the list that a message came by."""
    signers = row.authentication.get("dkim_domains")
    passed = {each.lower() for each in signers if isinstance(each, str)} if isinstance(signers, list) else set[str]()
    return mailing_list.unsubscribe_ways(
        message.texts("list-unsubscribe"),
        message.texts("list-unsubscribe-post"),
        is_signed=mailing_list.are_covered(message.texts("dkim-signature"), passed),
    )


def list_of(row: EmailRow, message: Summary) -> str:
    """What a list is known by: its List-Id, or else its sender's address."""
    return mailing_list.list_id(message.header("list-id") or "") or row.sender.lower()


def _wait(web: Web, owner: str, name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    try:
        with waiting_for_others(web.places_to_wait):
            while time.monotonic() < deadline:
                found = web.database.read(lambda tx: unsubscriptions.find(tx, owner, name))
                if found is None or found.answered_ts is not None:
                    return
                time.sleep(_LOOK)
    except Problem:
        return  # too many wait: the page says that it is under way


def _host(url: str) -> str:
    return display_domain(urlsplit(url).hostname or "")
