"""Senders: whom a user lets in, whom they keep out, and whether the mail of unknown ones is kept apart."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from onifast_shared.acts.journal import ListAct
from onifast_shared.db.database import Connection
from onifast_shared.junk import senders as store
from onifast_shared.mailboxes import mailbox, preferences, sender_choices
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.sender_choices import ChosenSender, SenderChoice
from onifast_shared.values.address import Address, AddressError, parse_domain

from onifast_web.access.context import Web
from onifast_web.http.problems import not_found, unprocessable
from onifast_web.languages.texts import _

BlockedPlace = Literal["junk", "trash"]


@dataclass(frozen=True)
class SenderStanding:
    """Whether unknown senders are kept apart, in which own folder (None: not made yet), and who was chosen.

    `blocked_to` is where mail of blocked senders goes: junk or trash.
    """

    keeps_apart: bool
    folder: Label | None
    chosen: list[ChosenSender]
    blocked_to: BlockedPlace = "junk"


def standing(web: Web, username: str) -> SenderStanding:
    """What a user chose about senders."""
    return web.database.read(
        lambda tx: SenderStanding(
            preferences.keeps_unknown_apart(tx, username),
            store.folder_of(tx, username),
            sender_choices.list_all(tx, username),
            "trash" if preferences.blocked_to_trash(tx, username) else "junk",
        )
    )


def keep_apart(web: Web, username: str, keeps: bool) -> None:
    """Sets whether the mail of unknown senders is kept apart; what lies there stays."""
    web.database.write(lambda tx: preferences.put_keeps_unknown_apart(tx, username, keeps))


def block_to(web: Web, username: str, place: BlockedPlace) -> None:
    """Sets where mail of blocked senders goes, from now on."""
    web.database.write(lambda tx: preferences.put_blocked_to_trash(tx, username, place == "trash"))


def choose(web: Web, username: str, sender: str, choice: SenderChoice) -> str:
    """Accepts or blocks an address, or a domain with all below it, from now on; its normal form.

    Raises Problem(422) for what is neither.
    """
    name = _sender(sender.strip())
    web.database.write(lambda tx: sender_choices.choose(tx, username, name, choice, web.clock()))
    return name


def _sender(text: str) -> str:
    try:
        if "@" in text.lstrip("@"):
            return Address.parse(text).key
        domain = parse_domain(text.lstrip("@"))
    except AddressError:
        raise unprocessable("sender", _("Neither an e-mail address nor a domain.")) from None
    if "." not in domain or domain.startswith("["):
        raise unprocessable("sender", _("A domain has a dot in it: shop.example."))
    return f"@{domain}"


def decide(web: Web, username: str, ids: Collection[int], choice: SenderChoice, came: str = "inbox") -> ListAct:
    """Accepts or blocks who wrote messages, and moves their mail; an act that can be undone.

    `came` is the place in which that was asked for. Raises Problem(404).
    """

    def write(tx: Connection) -> ListAct:
        for email_id in ids:
            row = mailbox.get(tx, username, email_id) if 0 < email_id < 2**63 else None
            if row is None or row.folder in ("sent", "drafts"):
                raise not_found()
        return store.decide(tx, username, ids, choice, came=came, now=web.clock())

    return web.database.write(write)


def forget(web: Web, username: str, sender: str) -> None:
    """Takes a choice back, for what comes from now on; raises Problem(404) where there is none."""
    if not web.database.write(lambda tx: sender_choices.forget(tx, username, sender)):
        raise not_found("sender")
