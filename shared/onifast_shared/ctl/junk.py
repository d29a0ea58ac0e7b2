"""The commands of onifast-mailctl about junk: what was learned for a user, and what they want."""

from __future__ import annotations

import argparse
import time
from typing import Any, cast

from onifast_shared.ctl.tools import DONE, UsageError, account_of, add, known_account, outcome, read, show_one, write
from onifast_shared.db.database import Connection
from onifast_shared.junk import lessons, model
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import DIGESTS, Digest, JunkChoice


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "show", _show, "whether junk is looked for, digests, and how much was learned", "username")
    making = add(area, "set", _set, "choose for a user", "username")
    making.add_argument("--filters", choices=("on", "off"), help="whether junk is learned and looked for")
    making.add_argument("--digest", choices=DIGESTS, help="how often they are told of junk and refused mail")
    add(area, "forget", _forget, "forget all that a user taught; their mail stays where it lies", "username")


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    username = known_account(settings, arguments.username).username
    choice, found = read(settings, lambda tx: (preferences.junk(tx, username), model.of(tx, username)))
    values = {
        "username": username,
        "filters": choice.filters,
        "digest": choice.digest,
        "junk": found.learned.junk,
        "good": found.learned.good,
        "words": found.words,
    }
    learned = f"learned {found.learned.junk} junk, {found.learned.good} good, {found.words} words"
    line = f"filter {'on' if choice.filters else 'off'}\tdigest {choice.digest}\t{learned}"
    return show_one(arguments, values, line)


def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    username = known_account(settings, arguments.username).username
    if arguments.filters is None and arguments.digest is None:
        raise UsageError("nothing to set: give --filters or --digest")

    def change(tx: Connection) -> None:
        now = preferences.junk(tx, username)
        filters = now.filters if arguments.filters is None else arguments.filters == "on"
        digest = now.digest if arguments.digest is None else cast(Digest, arguments.digest)
        preferences.put_junk(tx, username, JunkChoice(filters, digest), time.time())

    write(settings, change)
    return DONE


def _forget(arguments: argparse.Namespace, settings: Settings) -> int:
    username = account_of(settings, arguments.username)
    return outcome(
        write(settings, lambda tx: lessons.forget_all(tx, username)),
        f"nothing was learned for {arguments.username}",
    )
