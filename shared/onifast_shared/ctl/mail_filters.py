"""The commands of onifast-mailctl about a user's filters, their vacation notes, and whom they block."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    known_account,
    number,
    of_account,
    outcome,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.filters import checks, rules, store, vacations
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.rules import FilterError
from onifast_shared.filters.vacations import Audience, VacationNote
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import sender_choices
from onifast_shared.mailboxes.sender_choices import SenderChoice
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError, parse_domain

_IDS = number(1, 2**63 - 1)


def declare_filters(area: Any) -> None:
    """Adds the commands about filters to their area."""
    add(area, "list", of_account(_list), "id, on or off, name, how often it acted, and its rule", "user")
    making = add(area, "add", of_account(_add), "make a filter below the others", "user", "name")
    making.add_argument("--rule", required=True, help="JSON, as the API has it: match, conditions, acts, stops")
    for verb, is_on in (("enable", True), ("disable", False)):
        turning = add(area, verb, of_account(_turn), f"turn a filter {'on' if is_on else 'off'}", "user")
        turning.add_argument("id", type=_IDS)
        turning.set_defaults(is_on=is_on)
    removing = add(area, "remove", of_account(_remove), "end a filter; what it did stays", "user")
    removing.add_argument("id", type=_IDS)
    logging = add(area, "log", of_account(_log), "what filters did, the latest first", "user")
    logging.add_argument("--limit", type=number(1, 1000), default=50)


def declare_vacation(area: Any) -> None:
    """Adds the commands about vacation notes to their area."""
    add(area, "show", of_account(_show), "a user's notes", "user")
    setting = add(area, "set", of_account(_set), "write a note and turn it on", "user")
    setting.add_argument("--address", default="", help="for one of their addresses alone")
    setting.add_argument(
        "--text-file", type=Path, required=True, help="what is answered, as plain text; - for standard input"
    )
    setting.add_argument("--subject", default="")
    setting.add_argument("--from", dest="from_at", help="from when on, as 2026-12-24T00:00:00+01:00")
    setting.add_argument("--until", dest="until_at", help="until when")
    setting.add_argument("--days", type=number(1, vacations.MOST_DAYS), default=7, help="how often to one sender")
    setting.add_argument("--audience", choices=get_args(Audience), default="everybody")
    add(area, "off", of_account(_off), "turn all of a user's notes off", "user")


def declare_senders(area: Any) -> None:
    """Adds the commands about senders to their area."""
    add(area, "list", of_account(_senders), "whom a user accepted or blocked", "user")
    for verb, choice in (("accept", "accepted"), ("block", "blocked")):
        choosing = add(area, verb, of_account(_choose), f"{verb} an address, or a domain", "user", "sender")
        choosing.set_defaults(choice=choice)
    add(area, "forget", of_account(_forget), "take such a choice back", "user", "sender")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    found, use = read(settings, lambda tx: (store.list_all(tx, arguments.user), store.use(tx, arguments.user)))
    return show_rows(arguments, (_row(each, use.get(each.id, (0, 0))[0]) for each in found))


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    known_account(settings, arguments.user)
    try:
        found = json.loads(arguments.rule)
    except ValueError:
        raise UsageError("--rule is not JSON") from None

    def make(tx: Connection) -> MailFilter:
        if not isinstance(found, dict):
            raise FilterError("rule", "a JSON object")
        rule = rules.parse(found)
        checks.check(tx, arguments.user, rule, settings)
        return store.add(tx, arguments.user, arguments.name, rule, now=time.time())

    try:
        made = write(settings, make)
    except FilterError as error:
        raise UsageError(f"{error.field}: {error}") from None
    return show_one(arguments, _row(made, 0), str(made.id))


def _turn(arguments: argparse.Namespace, settings: Settings) -> int:
    def change(tx: Connection) -> bool:
        found = store.get(tx, arguments.user, arguments.id)
        if found is not None:
            store.change(tx, found, is_on=arguments.is_on, now=time.time())
        return found is not None

    return outcome(write(settings, change), f"{arguments.user} has no filter {arguments.id}")


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    found = write(settings, lambda tx: store.remove(tx, arguments.user, arguments.id))
    return outcome(found, f"{arguments.user} has no filter {arguments.id}")


def _log(arguments: argparse.Namespace, settings: Settings) -> int:
    page = read(settings, lambda tx: store.log_page(tx, arguments.user, limit=arguments.limit))
    rows = (
        {
            "at": times.rfc3339(each.logged_ts),
            "email_id": each.email_id,
            "filter": each.filter_name,
            "did": ", ".join(f"{deed.do} {deed.failed or deed.name}".strip() for deed in each.deeds),
            "sender": each.sender,
            "subject": each.subject,
        }
        for each in page.rows
    )
    return show_rows(arguments, rows)


def _row(found: MailFilter, used: int) -> dict[str, Any]:
    return {
        "id": found.id,
        "state": "on" if found.is_on else "off",
        "name": found.name,
        "times": used,
        "rule": rules.stored(found.rule),
    }


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: vacations.list_all(tx, arguments.user))
    now = time.time()
    rows = (
        {
            "address": each.address or "*",
            "state": "answering" if each.answers_at(now) else "later" if each.awaits(now) else "off",
            "from": None if each.from_ts is None else times.rfc3339(each.from_ts),
            "until": None if each.until_ts is None else times.rfc3339(each.until_ts),
            "days": each.days,
            "subject": each.subject,
            "text": each.text,
        }
        for each in found
    )
    return show_rows(arguments, rows)


def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    known_account(settings, arguments.user)
    try:
        note = VacationNote(
            address=arguments.address,
            is_on=True,
            from_ts=_moment(arguments.from_at),
            until_ts=_moment(arguments.until_at),
            subject=arguments.subject,
            text=_text(arguments.text_file).strip(),
            audience=cast(Audience, arguments.audience),
            days=arguments.days,
        )
        write(settings, lambda tx: vacations.put(tx, arguments.user, note))
    except FilterError as error:
        raise UsageError(f"{error.field}: {error}") from None
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from None
    return DONE


def _off(arguments: argparse.Namespace, settings: Settings) -> int:
    def turn(tx: Connection) -> int:
        found = [each for each in vacations.list_all(tx, arguments.user) if each.is_on]
        for each in found:
            vacations.put(tx, arguments.user, replace(each, is_on=False))
        return len(found)

    return DONE if write(settings, turn) else complain(f"no vacation note of {arguments.user} is on", NOTHING)


def _text(path: Path) -> str:
    return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")


def _moment(text: str | None) -> int | None:
    return None if text is None else times.parse_rfc3339(text)


def _senders(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: sender_choices.list_all(tx, arguments.user))
    rows = ({"sender": each.sender, "choice": each.choice, "at": times.rfc3339(each.chosen_ts)} for each in found)
    return show_rows(arguments, rows)


def _choose(arguments: argparse.Namespace, settings: Settings) -> int:
    known_account(settings, arguments.user)
    sender, choice = _sender(arguments.sender), cast(SenderChoice, arguments.choice)
    write(settings, lambda tx: sender_choices.choose(tx, arguments.user, sender, choice, time.time()))
    return DONE


def _forget(arguments: argparse.Namespace, settings: Settings) -> int:
    name = arguments.sender
    sender = name if name.startswith("list:") else _sender(name)
    found = write(settings, lambda tx: sender_choices.forget(tx, arguments.user, sender))
    return outcome(found, f"{arguments.user} has chosen nothing about {name}")


def _sender(text: str) -> str:
    try:
        return Address.parse(text).key if "@" in text.lstrip("@") else f"@{parse_domain(text.lstrip('@'))}"
    except AddressError as error:
        raise UsageError(f"neither an address nor a domain: {error}") from None
