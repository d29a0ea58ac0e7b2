"""The rows of a list of messages, ready for the page: what a template would find out fifty times is found out here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onifast_shared.mailboxes.conversations import ConversationSummary, Participant
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.team_marks import TeamMark
from onifast_shared.search.highlight import Excerpt
from onifast_shared.values import mailbox_accounts

from onifast_web.http.links import numbered
from onifast_web.languages.texts import _, marked
from onifast_web.webmail import filters

_WRITTEN_HERE = ("sent", "drafts")
_NO_SUBJECT = marked("(no subject)")
_MOST_NAMES = 3


class StatusPill(NamedTuple):
    """A pill beside a message: its word, its kind, and the time until which the message waits."""

    word: str
    kind: str
    release_ts: int = 0


class ListedName(NamedTuple):
    """Somebody of a conversation, as a list names them; "…" stands for those who are left out."""

    name: str
    is_unread: bool


class ListedRow(NamedTuple):
    """A message in a list, or a conversation by its newest message there.

    `pill` is the name of the folder where that is not the list's, `who` the other side, `is_to` whether that is who it
    is for. Of a conversation `names` took part, and it has `total` messages. `moment` is the time as `<time datetime>`
    has it, `shown` for people, `style` how scripts show it. `is_woken`: it came back unread after it was put off.
    `to_address` is where it came, if that is to be told, and `to_shown` what of that its reader needs.
    """

    id: int
    url: str
    who: str
    tint: int
    initial: str
    subject: str
    shown_subject: str
    snippet: str
    excerpt: Excerpt | None
    is_read: bool
    is_starred: bool
    is_to: bool
    has_attachments: bool
    is_doubtful: bool
    pill: str
    labels: Sequence[Label]
    mark: StatusPill | None
    moment: str
    shown: str
    style: str
    names: Sequence[ListedName]
    total: int
    has_draft: bool
    is_answered: bool
    is_forwarded: bool
    team: Sequence[StatusPill]
    is_woken: bool
    to_address: str
    to_shown: str


def listed_row(
    row: EmailRow,
    *,
    pill: str,
    labels: Sequence[Label],
    mark: StatusPill | None,
    excerpt: Excerpt | None,
    is_doubtful: bool,
    conversation: ConversationSummary | None = None,
    place: str | None = None,
    team: Sequence[StatusPill] = (),
    tells_address: bool = False,
) -> ListedRow:
    """A message of a page, or its whole conversation, which is opened from the list of `place`."""
    is_draft = row.folder == "drafts"
    if conversation:
        url = numbered("webmail.conversation", "conversation_id", conversation.id, place=place)
    elif is_draft:
        url = numbered("webmail.compose", "draft", row.id)
    else:
        url = numbered("webmail.message", "email_id", row.id)
    every = conversation or row
    who = filters.counterpart(row)
    when, style = (mark.release_ts, "soon") if mark and mark.release_ts else (row.received_ts, "short")
    told = row.recipient if tells_address and row.folder not in _WRITTEN_HERE else ""
    return ListedRow(
        *(row.id, url, who, filters.tint(who), filters.initial(who)),
        *(row.subject or _("no subject"), row.subject or _NO_SUBJECT, row.snippet, excerpt),
        *(row.is_read if conversation is None else not conversation.unread, row.is_starred),
        *(row.folder in _WRITTEN_HERE, every.has_attachments, is_doubtful),
        pill=pill,
        labels=labels,
        mark=mark,
        moment=filters.iso(when) if when else "",
        shown=filters.utc(when, style) if when else "",
        style=style,
        names=names_of(conversation.people) if conversation else (),
        total=conversation.total if conversation else 1,
        has_draft=bool(conversation and conversation.has_draft),
        is_answered=every.is_answered,
        is_forwarded=every.is_forwarded,
        team=team,
        is_woken=row.woken_from_ts is not None and not row.is_read,
        to_address=told,
        to_shown=told.split("@")[0],
    )


def team_pills(mark: TeamMark | None, member: str | None) -> list[StatusPill]:
    """What members of a shared mailbox tell each other of a message: who answers it, that it is done, whose it is."""
    found: list[StatusPill] = []
    if mark is None or member is None:
        return found
    if mark.answering_by is not None and mark.answering_by != member:
        found.append(StatusPill(_("%(answering_by)s is answering", answering_by=_short(mark.answering_by)), "wait"))
    if mark.done_by is not None:
        return [*found, StatusPill(_("Done"), "good")]
    if mark.assigned_to is not None:
        found.append(
            StatusPill(
                _("Yours")
                if mark.assigned_to == member
                else _("For %(assigned_to)s", assigned_to=_short(mark.assigned_to)),
                "idle",
            )
        )
    return found


def _short(account: str) -> str:
    return mailbox_accounts.shown(account).partition("@")[0]


def names_of(people: Sequence[Participant]) -> list[ListedName]:
    """Who took part, each once, in the order of their first messages; of many the first one and the latest ones."""
    names: dict[str, bool] = {}
    for each in people:
        name = _("me") if each.is_me else (each.name.split("@")[0].strip() or _("somebody"))
        names[name] = names.get(name, False) or each.is_unread
    found = [ListedName(name, is_unread) for name, is_unread in names.items()]
    if len(found) <= _MOST_NAMES:
        return found
    return [found[0], ListedName("…", False), *found[1 - _MOST_NAMES :]]
