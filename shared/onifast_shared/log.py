"""Logging: one line an event on standard error, `program: event key=value …`, safe against injected line breaks."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

_PLAIN = re.compile(r"[\w@.:/+<>\[\]%,;=~*-]+")


class Secret(str):
    """Text that cannot be printed by accident: formatting, repr and logs show stars; `reveal()` gives the text."""

    __slots__ = ()

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return str.__str__(self)

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret('***')"

    def __format__(self, spec: str) -> str:
        return "***"


def configure(level: str, program: str) -> logging.Logger:
    """Sets up the program's log on standard error; gives its logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s {program}[%(process)d]: %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    )
    # What no line of ours shows need not be found out for each of them: the caller's file and line, the thread.
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logger = logging.getLogger("onifast")
    logger.setLevel(level.upper())
    logger.propagate = True
    return get(program)


def get(name: str) -> logging.Logger:
    """The logger of a program or of a part of it."""
    return logging.getLogger(f"onifast.{name}")


def event(logger: logging.Logger, what: str, level: int = logging.INFO, **values: Any) -> None:
    """Logs one event. Values that are None are left out; others are quoted where they are not plain."""
    if logger.isEnabledFor(level):
        pairs = (f"{key}={shown(value)}" for key, value in values.items() if value is not None)
        logger.log(level, "%s", " ".join([what, *pairs]))


def shown(value: Any) -> str:
    """A value as the log shows it: on one line, whatever a client put into it."""
    text = str(value) if isinstance(value, Secret) else format(value)
    if _PLAIN.fullmatch(text):
        return text
    escaped = text[:1000].encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
