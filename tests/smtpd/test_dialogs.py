"""Replays the transcripts of `dialogs/`.

# a comment
@ from=127.0.0.1 service=submission tls certificate max_recipients=100     (who connects how, and settings)
@ app_password=chief                                                       (a user who has one)
C: text        the client sends a line
C> text        the client sends octets as they stand, with \\r, \\n and \\xNN
C! tls         the client starts TLS
S: text        the next line of the server begins with the text
S~ regex       the next line of the server matches
S... text      lines of the server, up to one that begins with the text
S! closed      the server has hung up
"""

from __future__ import annotations

import os
import pwd
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from onifast_shared.accounts import app_passwords
from onifast_shared.machine.config import Settings
from onifast_smtpd.clients.client import Service

from .helpers import OUTSIDE, SmtpClient, World, no_verification

DIALOGS = sorted((Path(__file__).parent / "dialogs").glob("*.txt"))

Start = Callable[..., Awaitable[World]]


@pytest.mark.parametrize("file", DIALOGS, ids=lambda file: file.stem)
async def test_dialog(file: Path, start: Start, request: pytest.FixtureRequest) -> None:
    lines = _read(file)
    options = _options(line[2:] for line in lines if line.startswith("@ "))
    if options.pop("certificate", False):
        request.getfixturevalue("certificate")
    how = {"source": options.pop("from", OUTSIDE), "tls": bool(options.pop("tls", False))}
    service, owner = Service(options.pop("service", "smtp")), options.pop("app_password", None)
    world = await start(**options)
    if owner:
        world.database.write(lambda tx: app_passwords.create(tx, owner, None, "Phone", time.time()))
    async with SmtpClient(*await world.connect(service=service, **how)) as client:
        for number, line in enumerate(lines):
            if not line.startswith("@"):
                await _step(client, line, f"{file.name}, step {number}: {line}")


async def _step(client: SmtpClient, line: str, where: str) -> None:
    mark, _, text = line.partition(" ")
    match mark:
        case "C:":
            client.send(f"{text}\r\n")
        case "C>":
            client.send(text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
        case "C!":
            await client.writer.start_tls(no_verification())
        case "S:":
            heard = await client.line()
            assert heard.startswith(text), f"{where}: heard {heard!r}"
        case "S~":
            heard = await client.line()
            assert re.fullmatch(text, heard), f"{where}: heard {heard!r}"
        case "S...":
            while not (heard := await client.line()).startswith(text):
                assert heard[3:4] == "-", f"{where}: heard {heard!r}"
        case "S!":
            assert await client.hung_up(), where
        case _:
            pytest.fail(f"{where}: unknown mark")


def _read(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


def _value(name: str, value: str) -> Any:
    """A number as it is, that tests may go beyond what is allowed; all else as the settings file reads it."""
    if value.isdecimal():
        return int(value)
    setting = Settings.__dataclass_fields__.get(name)
    return setting.metadata["kind"].parse(value) if setting else value


def _options(lines: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in " ".join(lines).split():
        name, equals, value = word.replace("{user}", pwd.getpwuid(os.getuid()).pw_name).partition("=")
        found[name] = _value(name, value) if equals else True
    return found
