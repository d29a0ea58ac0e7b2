"""The command of onifast-mailctl that prints the numbers of all programs."""

from __future__ import annotations

import argparse
from typing import Any

from onifast_shared.ctl.tools import DONE, add, opened
from onifast_shared.machine.config import Settings
from onifast_shared.metrics import exposition, gauges, store


def declare(areas: Any) -> None:
    """Adds the command."""
    add(areas, "metrics", _metrics, "print what is counted and measured, as Prometheus reads it")


def _metrics(arguments: argparse.Namespace, settings: Settings) -> int:
    import json  # noqa: PLC0415

    with opened(settings) as database:
        if not arguments.json:
            print(exposition.page(settings, database), end="")
            return DONE
        counted, found = database.read(store.totals), gauges.look(settings, database)
    rows = [each._asdict() for each in counted] + [
        {"name": g.name, "labels": g.labels, "number": g.number} for g in found
    ]
    print(json.dumps(rows, ensure_ascii=False))
    return DONE
