"""The commands of onifast-mailctl about the numbers of messages in folders, which triggers keep."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from onifast_shared.ctl.tools import DONE, NOTHING, add, opened, show_rows
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import counts
from onifast_shared.mailboxes.counts import WrongCount


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "check", _check, "count everybody's messages, and list the folders whose kept numbers are others")
    add(area, "rebuild", _rebuild, "put right what check finds, while programs run; lists what that was")


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as db:
        wrong = list(counts.check(db))
    _show(arguments, wrong, "the counts of all folders are right")
    return NOTHING if wrong else DONE


def _rebuild(arguments: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as db:
        mended = counts.rebuild(db)
    _show(arguments, mended, "the counts of all folders were right")
    return DONE


def _show(arguments: argparse.Namespace, found: Sequence[WrongCount], none: str) -> None:
    if not found and not arguments.json:
        print(none)
        return
    rows = [
        {
            "owner": each.owner,
            "folder": each.folder,
            "kept_total": each.kept.total,
            "total": each.counted.total,
            "kept_unread": each.kept.unread,
            "unread": each.counted.unread,
        }
        for each in found
    ]
    show_rows(arguments, rows)
