"""The settings file as it is written here: a line for each setting, all others and every comment as they were."""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Value = str | bool
_MODE = 0o640  # of a new file: its directory's group, the programs', reads it


class SettingsFileError(Exception):
    """The file cannot be read or written. The text is one line."""


def read(file: Path) -> dict[str, Any]:
    """What the file says; {} where there is none. Raises SettingsFileError."""
    return _parsed(_text(file), file)


def change(file: Path, values: Mapping[str, Value]) -> bool:
    """Gives settings these values; says whether the file had to change. Raises SettingsFileError.

    It is whole at every instant: written beside, then renamed. A value that stands over several lines is not touched.
    """
    text = _text(file)
    changed = text
    for name, value in values.items():
        changed = _with(changed, name, value)
    if changed == text:
        return False
    if _parsed(changed, file) != _parsed(text, file) | dict(values):
        raise SettingsFileError(f"{file} cannot be changed here; put into it: {_lines(values)}")
    _write(file, changed)
    return True


def _with(text: str, name: str, value: Value) -> str:
    line = f"{name} = {_toml(value)}"
    found = re.search(rf"(?m)^{re.escape(name)}[ \t]*=.*$", text)
    if found:
        return text[: found.start()] + line + text[found.end() :]
    return f"{text.rstrip(chr(10))}\n{line}\n".lstrip("\n")


def _toml(value: Value) -> str:
    """A value as TOML has it: a basic string escapes as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def _lines(values: Mapping[str, Value]) -> str:
    return "; ".join(f"{name} = {_toml(value)}" for name, value in values.items())


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"settings file {file} cannot be read: {error}") from None


def _parsed(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileError(f"settings file {file} is not TOML: {str(error).splitlines()[0]}") from None


def _write(file: Path, text: str) -> None:
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        former = file.stat() if file.exists() else None
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                if former:
                    os.fchown(descriptor, former.st_uid, former.st_gid)
                os.fchmod(descriptor, former.st_mode & 0o777 if former else _MODE)
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsFileError(f"settings file {file} cannot be written: {error.strerror}") from None
