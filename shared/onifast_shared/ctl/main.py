"""onifast-mailctl: the administrator's tool.

    onifast-mailctl sso issue USER
    onifast-mailctl user list
    onifast-mailctl address add ADDRESS OWNER | remove ADDRESS | list [--owner USER]
    onifast-mailctl forward add ADDRESS TARGET [--owner USER] | remove ADDRESS [TARGET] | list [--owner USER]
    onifast-mailctl domain alias ALIAS DOMAIN | unalias ALIAS | aliases
    onifast-mailctl quota set USER|ADDRESS SIZE | show [USER|ADDRESS]
    onifast-mailctl relay show | set HOST [--port N] [--tls MODE] [--user NAME] [--password-file FILE] | clear
    onifast-mailctl route list | set to|from DOMAIN HOST|direct [--port N …, as for relay] | remove to|from DOMAIN
    onifast-mailctl source list | set DOMAIN ADDRESS [--helo NAME] | remove DOMAIN [--family 4|6]
    onifast-mailctl destination list | set DESTINATION [--concurrency N] [--per-minute N] | clear DESTINATION
    onifast-mailctl queue list [--status STATUS] [--limit N] | retry ID… | hold ID… | release ID… | cancel ID…
    onifast-mailctl queue recall ID… | send-now ID… | reschedule ID… --at TIME | redirect ID… --to ADDRESS
    onifast-mailctl sandbox on DOMAIN | off DOMAIN | list
    onifast-mailctl suppression list [--owner USER] | add USER ADDRESS [--reason TEXT] | lift USER ADDRESS
    onifast-mailctl hold-rule list | add [--sender …] [--recipient …] [--owner USER] [--note …] | remove ID [--release]
    onifast-mailctl limits list | set SCOPE NAME [--messages-per-hour N …] | reset SCOPE NAME | refused
    onifast-mailctl refusals list [--owner USER] [--limit N]
    onifast-mailctl dkim show DOMAIN | check DOMAIN | generate DOMAIN | rotate DOMAIN
    onifast-mailctl dkim switch DOMAIN [--force] | abort DOMAIN | retire DOMAIN
    onifast-mailctl webhook list [--owner USER] | add URL [--owner USER] [--event EVENT] | remove ID | enable ID
    onifast-mailctl token create USER NAME | list USER | revoke USER ID
    onifast-mailctl app-password create USER NAME | list USER | revoke USER ID
    onifast-mailctl tls list [--downgraded] | forget DOMAIN | policies | reports
    onifast-mailctl explain ADDRESS [--from ADDRESS] [--user USER]
    onifast-mailctl check-config

It works on the same settings, files and database as the three programs, whether they run or not, with the rights of
who starts it; it talks to none of them and listens to nothing. Lists are lines with tabs between their columns, or JSON
with `--json`. It exits with 0 when it did what was asked, 1 when there was nothing to do it to (no such address,
message or key) or something to complain of, and 2 with one line on standard error when it could not try.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onifast_shared import addresses, refusals, relay, times
from onifast_shared.accounts import sessions
from onifast_shared.accounts.panel_users import AccountError, UserDirectory
from onifast_shared.address import Address, AddressError, parse_domain
from onifast_shared.config import ConfigError, Settings
from onifast_shared.ctl import (
    app_passwords,
    destinations,
    dkim,
    explain,
    limits,
    queue,
    recipients,
    tls,
    transport,
    webhooks,
    withheld,
)
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    WRONG,
    Command,
    UsageError,
    add,
    area,
    complain,
    known_user,
    positive,
    read,
    read_password,
    show_one,
    show_rows,
    write,
)
from onifast_shared.db.errors import DatabaseError
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.transport import sources

_EXPECTED = (ConfigError, AccountError, AddressError, dkim_keys.DkimKeyError, relay.RelayError, DatabaseError)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit status."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return command(arguments, Settings.load(environ))
    except (UsageError, *_EXPECTED) as error:
        return complain(str(error), WRONG)
    except BrokenPipeError:
        # The reader has seen enough (`| head`); what the interpreter flushes at its end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _sso_issue(arguments: argparse.Namespace, settings: Settings) -> int:
    known_user(settings, arguments.user)
    now = time.time()
    token = write(settings, lambda tx: sessions.issue_sso(tx, arguments.user, now, settings.sso_lifetime))
    expires_at = times.rfc3339(now + settings.sso_lifetime)
    path = f"{settings.url_prefix}/sso-login?token={token}"
    return show_one(arguments, {"token": token, "path": path, "expires_at": expires_at}, path)


def _user_list(arguments: argparse.Namespace, settings: Settings) -> int:
    directory = UserDirectory(settings)
    rows = []
    for username in directory.usernames():
        try:
            user = directory.get(username)
        except AccountError as error:
            complain(str(error), WRONG)
            continue
        if user:
            rows.append({"username": username, "is_admin": user.is_admin, "disabled": user.disabled})
    return show_rows(arguments, rows)


def _address_add(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)
    known_user(settings, arguments.owner)
    if not write(settings, lambda tx: addresses.add(tx, address, arguments.owner)):
        return complain(f"{address} exists already", NOTHING)
    return DONE


def _address_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)
    if not write(settings, lambda tx: addresses.remove(tx, address)):
        return complain(f"there is no address {address}", NOTHING)
    return DONE


def _address_list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: addresses.list_for(tx, arguments.owner))
    return show_rows(arguments, map(dataclasses.asdict, found))


def _relay_show(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, relay.get)
    if found is None:
        return complain("no relay is set: mail goes to the MX hosts of its domains", NOTHING)
    shown = {"host": found.host, "port": found.port, "tls": found.tls, "user": found.user}
    return show_rows(arguments, [shown | {"password_set": bool(found.password)}])


def _relay_set(arguments: argparse.Namespace, settings: Settings) -> int:
    host = parse_domain(arguments.host).removeprefix("[").removesuffix("]").removeprefix("IPv6:")
    port = relay.DEFAULT_PORTS[arguments.tls] if arguments.port is None else arguments.port
    if not 0 < port < 65536:
        raise UsageError("--port is a number from 1 to 65535")
    password = read_password(arguments.password_file)
    if bool(arguments.user) != bool(password):
        raise UsageError("--user and --password-file go together")
    chosen = relay.Relay(host, port, arguments.user, password, arguments.tls)
    write(settings, lambda tx: relay.put(tx, chosen))
    return DONE


def _relay_clear(_arguments: argparse.Namespace, settings: Settings) -> int:
    write(settings, lambda tx: relay.put(tx, None))
    return DONE


def _refusals_list(arguments: argparse.Namespace, settings: Settings) -> int:
    since = time.time() - settings.refusals_kept
    page = read(settings, lambda tx: refusals.list_page(tx, arguments.owner, since=since, limit=arguments.limit))
    return show_rows(arguments, (_refusal_row(row, whole=arguments.json) for row in page.rows))


def _refusal_row(row: refusals.RefusalRow, *, whole: bool) -> dict[str, Any]:
    item = row.refusal
    shown: dict[str, Any] = {
        "refused_at": times.rfc3339(row.refused_ts),
        "client": item.client,
        "sender": item.sender,
        "recipient": item.recipient,
        "stage": item.stage,
        "reply": f"{item.code} {item.enhanced} {item.reason}",
    }
    if not whole:
        return shown
    more = {"id": row.id, "helo": item.helo, "submitted_by": item.submitted_by, "owner": item.owner}
    return shown | more | {"authentication": item.authentication}


def _token_create(arguments: argparse.Namespace, settings: Settings) -> int:
    known_user(settings, arguments.user)
    token, made = write(settings, lambda tx: sessions.create_api_token(tx, arguments.user, arguments.name, time.time()))
    return show_one(arguments, {"id": made.id, "token": token}, token)


def _token_list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: sessions.list_api_tokens(tx, arguments.user))
    rows = [
        {
            "id": token.id,
            "name": token.name,
            "created_at": times.rfc3339(token.created_ts),
            "used_at": times.rfc3339(token.used_ts) if token.used_ts else None,
        }
        for token in found
    ]
    return show_rows(arguments, rows)


def _token_revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    if not write(settings, lambda tx: sessions.revoke_api_token(tx, arguments.user, arguments.id)):
        return complain(f"{arguments.user} has no token {arguments.id}", NOTHING)
    return DONE


def _check_config(_arguments: argparse.Namespace, settings: Settings) -> int:
    problems = list(_problems(settings))
    for problem in problems:
        complain(problem, NOTHING)
    if not problems:
        print(f"settings are good: {settings.source}")
    return NOTHING if problems else DONE


def _problems(settings: Settings) -> Iterable[str]:
    """What would keep the programs from working, line by line; nothing is made or changed."""
    directory = UserDirectory(settings)
    try:
        for username in directory.usernames():
            try:
                directory.get(username)
            except AccountError as error:
                yield str(error)
    except AccountError as error:
        yield str(error)
    yield from _key_problems(settings)
    yield from filter(None, (sources.why_unusable(source.address) for source in settings.source_addresses))
    if not os.access(settings.config_dir, os.R_OK | os.W_OK | os.X_OK):
        yield f"directory {settings.config_dir} of the database is missing or cannot be written"


def _key_problems(settings: Settings) -> Iterable[str]:
    try:
        domains = sorted(path.name for path in settings.certs_dir.iterdir() if path.is_dir())
    except OSError as error:
        yield f"directory {settings.certs_dir} of the certificates cannot be read: {error.strerror}"
        return
    for domain in domains:
        try:
            dkim_keys.load(settings.certs_dir, domain, settings.dkim_selector)
        except dkim_keys.DkimKeyError as error:
            yield str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onifast-mailctl", description="Administer onifast-mail on this machine.")
    areas = parser.add_subparsers(metavar="AREA", required=True)
    add(area(areas, "sso", "single sign-on"), "issue", _sso_issue, "a one-time link to the webmail", "user")
    add(area(areas, "user", "panel users"), "list", _user_list, "name, administrator, disabled")
    _add_address_commands(area(areas, "address", "addresses and their owners"))
    recipients.declare_forwards(area(areas, "forward", "where mail goes besides or instead of its mailbox"))
    recipients.declare_domains(area(areas, "domain", "domains that are aliases of others"))
    recipients.declare_quotas(area(areas, "quota", "how much mail may lie here"))
    _add_relay_commands(area(areas, "relay", "the smart host that outgoing mail takes"))
    transport.declare_routes(area(areas, "route", "smart hosts of single domains"))
    transport.declare_sources(area(areas, "source", "addresses that mail leaves from"))
    destinations.declare(area(areas, "destination", "where mail goes, how fast, and what cannot be reached"))
    queue.declare(area(areas, "queue", "outgoing mail"))
    queue.declare_sandbox(area(areas, "sandbox", "domains whose mail is captured instead of sent"))
    withheld.declare_suppressions(area(areas, "suppression", "recipients that a user's mail is not sent to"))
    withheld.declare_hold_rules(area(areas, "hold-rule", "mail that waits for a person before it is sent"))
    refused = add(
        area(areas, "refusals", "mail that was refused"),
        "list",
        _refusals_list,
        "when, client, sender, recipient, command, reply",
    )
    refused.add_argument("--owner", metavar="USER", help="only what was for this user, or from him")
    refused.add_argument("--limit", type=positive, default=50, help="the newest so many (%(default)s)")
    dkim.declare(area(areas, "dkim", "DKIM keys and their rotation"))
    webhooks.declare(area(areas, "webhook", "programs that are told what became of mail"))
    token = area(areas, "token", "personal API tokens")
    add(token, "create", _token_create, "a token; it is shown only now", "user", "name")
    add(token, "list", _token_list, "id, name, made, last used", "user")
    add(token, "revoke", _token_revoke, "make a token worthless", "user").add_argument("id", type=int)
    limits.declare(area(areas, "limits", "how much users, Unix users and domains may send"))
    app_passwords.declare(area(areas, "app-password", "passwords of single programs, for SMTP"))
    tls.declare(area(areas, "tls", "how connections to other sites are protected"))
    explain.declare(areas)
    add(areas, "check-config", _check_config, "look for what would keep the programs from working")
    return parser


def _add_address_commands(area: Any) -> None:
    add(area, "add", _address_add, "give an address to a user", "address", "owner")
    add(area, "remove", _address_remove, "take an address away; its mail stays", "address")
    listing = add(area, "list", _address_list, "address, domain, local part, owner, made")
    listing.add_argument("--owner", metavar="USER", help="only this user's")


def _add_relay_commands(area: Any) -> None:
    add(area, "show", _relay_show, "host, port, TLS, user, whether a password is set")
    setting = add(area, "set", _relay_set, "send through this host from the next message on", "host")
    setting.add_argument("--port", type=int, help="25, 587 for starttls or 465 for tls unless given")
    setting.add_argument("--tls", choices=relay.TLS_MODES, default="starttls")
    setting.add_argument("--user", default="", help="the name to log in with")
    setting.add_argument("--password-file", type=Path, metavar="FILE", help="its first line; - is standard input")
    add(area, "clear", _relay_clear, "send straight to the MX hosts again")


if __name__ == "__main__":
    sys.exit(main())
