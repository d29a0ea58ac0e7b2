"""onifast-mailctl: the administrator's tool.

    onifast-mailctl setup [DOMAIN] [--hostname NAME] [--user USER] [--address ADDRESS] [--password-file FILE] [--yes]
    onifast-mailctl test-mail ADDRESS [--from ADDRESS] [--wait SECONDS] [--dialogue]
    onifast-mailctl sso issue USER
    onifast-mailctl user list [--state STATE] [--q TEXT] [--limit N] | show USER | departed | missing
    onifast-mailctl user confirm USER…|--all | purge ID
    onifast-mailctl user add USER [--password-file FILE] | password USER [--password-file FILE]
    onifast-mailctl user password-check USER|ADDRESS [--password-file FILE]
    onifast-mailctl user remove USER [--file] | restore USER [--id ID] [--as NAME] [--merge] | rename USER NAME
    onifast-mailctl address add ADDRESS OWNER | show ADDRESS | remove ADDRESS
    onifast-mailctl address set ADDRESS [--owner USER] [--quota SIZE]
    onifast-mailctl address list [--owner USER] [--domain DOMAIN] [--q TEXT] [--limit N]
    onifast-mailctl forward add ADDRESS TARGET [--owner USER] | remove ADDRESS [TARGET] | list [--owner USER]
    onifast-mailctl usage users [--q TEXT] [--limit N] | domains [--owner USER] [--q TEXT] [--limit N]
    onifast-mailctl mailbox-user list [--owner USER] [--domain DOMAIN] [--q TEXT] [--limit N] | show ADDRESS
    onifast-mailctl mailbox-user add ADDRESS [--password-file FILE|--no-password] [--move-mail]
    onifast-mailctl mailbox-user password ADDRESS [--password-file FILE|--no-password] | disable ADDRESS
    onifast-mailctl mailbox-user enable ADDRESS | set ADDRESS [--quota SIZE] [--send-as ADDRESS …]
    onifast-mailctl mailbox-user remove ADDRESS --mail owner|delete
    onifast-mailctl shared-mailbox list [--owner USER] [--domain DOMAIN] [--q TEXT] [--limit N] | show ADDRESS
    onifast-mailctl shared-mailbox add ADDRESS [--member NAME …] [--names-sender] [--move-mail]
    onifast-mailctl shared-mailbox members ADDRESS [--add NAME …] [--remove NAME …]
    onifast-mailctl shared-mailbox set ADDRESS [--quota SIZE] [--names-sender yes|no]
    onifast-mailctl shared-mailbox remove ADDRESS --mail owner|delete
    onifast-mailctl domain list [--owner USER] [--q TEXT] [--limit N] | show DOMAIN | dns DOMAIN [--zone]
    onifast-mailctl domain mta-sts DOMAIN off|none|testing|enforce|default
    onifast-mailctl domain add DOMAIN OWNER | owner DOMAIN OWNER | remove DOMAIN [--addresses]
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
    onifast-mailctl label list USER | add USER NAME [--folder] [--colour COLOUR] | rename USER NAME NEW_NAME
    onifast-mailctl label colour USER NAME COLOUR|none | remove USER NAME
    onifast-mailctl filter list USER | add USER NAME --rule JSON | enable USER ID | disable USER ID | remove USER ID
    onifast-mailctl filter log USER [--limit N]
    onifast-mailctl vacation show USER | set USER --text-file FILE [--subject …] [--from TIME] [--until TIME] | off USER
    onifast-mailctl sender list USER | accept USER SENDER | block USER SENDER | forget USER SENDER
    onifast-mailctl import mail USER PATH [--into FOLDER] | imap USER HOST LOGIN --password-file FILE [--port N]
    onifast-mailctl import database USER PATH [--of OWNER] | list USER | report USER ID
    onifast-mailctl import aliases PATH --owner USER [--domain DOMAIN] [--check]
    onifast-mailctl export mail USER PATH [--format mbox|maildir|eml] [--folder FOLDER|--label NAME|--search TEXT]
    onifast-mailctl audit list [--owner USER] [--action ACTION] [--actor WHO] [--q TEXT] [--since TIME] [--limit N]
    onifast-mailctl limits list | set SCOPE NAME [--messages-per-hour N …] | reset SCOPE NAME | refused
    onifast-mailctl refusals list [--owner USER] [--limit N] | rescue ID
    onifast-mailctl junk show USER | set USER [--filters on|off] [--digest off|daily|weekly] | forget USER
    onifast-mailctl dkim show DOMAIN | check DOMAIN | generate DOMAIN | rotate DOMAIN
    onifast-mailctl dkim switch DOMAIN [--force] | abort DOMAIN | retire DOMAIN
    onifast-mailctl webhook list [--owner USER] | add URL [--owner USER] [--event EVENT] | remove ID | enable ID
    onifast-mailctl webhook set ID --event EVENT… | test ID | calls ID [--state STATE] | replay ID CALL…
    onifast-mailctl token create USER NAME [--scope SCOPE …] [--expires WHEN] | list USER | revoke USER ID
    onifast-mailctl app-password create USER NAME | list USER | revoke USER ID
    onifast-mailctl totp list | reset USER
    onifast-mailctl certificate list | install FULLCHAIN KEY [--domain DOMAIN …]
    onifast-mailctl tls list [--downgraded] | forget DOMAIN | policies | reports
    onifast-mailctl counts check | rebuild
    onifast-mailctl database show | check | init | adopt | rebuild
    onifast-mailctl backup make [DIR] [--certs] [--copies] [--encrypt-to RECIPIENT] [--keep RULE] | list [DIR]
    onifast-mailctl backup verify [DIR] [--id ID] | restore [DIR] [--id ID] [--replace] | confirm | prune [DIR]
    onifast-mailctl backup extract [DIR] [--id ID] --place PLACE --to FOLDER
    onifast-mailctl delivery-check ADDRESS [--from ADDRESS] [--user USER]
    onifast-mailctl check-config
    onifast-mailctl health [CHECK…] [--strict] [--quiet]
    onifast-mailctl metrics
    onifast-mailctl trace [--address ADDRESS] [--client CLIENT] [--session NAME] [--direction in|out] [--seconds N]
    onifast-mailctl doctor [CHECK…] [--strict] [--quiet]
    onifast-mailctl fsck [KIND…] [--fix] [--quiet]
    onifast-mailctl --version

It works on the same settings, files and database as the three programs, whether they run or not, with the rights of
who starts it; it talks to none of them and listens to nothing. Lists are lines with tabs between their columns, or JSON
with `--json`. It exits with 0 when it did what was asked, 1 when there was nothing to do it to (no such address,
message or key) or something to complain of, and 2 with one line on standard error when it could not try.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version

from onifast_shared.accounts.panel_users import AccountError
from onifast_shared.ctl import (
    audit,
    audited,
    backups,
    certificates,
    check,
    counts,
    database,
    delivery_check,
    destinations,
    dkim,
    doctor,
    domains,
    first_mail,
    fsck,
    health,
    hold_rules,
    junk,
    labels,
    limits,
    logins,
    mail_filters,
    mailbox_users,
    metrics,
    moving,
    queue,
    recipients,
    refusals,
    search,
    setup,
    shared_mailboxes,
    suppressions,
    tls,
    totp,
    trace,
    transport,
    usage,
    users,
    webhooks,
)
from onifast_shared.ctl.tools import DONE, WRONG, Command, CommandParser, UsageError, area, complain
from onifast_shared.db.errors import DatabaseError
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.transport import relay
from onifast_shared.values.address import AddressError

_EXPECTED = (ConfigError, AccountError, AddressError, dkim_keys.DkimKeyError, relay.RelayError, DatabaseError)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    arguments = parser().parse_args(argv)
    command: Command = arguments.command
    try:
        settings = Settings.load(environ)
        status = command(arguments, settings)
        if status == DONE:
            audited.note(settings, arguments)
        return status  # noqa: TRY300
    except (UsageError, *_EXPECTED) as error:
        if arguments.json:
            print(json.dumps({"error": str(error)}, ensure_ascii=False))
        return complain(str(error), WRONG)
    except BrokenPipeError:
        # The reader has seen enough (`| head`); what the interpreter flushes at its end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


@cache
def parser() -> argparse.ArgumentParser:
    """All that can be said to it. To put it together takes longer than most commands, so that is done once."""
    whole = CommandParser(prog="onifast-mailctl", description="Administer onifast-mail on this machine.")
    whole.add_argument("--version", action="version", version=f"onifast-mailctl {version('onifast-mail')}")
    areas = whole.add_subparsers(metavar="AREA", required=True)
    logins.declare_single_sign_on(area(areas, "sso", "single sign-on"))
    users.declare(area(areas, "user", "panel users"))
    recipients.declare_addresses(area(areas, "address", "addresses and their owners"))
    mailbox_users.declare(area(areas, "mailbox-user", "who reads an address in its owner's place, by a password"))
    shared_mailboxes.declare(area(areas, "shared-mailbox", "addresses that several people read"))
    usage.declare(area(areas, "usage", "mail that lies here, mail sent, and what limits leave"))
    recipients.declare_forwards(area(areas, "forward", "where mail goes besides or instead of its mailbox"))
    domains.declare(area(areas, "domain", "domains: their owners, what they use, and aliases of them"))
    recipients.declare_quotas(area(areas, "quota", "how much mail may lie here"))
    transport.declare_relay(area(areas, "relay", "the smart host that outgoing mail takes"))
    transport.declare_routes(area(areas, "route", "smart hosts of single domains"))
    transport.declare_sources(area(areas, "source", "addresses that mail leaves from"))
    destinations.declare(area(areas, "destination", "where mail goes, how fast, and what cannot be reached"))
    queue.declare(area(areas, "queue", "outgoing mail"))
    queue.declare_sandbox(area(areas, "sandbox", "domains whose mail is captured instead of sent"))
    suppressions.declare(area(areas, "suppression", "recipients that a user's mail is not sent to"))
    hold_rules.declare(area(areas, "hold-rule", "mail that waits for a person before it is sent"))
    refusals.declare(area(areas, "refusals", "mail that was refused"))
    junk.declare(area(areas, "junk", "what users taught the junk filter, and want of it"))
    dkim.declare(area(areas, "dkim", "DKIM keys and their rotation"))
    webhooks.declare(area(areas, "webhook", "programs that are told what became of mail"))
    labels.declare(area(areas, "label", "users' labels and own folders"))
    mail_filters.declare_filters(area(areas, "filter", "what users have done with mail as it comes"))
    mail_filters.declare_vacation(area(areas, "vacation", "what users answer while they are away"))
    mail_filters.declare_senders(area(areas, "sender", "whom users accept or block"))
    moving.declare_import(area(areas, "import", "mail from files and servers elsewhere"))
    moving.declare_export(area(areas, "export", "mail for programs elsewhere"))
    audit.declare(area(areas, "audit", "who did what to whose things"))
    logins.declare_tokens(area(areas, "token", "personal API tokens"))
    limits.declare(area(areas, "limits", "how much users, Unix users and domains may send"))
    logins.declare_app_passwords(area(areas, "app-password", "passwords of single programs, for SMTP"))
    totp.declare(area(areas, "totp", "users' second factor at the webmail"))
    certificates.declare(area(areas, "certificate", "certificates of this host's own"))
    tls.declare(area(areas, "tls", "how connections to other sites are protected"))
    search.declare(area(areas, "search", "the search index"))
    counts.declare(area(areas, "counts", "how many messages each folder holds, as it is kept"))
    database.declare(area(areas, "database", "the database itself"))
    backups.declare(area(areas, "backup", "copies of the running system, and how they come back"))
    for alone in (setup, first_mail, delivery_check, health, metrics, trace, doctor, fsck, check):
        alone.declare(areas)
    return whole


if __name__ == "__main__":
    sys.exit(main())
