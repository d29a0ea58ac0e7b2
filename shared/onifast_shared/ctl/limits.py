"""The commands of onifast-mailctl about how much may be sent."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.ctl.tools import DONE, UsageError, add, number, outcome, read, show_rows, write
from onifast_shared.limits import standings as limit_standings
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.standings import Hit, SubjectStanding
from onifast_shared.limits.subjects import PERIODS, SCOPES, WORDS, Subject
from onifast_shared.machine.config import Settings
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(area, "list", _list, "scope, name, used/limit of messages and recipients an hour and a day, refusals")
    listing.add_argument("--scope", choices=tuple(SCOPES), help="only these")
    setting = _add_for_subject(area, "set", _set, "give one user, Unix user or domain limits of its own")
    for counted, words in WORDS.items():
        option = "--" + counted.replace("_", "-")
        setting.add_argument(
            option, metavar="N", type=_limit, help=f"{words}; 0 for no limit, default for the settings'"
        )
    _add_for_subject(area, "reset", _reset, "forget what is used and was refused; the limits stay")
    add(area, "refused", _refused, "scope, name, which limit, how often, first, last")


def _add_for_subject(area: Any, name: str, command: Any, meaning: str) -> argparse.ArgumentParser:
    parser = add(area, name, command, meaning)
    parser.add_argument("scope", choices=tuple(SCOPES))
    parser.add_argument("name")
    return parser


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    now = time.time()
    found = read(settings, lambda tx: limit_standings.list_for(tx, None, settings, now))
    chosen = [standing for standing in found if arguments.scope in (None, standing.tally.subject.scope)]
    return show_rows(arguments, [(_details if arguments.json else _summary)(standing, now) for standing in chosen])


def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    subject = _subject(arguments)
    given = {counted: value for counted in PERIODS if (value := getattr(arguments, counted)) is not None}
    if not given:
        raise UsageError("nothing to set: give --messages-per-hour N, --recipients-per-day N and the like")
    limits = {counted: None if value == "default" else value for counted, value in given.items()}
    write(settings, lambda tx: sending_limits.put(tx, subject, limits))
    return DONE


def _reset(arguments: argparse.Namespace, settings: Settings) -> int:
    subject = _subject(arguments)
    return outcome(
        write(settings, lambda tx: sending_limits.reset(tx, subject)),
        f"{subject} has used nothing and was refused nothing",
    )


def _refused(arguments: argparse.Namespace, settings: Settings) -> int:
    return show_rows(arguments, map(_hit, read(settings, limit_standings.hits)))


def _subject(arguments: argparse.Namespace) -> Subject:
    try:
        return limit_subjects.subject(arguments.scope, arguments.name)
    except ValueError as error:
        raise UsageError(f"{arguments.name!r}: {error}") from None


def _summary(standing: SubjectStanding, now: float) -> dict[str, Any]:
    tally = standing.tally
    shown: dict[str, Any] = {"scope": tally.subject.scope, "name": tally.subject.name}
    for counted, limit in tally.limits.items():
        shown[counted] = f"{tally.used(counted, now)}/{limit}" if limit else None
    return shown | {"refused": sum(hit.times for hit in standing.hits.values())}


def _details(standing: SubjectStanding, now: float) -> dict[str, Any]:
    tally = standing.tally
    limits = [
        {
            "counted": counted,
            "limit": limit,
            "is_own": counted in tally.own,
            "used": tally.used(counted, now),
            "used_up_until": times.rfc3339(until) if (until := tally.used_up_until(counted, now)) else None,
        }
        for counted, limit in tally.limits.items()
    ]
    return {**tally.subject._asdict(), "limits": limits, "refusals": [_hit(hit) for hit in standing.hits.values()]}


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        **hit.subject._asdict(),
        "counted": hit.counted,
        "times": hit.times,
        "first_at": times.rfc3339(hit.first_ts),
        "last_at": times.rfc3339(hit.last_ts),
    }


def _limit(text: str) -> int | str:
    """An argument that is a limit, or the word that gives it back."""
    return text if text == "default" else number(0, limit_subjects.LARGEST)(text)
