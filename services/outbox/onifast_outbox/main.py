"""onifast-outbox: delivers queued mail, and indexes and files what was received.

    onifast-outbox

It waits for rows in the database's `outbox`, claims them, and delivers each message: into mailboxes of this host, to
the relay that `mail_config` names, or to the mail exchangers of the recipients' domains. What goes out is signed with
DKIM. What fails for now is tried again on a schedule; what fails for good is reported to its sender. It makes messages
of rows that scripts INSERTed, parses new mail for the webmail's lists and search, and has the copies of received mail
written into the owners' homes. Judges new mail by what its owner moved to junk, learns from that, or has a junk filter
elsewhere learn it. Sets aside what belonged to users whom the panel removed, and deletes it in time.

Reads:      <root>/config/onifast-mail.toml and ONIFAST_MAIL_… variables; the database; <root>/certs/<domain>/ (DKIM);
            <root>/users/ (who is there, and who is an administrator, where no other right to sign is found)
Writes:     the database; <root>/certs/<domain>/, where a DKIM key's rotation ends; its log, on standard error;
            <home_root>/<owner>/.onifast/mail/*.eml, through the filer, a child that becomes the owner
Listens on: nothing. It connects to mail servers (port 25, the relay's) and to DNS servers.
Rights:     started as root, it starts the filer and then becomes the user `run_as`. Started with CAP_SETUID and
            CAP_SETGID, it starts the filer and gives them up. Started without, copies belong to whoever it runs as.
Signals:    TERM and INT: claims nothing more, finishes what is in flight for up to 20 seconds, gives the rest back.
            HUP: the same, and then goes on with the settings that can change and the log file taken anew.
Exit code:  0 after a signal; 1 where the filer has died, which only a restart brings back, or the database cannot be
            used just now; 2 for what has to be mended first, as a wrong setting, with one line that says so.

Several may run on one database: each message is claimed by one of them. Killed at any moment it loses nothing; at most
one message for each open connection is sent twice.
"""

from __future__ import annotations

import gc
import sys

from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine import capabilities, log, memory, privileges, rights
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.machine.privileges import PrivilegeError
from onifast_shared.programs import command_line, reloading
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.supervised import Supervision
from onifast_shared.programs.watch import Watch

from onifast_outbox.filing import filer


def main() -> None:
    """The console script `onifast-outbox`."""
    if (status := command_line.answer("onifast-outbox", __doc__)) is not None:
        sys.exit(status)
    supervision, manager = Supervision(), ServiceManager()
    reloading.hold()
    try:
        sys.exit(_run(Settings.load(), supervision, manager))
    except (ConfigError, PrivilegeError, DatabaseError) as error:
        print(f"onifast-outbox: {error}", file=sys.stderr)
        sys.exit(command_line.status_of(error))


def _run(settings: Settings, supervision: Supervision, manager: ServiceManager) -> int:
    log.configure(settings.log_level, "onifast-outbox")
    memory.give_back_large_blocks()
    # Deliveries make next to no cyclic garbage; by default it would be looked for several times a message.
    gc.set_threshold(10_000, 20, 50)
    gc.freeze()  # what is loaded by now stays: no collection looks at it, so its pages stay shared with the filer
    # First of all: the filer has to be forked while there is neither a thread nor a database, and with our rights.
    channel = filer.start(settings.home_root) if settings.file_copies else None
    # Only now, and while we may still read everything: the filer would hold most of it a second time.
    from onifast_shared.dkim import white_space  # noqa: PLC0415

    from onifast_outbox import program  # noqa: PLC0415

    white_space.put_in_place()
    gc.freeze()
    rights.give_up_root(settings)
    capabilities.keep_only(privileges.KEPT)
    supervision.follow()
    watch = Watch("outbox", settings.database, manager, listening={})
    return watch.over_alone(lambda serving, beat: program.deliver(settings, channel, serving, beat))


if __name__ == "__main__":
    main()
