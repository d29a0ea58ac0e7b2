"""Changing a domain's DKIM keys without a moment in which a signature cannot be verified (RFC 6376 section 3.1).

A rotation begins with a new key beside the one that signs, under a selector of its own. Once DNS has shown its record
for a while, the files are exchanged: that one step decides, and the table follows it. The old record is needed as long
as mail that the old key signed may be under way; then the old key is deleted, and its record may go.

Every step may be repeated, and done by two programs at once. What a crash leaves is put right by `mend`: the files say
which key signs, the table what each key is called.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from onifast_shared.db.database import Connection, Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim import record_events, selectors
from onifast_shared.dkim.keys import ED25519_SUFFIX, DkimKeyError, DkimKeyExists, SigningKey
from onifast_shared.dkim.published import RecordCheck
from onifast_shared.dkim.selectors import ABORTED, ACTIVE, PUBLISHING, REMOVED, RETIRED, RETIRING, Selector

LOOK_EVERY = 300
"""Seconds between two looks at DNS while a rotation waits for it."""

LOOK_AFTERWARDS_EVERY = 86400
"""Seconds between two looks that tell whether a record that nobody needs has gone."""

_LONGEST_BASE = 63 - len("-202611-99") - len(ED25519_SUFFIX)


class RotationError(Exception):
    """A step does not apply as things stand. The text is a sentence for who asked for it."""


class RotationSettings(Protocol):
    """What is needed of Settings."""

    @property
    def certs_dir(self) -> Path:
        """Where the keys lie."""

    @property
    def dkim_selector(self) -> str:
        """The name of a key that the table does not know."""

    @property
    def dkim_publish_wait(self) -> float:
        """Seconds for which DNS must have shown a new record."""

    @property
    def dkim_retire_after(self) -> float:
        """Seconds for which an old record is needed."""


@dataclass(frozen=True)
class DomainKeys:
    """A domain's keys: the keys that sign, by the files, and the table's rows, which may differ."""

    domain: str
    signing: tuple[SigningKey, ...]
    rows: tuple[Selector, ...]

    def in_state(self, *states: str) -> list[Selector]:
        """The rows in these states, the newest first."""
        return [row for row in self.rows if row.state in states]

    @property
    def is_replaced(self) -> bool:
        """Whether somebody else has put another key in place since a rotation began."""
        known = {row.fingerprint for row in self.rows}
        return bool(self.in_state(PUBLISHING)) and any(key.fingerprint not in known for key in self.signing)


class Rotations:
    """The steps, for one database and its keys. They block: call them off an event loop.

    All raise DkimKeyError for a key's file that cannot be used, read or written, and DatabaseError.
    """

    def __init__(self, db: Database, settings: RotationSettings) -> None:
        self._db = db
        self._settings = settings
        self._ring = dkim_keys.KeyRing(settings.certs_dir, settings.dkim_selector)

    def standing(self, domain: str) -> DomainKeys:
        """A domain's keys as they are, under the names that they are known by."""
        keys = self._ring.load(domain)
        name = keys[0].domain if keys else domain
        return self._db.read(
            lambda tx: DomainKeys(name, tuple(selectors.named(tx, keys)), tuple(selectors.list_for(tx, name)))
        )

    def begin(self, domain: str, now: float) -> DomainKeys:
        """Makes a new key for each one that signs, to be published; raises RotationError."""
        found = self.mend(domain, now)
        if not found.signing:
            raise RotationError(f"{domain} has no key yet: generate makes one.")
        if found.in_state(PUBLISHING):
            raise RotationError(f"A rotation of {domain}'s key is under way: switch ends it, abort calls it off.")
        name = unused_name(self._settings.dkim_selector, [row.selector for row in found.rows], now)
        fresh = [self._fresh(key, name) for key in found.signing]
        self._db.write(lambda tx: _enter(tx, found.signing, fresh, now))
        return self.standing(domain)

    def look(self, domain: str, checks: Mapping[str, RecordCheck], now: float) -> bool:
        """Notes what DNS shows, by the records' names; whether the new keys may sign from now on.

        That takes two looks, `dkim_publish_wait` apart, with no look between them that saw something else.
        """

        def write(tx: Connection) -> list[Selector]:
            rows = [looked(row, checks.get(record_name(row)), now) for row in selectors.list_for(tx, domain)]
            selectors.put_all(tx, rows)
            return rows

        waiting = [row for row in self._db.write(write) if row.state == PUBLISHING]
        return bool(waiting) and all(self._is_ripe(row, now) for row in waiting)

    def switch(self, domain: str, now: float) -> DomainKeys:
        """Signs with the new keys from now on; raises RotationError. Whether DNS shows them is the caller's matter."""
        found = self.mend(domain, now)
        waiting = found.in_state(PUBLISHING)
        if not waiting:
            raise RotationError(f"No rotation of {domain}'s key is under way.")
        self._remember(found.signing, now)
        current = {key.algorithm: key for key in found.signing}
        for row in waiting:
            self._exchange(row, current.get(row.algorithm))
        return self.mend(domain, now)

    def abort(self, domain: str, now: float) -> DomainKeys:
        """Gives a rotation up: the new keys are deleted, the old ones go on signing; raises RotationError."""
        if not self.mend(domain, now).in_state(PUBLISHING):
            raise RotationError(f"No rotation of {domain}'s key is under way.")
        self._change(domain, PUBLISHING, lambda row: replace(row, state=ABORTED))
        return self.mend(domain, now)

    def retire(self, domain: str, now: float) -> DomainKeys:
        """Declares the old keys' records unneeded before their time; raises RotationError."""
        if not self.mend(domain, now).in_state(RETIRING):
            raise RotationError(f"{domain} has no old key whose record is still needed.")
        self._change(domain, RETIRING, lambda row: replace(row, retire_ts=int(now)))
        return self.mend(domain, now)

    def note(self, domain: str, problem: str) -> None:
        """Has those who look at a rotation read why it does not go on."""
        self._change(domain, PUBLISHING, lambda row: replace(row, problem=problem))

    def mend(self, domain: str, now: float) -> DomainKeys:
        """Has the table follow the files, and time; deletes keys that are of no use any more."""
        found = self.standing(domain)
        signing = {key.fingerprint: key.selector for key in found.signing}
        wait = self._settings.dkim_retire_after
        changed = [after for row in found.rows if (after := followed(row, signing, now, wait)) != row]
        if changed:
            self._db.write(lambda tx: _follow(tx, changed, now))
            found = self.standing(domain)
        for row in found.in_state(RETIRED, REMOVED, ABORTED):
            # Who may not write there has done no harm by it: the key's record goes.
            with contextlib.suppress(DkimKeyError):
                dkim_keys.remove(self._aside(row))
        return found

    def _is_ripe(self, row: Selector, now: float) -> bool:
        return row.published_ts is not None and now - row.published_ts >= self._settings.dkim_publish_wait

    def _fresh(self, key: SigningKey, name: str) -> SigningKey:
        selector = name + ED25519_SUFFIX if key.algorithm == "ed25519-sha256" else name
        path = dkim_keys.aside_path(self._settings.certs_dir, key.domain, key.algorithm, selector)
        try:
            return dkim_keys.write_new(path, selector, key.algorithm)
        except DkimKeyExists:
            # Of a crash before the table knew of it, or of a program that does the same right now.
            found = self._ring.read(path, selector)
        if found is None:
            raise DkimKeyError(f"DKIM key {path} has gone: try again")
        return found

    def _exchange(self, row: Selector, current: SigningKey | None) -> None:
        path = self._aside(row)
        new = self._ring.read(path, row.selector)
        if new is None:
            if current is not None and current.fingerprint == row.fingerprint:
                return  # somebody was quicker
            raise RotationError(f"The new key of {row.domain} is missing ({path.name}): abort, and begin again.")
        if new.fingerprint != row.fingerprint:
            raise RotationError(f"{path.name} of {row.domain} is not the key that was published: abort, begin again.")
        kept = path if current is None else self._aside_of(current)
        dkim_keys.exchange(new, current, kept)

    def _remember(self, keys: Sequence[SigningKey], now: float) -> None:
        """A row for each key that has none: when it signs no more, its record is still needed under that name."""

        def write(tx: Connection) -> None:
            known = {row.fingerprint for key in keys for row in selectors.list_for(tx, key.domain)}
            for key in keys:
                if key.fingerprint not in known:
                    selectors.put(tx, Selector.of(key, ACTIVE, now))

        self._db.write(write)

    def _change(self, domain: str, before: str, change: Callable[[Selector], Selector]) -> None:
        def write(tx: Connection) -> None:
            for row in selectors.list_for(tx, domain):
                if row.state == before:
                    selectors.put(tx, change(row))

        self._db.write(write)

    def _aside(self, row: Selector) -> Path:
        return dkim_keys.aside_path(self._settings.certs_dir, row.domain, row.algorithm, row.selector)

    def _aside_of(self, key: SigningKey) -> Path:
        return dkim_keys.aside_path(self._settings.certs_dir, key.domain, key.algorithm, key.selector)


def unused_name(base: str, taken: Sequence[str], now: float) -> str:
    """A selector that a domain never had: the setting's with the month, and a number if the month has several."""
    stem = re.sub(r"-[0-9]{6}(-[0-9]+)?$", "", base)[:_LONGEST_BASE].rstrip("-._")
    month = f"{stem}-{time.strftime('%Y%m', time.gmtime(now))}"
    used = {name.removesuffix(ED25519_SUFFIX).lower() for name in (base, *taken)}
    number = 1
    while (name := month if number == 1 else f"{month}-{number}").lower() in used:
        number += 1
    return name


def record_name(row: Selector) -> str:
    """Where DNS has a selector's record."""
    return f"{row.selector}._domainkey.{row.domain}"


def followed(row: Selector, signing: Mapping[str, str], now: float, retire_after: float) -> Selector:
    """A row as it must be; `signing` has the fingerprints of the keys that sign, and their selectors."""
    if row.fingerprint in signing:
        if row.state == ACTIVE:
            return row
        return replace(row, state=ACTIVE, switched_ts=int(now), retire_ts=None, look_ts=0, problem="")
    if row.selector in signing.values():
        return replace(row, state=REMOVED)  # its name in DNS is another key's now
    if row.state == ACTIVE:
        end = int(now + retire_after)
        return replace(row, state=RETIRING, retire_ts=end, look_ts=end, problem="")
    if row.state == RETIRING and (row.retire_ts or 0) <= now:
        return replace(row, state=RETIRED, look_ts=int(now))
    return row


def looked(row: Selector, check: RecordCheck | None, now: float) -> Selector:
    """A row after a look at its record; without one nothing changes."""
    if check is None:
        return row
    if row.state == RETIRED:
        gone = check.published is False
        return replace(row, state=REMOVED if gone else RETIRED, look_ts=int(now) + LOOK_AFTERWARDS_EVERY)
    if row.state != PUBLISHING:
        return row
    since = row.published_ts
    if check.published is not None:
        since = (since or int(now)) if check.published else None
    return replace(row, published_ts=since, look_ts=int(now) + LOOK_EVERY, problem=check.problem)


def _follow(tx: Connection, changed: Sequence[Selector], now: float) -> None:
    selectors.put_all(tx, changed)
    record_events.tell(tx, [row for row in changed if row.state == RETIRED], "remove", now)


def _enter(tx: Connection, signing: Sequence[SigningKey], fresh: Sequence[SigningKey], now: float) -> None:
    rows = selectors.list_for(tx, signing[0].domain)
    if any(row.state == PUBLISHING for row in rows):
        raise RotationError(f"A rotation of {signing[0].domain}'s key is under way: somebody was quicker.")
    known = {row.fingerprint for row in rows}
    for key in signing:
        if key.fingerprint not in known:
            selectors.put(tx, Selector.of(key, ACTIVE, now))
    new = [Selector.of(key, PUBLISHING, now) for key in fresh]
    selectors.put_all(tx, new)
    record_events.tell(tx, new, "publish", now)
