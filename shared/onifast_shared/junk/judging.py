"""Judges a message for its owner: whether they know who wrote it, and whether it is junk by what they taught.

smtpd has judged it for everybody already. What its owner did decides here: whom they have written to is never junk,
where DMARC shows today that it is them; whom they called junk, and was shown to be the sender, is junk again; and what
has the words of what they called junk is junk too. A content filter's word stands in any case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.junk import model, score
from onifast_shared.junk.model import JunkModel
from onifast_shared.junk.score import Clue, FeatureCounts, Score
from onifast_shared.junk.words import Feature, Reading
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import ScannerAddress
from onifast_shared.mailboxes import preferences
from onifast_shared.recipients import addresses, correspondents
from onifast_shared.values import submitters
from onifast_shared.values.address import Address
from onifast_shared.values.suffixes import suffixes
from onifast_shared.values.well_known import WELL_KNOWN

JUNK_FROM = 0.98
"""The score from which on a message is junk."""

FEWEST_LEARNED = 20
"""Messages of each kind that must have been learned before words count."""

_MANY_LEARNED, _JUNK_FROM_BEFORE = 200, 0.995  # messages moved to junk up to which words have to say more

_FEWEST_OF_SENDER, _FEWEST_OF_DOMAIN = 2, 3  # messages moved to junk that make a sender's next one junk
_SHOWN_WORDS = 3

Correspondence = Literal["written", "known", "seen", "first"]
"""What an owner had to do with a sender: they have written to them, or had mail from them, and DMARC shows that it is
them; had mail that says it is from them; had none."""


@dataclass(frozen=True)
class ArrivedMessage:
    """A message to be judged, and what is known of its owner. `is_filtered`: they want junk looked for.

    `submitted_by` is who wrote what was submitted here, whose origin smtpd did not check; "" if that is not known.
    """

    email_id: int
    owner: str
    folder: str
    reverse_path: str
    authentication: Mapping[str, Any]
    submitted_by: str | None
    is_filtered: bool
    model: JunkModel
    queue_id: str = ""


@dataclass(frozen=True)
class JunkVerdict:
    """Where a message belongs, and why in a sentence, "" for no reason of ours.

    `is_apart`: into the own folder for mail of unknown senders; `is_blocked`: its owner has blocked the sender (both
    `junk.senders`).
    """

    folder: str
    reason: str = ""
    score: float | None = None
    correspondent: Correspondence | None = None
    is_proven: bool = False
    is_apart: bool = False
    is_blocked: bool = False


@dataclass(frozen=True)
class _Evidence:
    """What speaks for and against a message."""

    correspondent: Correspondence | None
    author: str = ""
    of_senders: Mapping[str, FeatureCounts] = field(default_factory=dict)
    of_words: Score | None = None


def learns_elsewhere(settings: Settings) -> ScannerAddress | None:
    """Where the configured junk filter learns for each user; None where it does not, or there is none."""
    return settings.scanner_learns_at if settings.scanner is not None else None


def has_own_filter(settings: Settings) -> bool:
    """Whether the filter of our own learns, and looks for junk."""
    return settings.junk_filter == "own" and learns_elsewhere(settings) is None


def look(tx: Connection, email_id: int) -> ArrivedMessage | None:
    """A message to be judged; None for one that is judged already, or that nobody owns."""
    sql = """
        SELECT owner, folder, coalesce(reverse_path, ''), authentication,
               CASE WHEN authentication IS NULL THEN coalesce(
                   (SELECT o.submitted_by FROM outbox o WHERE o.queue_id = e.queue_id LIMIT 1), '') END,
               coalesce(queue_id, '')
        FROM emails e WHERE id = ? AND judged = 0 AND owner IS NOT NULL
    """
    row = tx.execute(sql, (email_id,)).fetchone()
    if row is None:
        return None
    owner, folder, reverse_path, stored, submitted_by, queue_id = row
    return ArrivedMessage(
        email_id, owner, folder, reverse_path, checks(stored), submitted_by, preferences.filters_junk(tx, owner),
        model.of(tx, owner), queue_id,
    )  # fmt: skip


def waits(tx: Connection, email_id: int) -> bool:
    """Whether a message is still to be judged."""
    return tx.execute("SELECT 1 FROM emails WHERE id = ? AND judged = 0", (email_id,)).get is not None


def judge(tx: Connection, arrived: ArrivedMessage, reading: Reading, *, own_filter: bool = True) -> JunkVerdict:
    """The verdict on a message, from what its owner did so far. Without `own_filter` another one looks for junk."""
    author = reading.author
    if author is None or (arrived.submitted_by is not None and not arrived.reverse_path):
        return JunkVerdict(arrived.folder)  # our own notices are nobody's junk
    proven = _is_proven(tx, arrived, author)
    evidence = _Evidence(_correspondent(tx, arrived, author, proven=proven), str(author))
    if own_filter and arrived.is_filtered and arrived.model is not model.NO_MODEL:
        names = sender_names(author) if proven else []
        of_words = _score(tx, arrived.model, reading.features)
        evidence = replace(evidence, of_senders=model.sender_counts(tx, arrived.model, names), of_words=of_words)
    return replace(decide(arrived, evidence), is_proven=proven)


def decide(arrived: ArrivedMessage, evidence: _Evidence) -> JunkVerdict:
    """The verdict from all evidence."""
    folder, known = arrived.folder, evidence.correspondent
    if "content filter" in arrived.authentication.get("junk_by", ()):
        return JunkVerdict(folder, correspondent=known)
    if known == "written":
        why = f"You have written to {evidence.author}, and it was shown to be from them." if folder == "junk" else ""
        return JunkVerdict("inbox", why, correspondent=known)
    if reason := _by_sender(evidence):
        return JunkVerdict("junk", reason, correspondent=known)
    found = evidence.of_words
    if found is None or _is_trusted(evidence):
        return JunkVerdict(folder, correspondent=known)
    if found.value >= (JUNK_FROM if arrived.model.learned.junk >= _MANY_LEARNED else _JUNK_FROM_BEFORE):
        return JunkVerdict("junk", _alike(found.clues), found.value, known)
    return JunkVerdict(folder, "", found.value, known)


def settle(tx: Connection, arrived: ArrivedMessage, verdict: JunkVerdict | None) -> bool:
    """Stores a verdict, and moves the message where it says; whether it was moved.

    None is for what could not be judged. A message that its owner has moved meanwhile stays where it is.
    """
    found = verdict or JunkVerdict(arrived.folder)
    sql = """
        UPDATE emails SET judged = 1, correspondent = ?2, junk_score = ?3, junk_reason = ?4, sender_proven = ?5,
                          folder = CASE WHEN folder = ?6 THEN ?7 ELSE folder END
        WHERE id = ?1 AND judged = 0 RETURNING folder
    """
    reason, proven = found.reason or None, int(found.is_proven)
    folders = (arrived.folder, found.folder)
    row = tx.execute(sql, (arrived.email_id, found.correspondent, found.score, reason, proven, *folders)).fetchone()
    return row is not None and row[0] == found.folder != arrived.folder


def sender_names(author: Address) -> list[str]:
    """By which names a proven author is known: the address, and the organizational domain."""
    return [author.key, f"@{suffixes().organizational(author.domain)}"]


def checks(stored: object) -> dict[str, Any]:
    """What smtpd found out about a message, as it is stored."""
    try:
        found = json.loads(str(stored)) if stored else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def passes_dmarc(authentication: Mapping[str, Any], author: Address) -> bool:
    """Whether DMARC shows that a message is from whom it says."""
    details = authentication.get("details")
    dmarc = details.get("dmarc") if isinstance(details, dict) else None
    domain = dmarc.get("domain") if isinstance(dmarc, dict) else None
    return authentication.get("dmarc") == "pass" and domain in (None, author.domain)


def _is_proven(tx: Connection, arrived: ArrivedMessage, author: Address) -> bool:
    """Whether a message is from whom it says: DMARC passed, or who submitted it here has that address."""
    if arrived.submitted_by is None:
        return passes_dmarc(arrived.authentication, author)
    submitter = submitters.user_of(arrived.submitted_by) or submitters.unix_user_of(arrived.submitted_by)
    return submitter is not None and addresses.owns(tx, submitter, author)


def _correspondent(tx: Connection, arrived: ArrivedMessage, author: Address, *, proven: bool) -> Correspondence:
    known = correspondents.find(tx, arrived.owner, author) if proven else None
    if known is not None:
        return "known" if known.written_ts is None else "written"
    sql = """
        SELECT 1 FROM emails WHERE owner = ?1 AND lower(sender) = lower(?2) AND id <> ?3
        AND folder NOT IN ('sent', 'drafts') LIMIT 1
    """
    return "seen" if tx.execute(sql, (arrived.owner, str(author), arrived.email_id)).fetchone() else "first"


def _score(tx: Connection, known: JunkModel, features: Sequence[Feature]) -> Score | None:
    if min(known.learned.good, known.learned.junk) < FEWEST_LEARNED:
        return None
    return score.score(features, model.counts(tx, known, features), known.learned)


def _by_sender(evidence: _Evidence) -> str:
    """Why a proven sender's message is junk, "" if it is not."""
    for name, counts in evidence.of_senders.items():
        if counts.good:
            continue
        if not name.startswith("@") and counts.junk >= _FEWEST_OF_SENDER:
            return f"It is in junk because you moved {counts.junk} messages from {evidence.author} to junk."
        # A mail provider's domain is everybody's: what one of its users sends says nothing of the others.
        if name.startswith("@") and counts.junk >= _FEWEST_OF_DOMAIN and name[1:] not in WELL_KNOWN:
            return f"It is in junk because you moved {counts.junk} messages from {name[1:]} to junk."
    return ""


def _is_trusted(evidence: _Evidence) -> bool:
    """Whether a proven sender's mail was kept so far, so that words alone do not make it junk."""
    return any(
        counts.good and not counts.junk for name, counts in evidence.of_senders.items() if not name.startswith("@")
    )


def _alike(clues: Sequence[Clue]) -> str:
    """Why words make a message junk: like how many that were moved there, and by which words."""
    telling = [clue for clue in clues if clue.probability > 0.5]
    number = max((clue.counts.junk for clue in telling), default=0)
    named = sorted(
        (clue for clue in telling if clue.feature.word), key=lambda clue: (clue.counts.good, -clue.counts.junk)
    )
    shown = ", ".join(f"“{word}”" for word in list(dict.fromkeys(clue.feature.word for clue in named))[:_SHOWN_WORDS])
    like = "a message" if number == 1 else f"{number} messages"
    return f"It is in junk because it is like {like} that you moved to junk{f': {shown}' if shown else ''}."
