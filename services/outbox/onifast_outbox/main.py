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

import sys

from onifast_shared.programs import command_line

from onifast_outbox.filing import filer


def main() -> None:
    """The console script `onifast-outbox`."""
    if (status := command_line.answer("onifast-outbox", __doc__)) is not None:
        sys.exit(status)
    # First of all: it has to be forked while there is neither a thread nor a database, and with our rights.
    channel = filer.start()
    # Only now, and while we may still read everything: the filer would hold all of it a second time.
    from onifast_outbox import launch  # noqa: PLC0415

    sys.exit(launch.run(channel))


if __name__ == "__main__":
    main()
