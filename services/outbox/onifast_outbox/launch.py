"""The start of outbox: settings, rights, and who looks after it; then it delivers (`program`)."""

from __future__ import annotations

import gc
import socket

from onifast_shared.db.errors import DatabaseError
from onifast_shared.dkim import white_space
from onifast_shared.machine import capabilities, log, memory, privileges, rights
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.machine.privileges import PrivilegeError
from onifast_shared.programs import command_line, reloading
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.supervised import Supervision
from onifast_shared.programs.watch import Watch

from onifast_outbox import program
from onifast_outbox.filing import filer

PROGRAM = "onifast-outbox"


def run(channel: socket.socket) -> int:
    """Delivers until a signal ends it; returns the exit status. `channel` leads to the filer."""
    supervision, manager = Supervision(), ServiceManager()
    reloading.hold()
    try:
        return _run(Settings.load(), channel, supervision, manager)
    except (ConfigError, PrivilegeError, DatabaseError) as error:
        return command_line.complain(PROGRAM, error)


def _run(settings: Settings, channel: socket.socket, supervision: Supervision, manager: ServiceManager) -> int:
    log.configure(settings.log_level, PROGRAM)
    memory.give_back_large_blocks()
    # Deliveries make next to no cyclic garbage; by default it would be looked for several times a message.
    gc.set_threshold(10_000, 20, 50)
    white_space.put_in_place()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no collection looks at it
    if settings.file_copies:
        filer.tell_home_root(channel, settings.home_root)
    else:
        filer.dismiss(channel)
    rights.give_up_root(settings)
    capabilities.keep_only(privileges.KEPT)
    supervision.follow()
    memory.trim()
    watch = Watch("outbox", settings.database, manager, listening={})
    filing = channel if settings.file_copies else None
    return watch.over_alone(lambda serving, beat: program.deliver(settings, filing, serving, beat))
