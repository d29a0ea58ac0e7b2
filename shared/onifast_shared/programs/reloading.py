"""SIGHUP: settings that can change, certificates and the log file are taken anew. It never ends a program.

If it was ignored at the program's start (`nohup`), it stays ignored.
"""

from __future__ import annotations

import dataclasses
import logging
import signal

from onifast_shared.machine import log
from onifast_shared.machine.config import ConfigError, Settings, fixed_settings


def is_heard() -> bool:
    """Whether SIGHUP means anything to this process."""
    return signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


def hold() -> None:
    """Lets SIGHUP do nothing, until a program is ready for it: without this it would end it. Children inherit it."""
    if is_heard():
        signal.signal(signal.SIGHUP, lambda *_: None)


def renewed(settings: Settings, logger: logging.Logger) -> Settings:
    """Opens the log file anew and reads the settings; returns those to go on with, and logs how it went.

    Settings that count at start only stay what they are. Where the settings cannot be used, all of them do.
    """
    log.reopen()
    try:
        read = Settings.load()
    except ConfigError as error:
        log.event(logger, "reload-refused", logging.ERROR, reason=str(error))
        return settings
    kept = {name: getattr(settings, name) for name in fixed_settings()}
    waiting = [name for name, value in kept.items() if getattr(read, name) != value]
    logging.getLogger("onifast").setLevel(read.log_level.upper())
    log.event(logger, "reloaded", settings=read.source, need_restart=",".join(waiting) or None)
    return dataclasses.replace(read, **kept)
