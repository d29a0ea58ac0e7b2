"""What the audit trail is told of commands: each that changes something leaves a line, with the Unix user who ran it.

A test holds the tables to the commands.
"""

from __future__ import annotations

import argparse
import os
import pwd
import time
from collections.abc import Mapping
from pathlib import Path

from onifast_shared.accounts import audit, audit_lines
from onifast_shared.accounts.audit import Actor
from onifast_shared.ctl.tools import write
from onifast_shared.machine.config import Settings

_NOT_SET = 2**32 - 1  # of a program that nobody logged in for
_OF_USER = {
    "app-password",
    "token",
    "suppression",
    "sso",
    "junk",
    "label",
    "filter",
    "vacation",
    "sender",
    "import",
    "export",
}
"""Areas whose commands name a user first, whose the thing is."""

CHANGES: Mapping[str, str] = {
    "sso issue": "sso.issue",
    "user add": "user.create",
    "user password": "user.password",
    "user remove": "user.remove",
    "user restore": "user.restore",
    "user rename": "user.rename",
    "user confirm": "user.confirm",
    "user purge": "user.purge",
    "address add": "address.add",
    "address remove": "address.remove",
    "forward add": "forward.add",
    "forward remove": "forward.remove",
    "domain add": "domain.add",
    "domain owner": "domain.owner",
    "domain remove": "domain.remove",
    "domain alias": "domain-alias.add",
    "domain unalias": "domain-alias.remove",
    "domain mta-sts": "domain.mta-sts",
    "quota set": "quota.set",
    "relay set": "relay.set",
    "relay clear": "relay.set",
    "route set": "route.set",
    "route remove": "route.remove",
    "source set": "source.set",
    "source remove": "source.remove",
    "destination set": "destination.set",
    "destination clear": "destination.remove",
    "queue retry": "queue.retry",
    "queue hold": "queue.hold",
    "queue release": "queue.release",
    "queue cancel": "queue.cancel",
    "queue recall": "queue.recall",
    "queue send-now": "queue.send_now",
    "queue reschedule": "queue.reschedule",
    "queue redirect": "queue.redirect",
    "sandbox on": "sandbox.on",
    "sandbox off": "sandbox.off",
    "suppression add": "suppression.add",
    "suppression lift": "suppression.lift",
    "hold-rule add": "hold-rule.add",
    "hold-rule remove": "hold-rule.remove",
    "refusals rescue": "refusal.rescue",
    "junk set": "junk.set",
    "junk forget": "junk.forget",
    "dkim generate": "dkim.generate",
    "dkim rotate": "dkim.rotate",
    "dkim switch": "dkim.switch",
    "dkim abort": "dkim.abort",
    "dkim retire": "dkim.retire",
    "webhook add": "webhook.create",
    "webhook remove": "webhook.remove",
    "webhook enable": "webhook.enable",
    "webhook set": "webhook.change",
    "webhook replay": "webhook.replay",
    "filter add": "filter.add",
    "filter enable": "filter.change",
    "filter disable": "filter.change",
    "filter remove": "filter.remove",
    "vacation set": "vacation.set",
    "vacation off": "vacation.set",
    **dict.fromkeys(("import mail", "import imap", "import database"), "mail.import"),
    "import aliases": "forward.add",
    "export mail": "mail.export",
    "label add": "label.add",
    "label rename": "label.change",
    "label colour": "label.change",
    "label remove": "label.remove",
    "token create": "token.create",
    "token revoke": "token.revoke",
    "limits set": "limit.set",
    "limits reset": "limit.set",
    "app-password create": "app-password.create",
    "app-password revoke": "app-password.revoke",
    "tls forget": "tls.forget",
    "certificate install": "certificate.install",
    "backup make": "backup.make",
    "backup restore": "backup.restore",
    "backup confirm": "backup.confirm",
    "backup extract": "backup.extract",
    "backup prune": "backup.prune",
    "trace": "trace.watch",
}
"""The action of each command, by its name."""

WITHOUT_LINE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("totp reset", "mailbox-user add", "mailbox-user password", "mailbox-user disable"),
            *("mailbox-user enable", "mailbox-user set", "mailbox-user remove", "address set"),
            *("setup", "shared-mailbox add", "shared-mailbox set", "shared-mailbox members", "shared-mailbox remove"),
        ),
        "writes its line itself, with what it does",
    ),
    "webhook test": "changes nothing",
    "test-mail": "the queue has it",
    **dict.fromkeys(
        ("sender accept", "sender block", "sender forget"),
        "what users let in is nobody's but theirs, as on their pages",
    ),
    "search rebuild": "makes anew what follows from the mail",
    "counts rebuild": "makes anew what follows from the mail",
    "fsck": "writes its line itself, with what it mended",
    "database init": "there is no trail before it",
    "database adopt": "the trail that is taken over may be another one",
    "database rebuild": "the trail is in what is made anew",
    **dict.fromkeys(
        (
            *("user list", "user show", "user departed", "user missing", "address list", "forward list"),
            *("domain list", "domain show", "domain dns", "domain aliases", "quota show", "relay show", "route list"),
            *("source list", "destination list", "queue list", "queue count", "queue show", "sandbox list"),
            *("suppression list", "hold-rule list", "refusals list", "junk show", "dkim show", "dkim check"),
            *("webhook list", "webhook calls", "label list", "audit list", "token list", "limits list"),
            *("limits refused", "app-password list", "totp list", "tls list", "tls policies", "tls reports"),
            *("search check", "counts check", "database show", "database check", "delivery-check", "check-config"),
            *("backup list", "backup verify", "mailbox-user list", "health", "metrics", "certificate list"),
            "doctor",
            *("shared-mailbox list", "shared-mailbox show", "address show", "usage users", "usage domains"),
            *("mailbox-user show", "user password-check"),
            *("filter list", "filter log", "vacation show", "sender list", "import list", "import report"),
        ),
        "only looks",
    ),
}
"""Why the others leave none."""


def actor(login: Path = Path("/proc/self/loginuid")) -> Actor:
    """Who runs this program: the process's own user, and who logged in as somebody else before (sudo, su).

    Linux keeps the latter for its audit system (proc(5)); nothing in the environment is believed.
    """
    try:
        came_as = int(login.read_text("ascii"))
    except (OSError, ValueError):
        came_as = _NOT_SET
    as_other = f"login:{_name(came_as)}" if came_as not in (_NOT_SET, os.getuid()) else ""
    return Actor(f"unix:{_name(os.getuid())}", as_other)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def note(settings: Settings, arguments: argparse.Namespace) -> None:
    """Writes the line of a command that was carried out; raises DatabaseError."""
    spoken = getattr(arguments, "spoken", "")
    action = CHANGES.get(spoken)
    if action is None:
        return
    values = {name: value for name, value in vars(arguments).items() if value not in (None, False)}
    area = spoken.partition(" ")[0]
    owner = values.get("user" if area in _OF_USER and "user" in values else "owner")
    noun = action.partition(".")[0]
    write(
        settings,
        lambda tx: audit.record(
            tx,
            actor(),
            action,
            owner=str(owner) if owner else None,
            object=audit_lines.object_of(noun, values),
            details=audit_lines.details_of(values),
            now=time.time(),
        ),
    )
