"""The commands of onifast-mailctl about DKIM keys: what to publish, what DNS has, and the steps of a rotation."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from onifast_shared.ctl.tools import DONE, NOTHING, Command, UsageError, add, complain, show_rows
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim import published, report
from onifast_shared.dkim.report import DomainKeyReport, KeyReport
from onifast_shared.dkim.rotation import DomainKeys, RotationError, Rotations
from onifast_shared.dkim.selectors import PUBLISHING, RETIRED
from onifast_shared.machine.config import Settings
from onifast_shared.values import times
from onifast_shared.values.address import parse_domain

T = TypeVar("T")


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    _add(area, "show", _show, "the DNS records to publish, as zone lines")
    _add(area, "check", _check, "selector, state, whether DNS has the record, what is wrong with it")
    _add(area, "generate", _generate, "make a key; never overwrites one")
    _add(area, "rotate", _rotate, "make a new key, to sign once DNS shows it; prints its record")
    switch = _add(area, "switch", _switch, "sign with the new key from now on, if DNS shows it")
    switch.add_argument("--force", action="store_true", help="though DNS does not show it")
    _add(area, "abort", _abort, "delete the new key; the old one goes on signing")
    _add(area, "retire", _retire, "declare the old key's record unneeded before its time")


def _add(area: Any, name: str, command: Command, meaning: str) -> argparse.ArgumentParser:
    def run(arguments: argparse.Namespace, settings: Settings) -> int:
        arguments.domain = parse_domain(arguments.domain)  # certs/ and the table have it in one form
        return command(arguments, settings)

    return add(area, name, run, meaning, "domain")


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    found = _step(settings, lambda rotations: rotations.standing(arguments.domain))
    if not found.signing:
        return complain(f"{arguments.domain} has no DKIM key; make one with: dkim generate {arguments.domain}", NOTHING)
    _warn_of_exposed(found)
    return _print_records(arguments, found, report.of(found))


def _generate(arguments: argparse.Namespace, settings: Settings) -> int:
    dkim_keys.generate(settings.certs_dir, arguments.domain, settings.dkim_selector)
    return _show(arguments, settings)


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    found = _step(settings, lambda rotations: rotations.standing(arguments.domain))
    told = _asked(settings, found)
    if not told.keys:
        return complain(report.advice(told, settings.dkim_publish_wait), NOTHING)
    show_rows(arguments, map(_details if arguments.json else _summary, told.keys))
    if (advice := report.advice(told, settings.dkim_publish_wait)) and not arguments.json:
        print(advice)
    needed = [key for key in told.keys if key.state != RETIRED]
    return DONE if all(key.published for key in needed) else NOTHING


def _rotate(arguments: argparse.Namespace, settings: Settings) -> int:
    found = _step(settings, lambda rotations: rotations.begin(arguments.domain, time.time()))
    told = report.of(found)
    return _print_records(arguments, found, DomainKeyReport(told.domain, tuple(told.in_state(PUBLISHING))))


def _switch(arguments: argparse.Namespace, settings: Settings) -> int:
    found = _step(settings, lambda rotations: rotations.standing(arguments.domain))
    if not arguments.force:
        for key in _asked(settings, found).in_state(PUBLISHING):
            if not key.published:
                return complain(f"not switched: {key.check.problem if key.check else 'DNS was not asked'}", NOTHING)
    return _told(arguments, settings, lambda rotations: rotations.switch(arguments.domain, time.time()))


def _abort(arguments: argparse.Namespace, settings: Settings) -> int:
    return _told(arguments, settings, lambda rotations: rotations.abort(arguments.domain, time.time()))


def _retire(arguments: argparse.Namespace, settings: Settings) -> int:
    return _told(arguments, settings, lambda rotations: rotations.retire(arguments.domain, time.time()))


def _told(arguments: argparse.Namespace, settings: Settings, step: Callable[[Rotations], DomainKeys]) -> int:
    """Takes a step, and says what to do next."""
    told = report.of(_step(settings, step))
    if arguments.json:
        return show_rows(arguments, map(_details, told.keys))
    if advice := report.advice(told, settings.dkim_publish_wait):
        print(advice)
    return DONE


def _step(settings: Settings, step: Callable[[Rotations], T]) -> T:
    """Raises UsageError for a step that does not apply."""
    with closing(Database.open(settings.database, timeout=settings.database_timeout)) as database:
        try:
            return step(Rotations(database, settings))
        except RotationError as error:
            raise UsageError(str(error)) from None


def _asked(settings: Settings, found: DomainKeys) -> DomainKeyReport:
    return report.of(found, published.look_now(settings, report.records(found)))


def _warn_of_exposed(found: DomainKeys) -> None:
    for key in found.signing:
        if key.exposed:
            complain(f"warning: {key.path} can be read by every user of this machine", DONE)


def _print_records(arguments: argparse.Namespace, found: DomainKeys, told: DomainKeyReport) -> int:
    if not arguments.json:
        for key in told.keys:
            if key.state != RETIRED:
                print(key.record.zone_line)
        return DONE
    paths = {key.selector: str(key.path) for key in found.signing}
    return show_rows(arguments, (_details(key) | {"path": paths.get(key.selector)} for key in told.keys))


def _summary(key: KeyReport) -> dict[str, Any]:
    words = {True: "published", False: "not published", None: "DNS gave no answer"}
    problem = key.check.problem if key.check else ""
    return {"selector": key.selector, "state": key.state, "dns": words[key.published], "problem": problem}


def _details(key: KeyReport) -> dict[str, Any]:
    return {
        "selector": key.selector,
        "algorithm": key.algorithm,
        "state": key.state,
        **key.record._asdict(),
        "published": key.published,
        "problem": key.check.problem if key.check else "",
        "published_at": _moment(key.published_ts),
        "switched_at": _moment(key.switched_ts),
        "retire_at": _moment(key.retire_ts),
    }


def _moment(seconds: int | None) -> str | None:
    return times.rfc3339(seconds) if seconds is not None else None
