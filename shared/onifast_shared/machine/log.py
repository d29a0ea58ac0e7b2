"""Logging: one line an event on standard error, `program: event key=value …`, safe against injected line breaks."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import sys
import time
from pathlib import Path
from typing import Any, TextIO

# What is ASCII is named, though \w has it: it is found by one look into a table then, and not by what Unicode says.
_PLAIN = re.compile(r"[A-Za-z0-9_\w@.:/+<>\[\]%,;=~*-]+")


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


class Lines(logging.Handler):
    """Writes each record on a line of its own: time, program and process, severity, message."""

    def __init__(self, stream: TextIO, program: str) -> None:
        super().__init__()
        self._stream = stream
        self._program = program
        self._path = _file_of(stream)
        self._second = 0
        self._stamp = ""
        self.setFormatter(logging.Formatter())  # for tracebacks, which go below the line

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record; trouble with the stream is nobody's who logs."""
        try:
            self.write(record.created, record.levelname, self.format(record))
        except Exception:
            self.handleError(record)

    def write(self, at: float, level: str, text: str) -> None:
        """Writes a line; `at` is in epoch seconds. Raises OSError."""
        with self.lock or contextlib.nullcontext():
            if int(at) != self._second:
                self._second = int(at)
                self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(at))
            self._stream.write(f"{self._stamp} {self._program}[{os.getpid()}]: {level} {text}\n")
            self._stream.flush()

    def reopen(self) -> None:
        """Goes on in a new file of the same name, where the stream is a file: the old one may have been moved away."""
        if self._path is None:
            return
        try:
            fresh = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            self.write(
                time.time(), "WARNING", f"log-not-reopened file={shown(self._path)} reason={shown(error.strerror)}"
            )
            return
        os.dup2(fresh, self._stream.fileno())
        os.close(fresh)


def reopen() -> None:
    """`Lines.reopen`, for the program's log."""
    for handler in logging.root.handlers:
        if isinstance(handler, Lines):
            handler.reopen()


def _file_of(stream: TextIO) -> str | None:
    """The path of the regular file that a stream writes to; None where it is a pipe, a socket or a terminal."""
    try:
        fd = stream.fileno()
        return str(Path(f"/proc/self/fd/{fd}").readlink()) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except (OSError, ValueError):
        return None


def configure(level: str, program: str) -> logging.Logger:
    """Sets up the program's log on standard error; returns its logger."""
    handler = Lines(sys.stderr, program)
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
    if not logger.isEnabledFor(level):
        return
    pieces = [what]
    for key, value in values.items():
        if type(value) is str and _PLAIN.fullmatch(value):
            pieces.append(f"{key}={value}")
        elif value is not None:
            pieces.append(f"{key}={shown(value)}")
    text = " ".join(pieces)
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], Lines):
        # An event is a line already: a record made of it would cost three times as much, and say nothing more.
        with contextlib.suppress(OSError, ValueError):  # nobody fails because their log cannot be written
            handlers[0].write(time.time(), logging.getLevelName(level), text)
        return
    logger.log(level, "%s", text)


def shown(value: Any) -> str:
    """A value as the log shows it: on one line, whatever a client put into it."""
    if type(value) is int:
        return str(value)
    text = value if type(value) is str else str(value) if isinstance(value, Secret) else format(value)
    if _PLAIN.fullmatch(text):
        return text
    escaped = text[:1000].encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
