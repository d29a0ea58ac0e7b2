"""Lures: what in a message leads its reader to somebody else than it says, in sentences for them.

Newsletters count the clicks on their links, and have their answers go elsewhere: who says how to get off a list, or
proves to be whom the link names, is not warned of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.parsing import Summary
from onifast_shared.values.address import Address, display_domain
from onifast_shared.values.suffixes import suffixes

from onifast_web.languages.texts import _
from onifast_web.reading.impostors import Reader
from onifast_web.reading.link_targets import LyingLink

MOST_LINKS = 3
"""Links of one message that are told of above it; each stands marked in the text."""

# Where anybody gets an address: no firm has its customers' answers go there.
_FREE_MAIL = frozenset(
    (
        *("aol.com", "gmail.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com", "live.com"),
        *("mail.com", "mail.ru", "outlook.com", "proton.me", "protonmail.com", "t-online.de", "web.de", "yahoo.com"),
        "yandex.ru",
    )
)
_OF_MANY = ("list-id", "list-unsubscribe", "list-post", "auto-submitted", "feedback-id")
_NOT_OURS = ("sent", "drafts")


def answers(who: Reader, row: EmailRow, message: Summary, own: Collection[str], *, is_proven: bool) -> list[str]:
    """Where answers would go, if that is neither where the author is nor anybody whom the reader knows.

    `own` has the keys of the reader's addresses. Mail that was not checked was written here. Who proves to be its
    author (`is_proven`) may have answers go to another domain of theirs, but not to where anybody has an address.
    """
    author = message.sender
    if row.folder in _NOT_OURS or not row.authentication or author is None or _is_of_many(message):
        return []
    home = suffixes().organizational(author.domain)
    wanted = [each.address for each in message.mailboxes("reply-to") if each.address]
    if home in who.own or any(suffixes().organizational(each.domain) == home for each in wanted):
        return []
    foreign = [each for each in wanted if each.key not in own and not _is_known(who, each, row)]
    if is_proven:
        foreign = [each for each in foreign if each.domain in _FREE_MAIL]
    if not foreign:
        return []
    where = display_domain(foreign[0].domain)
    known = {"address": foreign[0].display, "domain": where, "author": display_domain(author.domain)}
    return [_("Answers go to %(address)s, at %(domain)s and not at %(author)s.", **known)]


def links(who: Reader, row: EmailRow, message: Summary, lies: Sequence[LyingLink], *, is_proven: bool) -> list[str]:
    """Links that name a site that everybody or the reader knows, and lead to another one.

    `is_proven` says that nobody else than its author can have written it.
    """
    if row.folder in _NOT_OURS or "list-unsubscribe" in message.names:
        return []
    author = suffixes().organizational(message.sender.domain) if message.sender else ""
    return list(dict.fromkeys(_about_links(who, lies, author if is_proven else "")))[:MOST_LINKS]


def _about_links(who: Reader, lies: Sequence[LyingLink], author: str) -> Iterator[str]:
    for each in lies:
        if each.named != author and (each.named in who.everybodys or each.named in who.own):
            known = {"named": display_domain(each.named), "target": display_domain(each.target)}
            yield _("A link that reads %(named)s leads to %(target)s.", **known)


def _is_of_many(message: Summary) -> bool:
    names = set(message.names)
    return any(name in names for name in _OF_MANY) or (message.header("precedence") or "").lower() in ("bulk", "list")


def _is_known(who: Reader, address: Address, row: EmailRow) -> bool:
    """Whether the reader knew an address, or wrote to its organisation, before the message came."""
    known = who.people.get(address.key)
    if known is not None and known.known_ts < row.received_ts:
        return True
    return who.has_written(suffixes().organizational(address.domain), row.received_ts)
