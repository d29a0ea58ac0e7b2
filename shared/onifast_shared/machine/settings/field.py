"""How a setting is written: its default, what is allowed, and its meaning, at the field itself."""

from __future__ import annotations

import socket
from dataclasses import field
from typing import Any

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.setting_types import Kind

MIB = 1024 * 1024


def machine_hostname() -> str:
    """The machine's fully qualified name, or `localhost.localdomain` where SMTP could not use it."""
    try:
        return str(kinds.hostname().parse(socket.getfqdn()))
    except ValueError:
        return "localhost.localdomain"


def setting(default: str, kind: Kind, meaning: str, *, shown: str | None = None, fixed: bool = False) -> Any:
    """A field of Settings; its default, written as an administrator would write it, goes through the same check.

    One that is `fixed` counts when a program starts; the others are taken anew at SIGHUP.
    """
    metadata = {"kind": kind, "meaning": meaning, "default": default if shown is None else shown, "fixed": fixed}
    return field(default_factory=machine_hostname if shown else lambda: kind.parse(default), metadata=metadata)


def limit(default: str, meaning: str) -> Any:
    """A field for a number of messages or recipients; 0 for no limit."""
    return setting(default, kinds.number(0, 1_000_000_000), f"{meaning}; 0 for no limit.")
