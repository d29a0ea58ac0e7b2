"""The commands of onifast-mailctl about the search index, which outbox keeps."""

from __future__ import annotations

import argparse
from typing import Any

from onifast_shared.ctl.tools import DONE, NOTHING, add, complain, opened, show_one, show_rows
from onifast_shared.machine.config import Settings
from onifast_shared.search import check
from onifast_shared.search.check import IndexUnfinished


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    checking = add(area, "check", _check, "compare the index with the mail, and list the messages that differ")
    checking.add_argument("--owner", metavar="USER", help="only this user's mail")
    making = add(area, "rebuild", _rebuild, "have outbox make the index anew, while programs run")
    making.add_argument("--owner", metavar="USER", help="only of this user's mail; else all of it, from nothing")


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as db:
        try:
            wrong = [vars(each) for each in check.check(db, arguments.owner)]
        except IndexUnfinished as error:
            return complain(str(error), NOTHING)
    if not wrong and not arguments.json:
        print("the index has the words of all mail")
        return DONE
    show_rows(arguments, wrong)
    return NOTHING if wrong else DONE


def _rebuild(arguments: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as db:
        check.rebuild(db, arguments.owner)
    whose = f"{arguments.owner}'s mail" if arguments.owner else "all mail"
    return show_one(arguments, {"rebuilding": arguments.owner or "*"}, f"outbox indexes {whose} anew")
