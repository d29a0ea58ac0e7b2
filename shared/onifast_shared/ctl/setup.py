"""The command of onifast-mailctl that makes a host ready: from an installation to a first mail, in one go."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onifast_shared.accounts import audit
from onifast_shared.accounts.panel_users import UserDirectory, check_username
from onifast_shared.accounts.user_files import UserFiles
from onifast_shared.ctl import audited, setup_end
from onifast_shared.ctl.setup_end import SetupReport
from onifast_shared.ctl.tools import DONE, PASSWORD_FILE, UsageError, add, new_password, opened
from onifast_shared.db.database import Connection, Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.domain_dns import checks, gather, look
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import hostname as hostname_kind
from onifast_shared.recipients import addresses, domains
from onifast_shared.setting_up import guesses, host, settings_file
from onifast_shared.setting_up.guesses import Guess
from onifast_shared.setting_up.host import HostError
from onifast_shared.setting_up.settings_file import SettingsFileError
from onifast_shared.values.address import Address, AddressError, parse_domain


@dataclass(frozen=True)
class HostAnswers:
    """What was found out, or asked for."""

    domain: str
    hostname: str
    user: str
    address: Address


@dataclass
class SetupOutcome:
    """What a setup came to: `made` is what was not there before, in words; `password` one that was made here."""

    made: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    password: str | None = None


def declare(areas: Any) -> None:
    """Adds the command."""
    parser = add(areas, "setup", _setup, "make this host ready for mail; asks what it cannot find out")
    parser.add_argument("domain", nargs="?", help="the first domain whose mail comes here; one more when run again")
    parser.add_argument("--hostname", metavar="NAME", help="this host's name, as other sites see it")
    parser.add_argument("--user", metavar="USER", help="who reads the first address; made if users are ours to make")
    parser.add_argument("--address", metavar="ADDRESS", help="the first address; USER@DOMAIN unless given")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help=f"of a new user: {PASSWORD_FILE}")
    parser.add_argument(
        "--yes", action="store_true", help="ask nothing, take what is found out (as without a terminal)"
    )


def _setup(arguments: argparse.Namespace, settings: Settings) -> int:
    file, done = settings.config_dir / "onifast-mail.toml", SetupOutcome()
    try:
        answers = _answers(arguments, settings, settings_file.read(file))
        done.made += host.prepare(settings)
        settings = _settled(settings, file, answers, done)
    except (HostError, SettingsFileError, PermissionError) as error:
        raise UsageError(str(error)) from None
    with opened(settings) as database:
        _make_user(arguments, database, settings, answers, done)
        database.write(lambda tx: _make_address(tx, answers, done))
        _make_key(database, settings, answers.domain, done)
        found = look.look_now(settings, gather.facts_of(database, settings, answers.domain))
        database.write(lambda tx: checks.remember(tx, answers.domain, checks.judged(found, time.time())))
    zone = setup_end.write_zone(settings, answers.domain, found)
    if arguments.json:
        print(json.dumps(_values(answers, done, zone, found), ensure_ascii=False))
    else:
        facts = {"host name": answers.hostname, "user": answers.user, "address": str(answers.address)}
        facts |= {"password": f"{done.password}   (made now, and shown this once)"} if done.password else {}
        report = SetupReport(facts, done.made, done.notes, answers.domain, found, zone)
        print("\n".join(setup_end.lines(settings, report)))
    return DONE


def _values(answers: HostAnswers, done: SetupOutcome, zone: Path, found: list[Any]) -> dict[str, Any]:
    values = dataclasses.asdict(answers) | {"address": str(answers.address), "zone_file": str(zone)}
    return values | dataclasses.asdict(done) | {"records": [dataclasses.asdict(each) for each in found]}


# What is found out and asked


def _answers(arguments: argparse.Namespace, settings: Settings, in_file: dict[str, Any]) -> HostAnswers:
    """Raises UsageError, AddressError."""
    asks = sys.stdin.isatty() and not arguments.yes
    of_host = guesses.domain_of(settings.hostname) if guesses.is_public(settings.hostname) else ""
    domain = _answer(asks, arguments.domain, "First domain whose mail comes here", Guess(of_host), parse_domain)
    name = _answer(
        asks,
        arguments.hostname,
        "Name of this host, as other sites look it up",
        guesses.hostname(settings, in_file, domain),
        _host_name,
    )
    user = _answer(asks, arguments.user, "User who reads the first address", guesses.first_user(settings), _user_name)
    _check_user(settings, user)
    text = _answer(asks, arguments.address, "Their first address", Guess(f"{user}@{domain}"), _address_in(domain))
    return HostAnswers(domain, name, user, Address.parse(text))


def _answer(asks: bool, given: str | None, question: str, guess: Guess, parse: Callable[[str], str]) -> str:
    """What was given, or is certain, or is answered; raises UsageError where nobody can be asked."""
    if given is not None:
        return parse(given)
    if guess.certain or (guess.answer and not asks):
        return parse(guess.answer)
    if not asks:
        raise UsageError("say which domain: onifast-mailctl setup example.org")
    while True:
        print(f"{question}{f' [{guess.answer}]' if guess.answer else ''}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise UsageError("the questions were not answered; nothing was changed")
        try:
            return parse(line.strip() or guess.answer)
        except (AddressError, UsageError) as error:
            print(f"  {error}", file=sys.stderr)


def _host_name(text: str) -> str:
    try:
        return str(hostname_kind().parse(text))
    except ValueError:
        raise UsageError(f"{text!r} is no host name: give one such as mail.example.org") from None


def _user_name(text: str) -> str:
    if "@" in text or not check_username(text):
        raise UsageError(f"{text[:80]!r} is no name for a user: up to 64 letters, digits and . _ -")
    return text


def _address_in(domain: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        address = Address.parse(text if "@" in text else f"{text}@{domain}")
        if address.domain != domain:
            raise UsageError(f"{address} is not in {domain}")
        return str(address)

    return parse


def _check_user(settings: Settings, user: str) -> None:
    if guesses.has_panel(settings) and user not in guesses.users(settings):
        raise UsageError(
            f"there is no user {user!r} in {settings.users_dir}, which the panel writes: make the user there first,"
            " or set writes_users = true"
        )


# What is made


def _settled(settings: Settings, file: Path, answers: HostAnswers, done: SetupOutcome) -> Settings:
    """The settings with what this host needs, once they are in the file; what stands there stays, but for the name."""
    known = settings_file.read(file)
    values: dict[str, settings_file.Value] = {}
    if "hostname" not in known or answers.hostname != settings.hostname:
        values["hostname"] = answers.hostname
    if not guesses.has_panel(settings):
        ours: dict[str, settings_file.Value] = {
            "writes_users": True,
            "administrators": answers.user,
            "postmaster": answers.user,
        }
        values |= {name: value for name, value in ours.items() if name not in known}
    if settings_file.change(file, values):
        done.made.append(f"settings {', '.join(values)} in {file}")
    return dataclasses.replace(
        settings, hostname=answers.hostname, writes_users=settings.writes_users or "writes_users" in values
    )


def _make_user(
    arguments: argparse.Namespace, database: Database, settings: Settings, answers: HostAnswers, done: SetupOutcome
) -> None:
    if UserDirectory(settings).get(answers.user) is not None:
        return
    shown, password = new_password(arguments.password_file)
    try:
        UserFiles(settings).create(answers.user, password)
    except ValueError as error:
        raise UsageError(str(error)) from None
    done.password = shown
    done.made.append(f"user {answers.user}")
    _note(database, "user.create", answers.user, f"user:{answers.user}")


def _make_address(tx: Connection, answers: HostAnswers, done: SetupOutcome) -> None:
    if domains.find(tx, answers.domain) is None and domains.add(tx, answers.domain, answers.user):
        done.made.append(f"domain {answers.domain}")
        _record(tx, "domain.add", answers.user, f"domain:{answers.domain}")
    row = addresses.find(tx, answers.address)
    if row is None and addresses.add(tx, answers.address, answers.user):
        done.made.append(f"address {answers.address}")
        _record(tx, "address.add", answers.user, f"address:{answers.address}")
    elif row is not None and row.owner != answers.user:
        done.notes.append(f"{answers.address} is {row.owner}'s, and stays so")


def _make_key(database: Database, settings: Settings, domain: str, done: SetupOutcome) -> None:
    if dkim_keys.load(settings.certs_dir, domain, settings.dkim_selector):
        return
    key = dkim_keys.generate(settings.certs_dir, domain, settings.dkim_selector)
    done.made.append(f"DKIM key {key.path}")
    _note(database, "dkim.generate", None, f"dkim:{domain}")


def _note(database: Database, action: str, owner: str | None, what: str) -> None:
    database.write(lambda tx: _record(tx, action, owner, what))


def _record(tx: Connection, action: str, owner: str | None, what: str) -> None:
    """The line of the audit trail about one step."""
    audit.record(tx, audited.actor(), action, owner=owner, object=what, now=time.time())
