"""The log: one line an event, whoever writes it."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator

import pytest
from onifast_shared.machine import log
from onifast_shared.values.lazy import lazy

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a program that logs as ours do has written to standard error."""
    written = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("onifast")
    before = (root.handlers, root.level, ours.level)
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setattr(logging, "_srcfile", None)
    monkeypatch.setattr(logging, "logThreads", False)
    monkeypatch.setattr(logging, "logMultiprocessing", False)
    log.configure("info", "onifast-test")
    yield written
    root.handlers, root.level, _ = before
    root.setLevel(before[1])
    ours.setLevel(before[2])


def line_of(text: str) -> str:
    """The pattern of a line with this text."""
    return rf"{STAMP} onifast-test\[{os.getpid()}\]: {re.escape(text)}\n"


def test_an_event_is_one_line(stream: io.StringIO) -> None:
    log.event(log.get("test"), "accepted", id="x.1", size=7, by=None, note="two words\nand a line")
    assert re.fullmatch(line_of(r'INFO accepted id=x.1 size=7 note="two words\nand a line"'), stream.getvalue())


def test_an_event_below_the_level_is_none(stream: io.StringIO) -> None:
    log.event(log.get("test"), "connect", logging.DEBUG, session="x")
    assert not stream.getvalue()


def test_a_secret_is_never_shown(stream: io.StringIO) -> None:
    log.event(log.get("test"), "login", password=log.Secret("open sesame"))
    assert "sesame" not in stream.getvalue()


def test_a_record_of_a_library_looks_the_same(stream: io.StringIO) -> None:
    logging.getLogger("library").warning("it is %s", "late")
    assert re.fullmatch(line_of("WARNING it is late"), stream.getvalue())


def test_a_traceback_goes_below_its_line(stream: io.StringIO) -> None:
    try:
        int("boom")
    except ValueError:
        log.get("test").exception("unforeseen")
    first, _, rest = stream.getvalue().partition("\n")
    assert re.fullmatch(line_of("ERROR unforeseen"), first + "\n")
    assert rest.startswith("Traceback")
    assert "ValueError" in rest


def test_a_log_that_cannot_be_written_harms_nobody(stream: io.StringIO) -> None:
    stream.close()
    log.event(log.get("test"), "accepted")


def test_other_handlers_get_the_event_too(stream: io.StringIO, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger().addHandler(caplog.handler)
    log.event(log.get("test"), "accepted", id=1)
    assert "accepted id=1" in caplog.text
    assert re.fullmatch(line_of("INFO accepted id=1"), stream.getvalue())


def test_a_lazy_value_is_computed_once() -> None:
    class Counted:
        calls = 0

        @lazy
        def value(self) -> int:
            self.calls += 1
            return 7

    counted = Counted()
    assert (counted.value, counted.value, counted.calls) == (7, 7, 1)
    assert isinstance(Counted.value, lazy)
