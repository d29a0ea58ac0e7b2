"""Digests: users who want that are told by mail, each day or week, what went to their junk and what was refused.

A digest goes into the user's own mailbox and nowhere else, whatever forwards there are: its links lead to their mail.
They open pages on which a button does something; a link itself does nothing, since programs follow links.
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable, Iterator, Sequence

from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery
from onifast_shared.accepting.distribution import trace_of
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.junk import digests
from onifast_shared.junk.digests import DigestContent, DueDigest
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft
from onifast_shared.recipients import addresses, quotas
from onifast_shared.values.address import Address

from onifast_outbox import maillog

ROUND_SECONDS = 60.0

_HEADER = b"Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n"  # no vacation note answers it (RFC 3834)
_LONGEST = 100  # characters of a stranger's words
# A stranger's link must not look like one of ours.
_LINK = re.compile(r"\b(?:(?:https?|ftp)://|www\.)", re.IGNORECASE)
_LETTERS = string.ascii_letters


class Digests:
    """One for a program. `now` gives epoch seconds."""

    def __init__(self, db: Database, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self._db = db
        self._settings = settings
        self._now = now

    async def run_once(self) -> int:
        """Tells some users; how many were due. Raises DatabaseError."""
        found = await self._db.aread(lambda tx: digests.due(tx, self._now()))
        for digest in found:
            try:
                await self._tell(digest)
            except DatabaseError:
                raise
            except Exception:  # it must not hold up the others
                maillog.unforeseen("telling of junk")
                await self._db.awrite(lambda tx, digest=digest: digests.mark(tx, digest, self._now()))  # type: ignore[misc]
        return len(found)

    async def _tell(self, digest: DueDigest) -> None:
        told, primary = await self._db.aread(
            lambda tx: (digests.content(tx, digest), addresses.primary_address(tx, digest.username))
        )
        raw = build(told, primary, self._settings) if primary and (told.junk_count or told.refused_count) else None
        await self._db.awrite(lambda tx: self._deliver(tx, digest, primary, raw))

    def _deliver(self, tx: Connection, digest: DueDigest, primary: Address | None, raw: bytes | None) -> None:
        if not digests.mark(tx, digest, self._now()) or raw is None or primary is None:
            return
        if quotas.of(tx, "owner", digest.username, self._settings).judge(len(raw)) != "room":
            return  # whoever has no room for mail has none for this
        delivery = LocalDelivery(digest.username, str(primary), trace_of(None, primary), is_judged=True)
        incoming = IncomingMessage("", [delivery], file_copies=self._settings.file_copies)
        accept.deliver_in(tx, contents.attach(tx, ContentRef(len(raw), raw, None)), len(raw), incoming)


def build(told: DigestContent, primary: Address, settings: Settings) -> bytes:
    """The digest as a message; raises DraftError for an address that cannot stand in one."""
    draft = Draft(
        from_=f"Mail server <postmaster@{settings.hostname}>",
        to=[str(primary)],
        subject=f"Junk and refused mail: {told.junk_count + told.refused_count} new",
        text="\n".join(_lines(told, settings)),
    )
    return _HEADER + compose.build(draft, settings.hostname)


def _lines(told: DigestContent, settings: Settings) -> Iterator[str]:
    url = settings.webmail_url
    if told.junk_count:
        yield from _head(told.junk_count, "went to your junk", len(told.junk), "Junk", url and f"{url}/folders/junk")
        for row in told.junk:
            yield f"  {_shown(row.sender_name or row.sender)}: {_shown(row.subject or '(no subject)')}"
            if url:
                yield f"  {url}/messages/{row.id}"
            yield ""
    if told.refused_count:
        shown = _head(told.refused_count, "was refused", len(told.refused), "Refused mail", url and f"{url}/refusals")
        yield from shown
        for item in told.refused:
            subject = f": {_shown(item.kept.subject or '(no subject)')}" if item.kept else ""
            yield f"  {_shown(item.refusal.sender or 'no sender')} to {_shown(item.refusal.recipient)}{subject}"
            if url:
                yield f"  {url}/refusals/{item.id}"
            yield ""
    yield "A message that is no junk you move to the inbox; refused mail that was kept you fetch back on its page."
    yield "How often you are told of this you choose in the webmail, under Settings, Junk filter."


def _head(number: int, what: str, shown: int, page: str, url: str) -> Sequence[str]:
    messages = "1 message" if number == 1 else f"{number} messages"
    verb = what.replace("was", "were") if number != 1 else what
    rest = f" The newest {shown} of them:" if shown < number else ""
    return [f"{messages} {verb} since you were told last.{rest}", f"All of them: {url or page}", ""]


def _shown(text: str) -> str:
    """A stranger's words, in one line, not too long, and no link."""
    text = _LINK.sub(lambda match: f"{match[0].rstrip('.:/')} {match[0].lstrip(_LETTERS)}", " ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
