"""The commands of onifast-mailctl about the database itself: what lies there, whether it is sound, what is meant."""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from onifast_shared.ctl.tools import DONE, NOTHING, UsageError, add, complain, show_one
from onifast_shared.db import identity, inspection, long_readers, troubles
from onifast_shared.db.database import Database
from onifast_shared.db.errors import SchemaDiffers, SchemaTooNew
from onifast_shared.db.files import Files, file_size
from onifast_shared.db.rebuild import rebuild
from onifast_shared.db.troubles import Troubles
from onifast_shared.machine.config import Settings


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "show", _show, "what lies there, who reads from it, and what is wrong with it")
    add(area, "check", _check, "look for damage on every page, and compare the indexes with their tables")
    add(area, "init", _init, "begin with a new, empty database; what lies there is set aside")
    add(area, "adopt", _adopt, "work with the database that lies there, though it is not the one that was here")
    add(
        area,
        "rebuild",
        _rebuild,
        "give the database this version's schema, with all that is in it; programs are stopped",
    )


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    path = settings.database
    trouble = inspection.trouble_with(path, settings.database_timeout)
    files = Files.at(path)
    readers = long_readers.holders(files.shm) if files.shm else []
    values = {
        "path": str(path),
        "state": "refused" if trouble else "good" if files.database else "none yet",
        "reason": str(trouble) if trouble else None,
        "bytes": file_size(path),
        "wal_bytes": file_size(path.with_name(path.name + "-wal")),
        "readers": None if readers is None else [str(each) for each in readers],
        "troubles": [each._asdict() for each in troubles.present(path)],
    }
    if arguments.json:
        print(json.dumps(values, ensure_ascii=False))
    else:
        _print(values)
    return NOTHING if trouble or values["troubles"] else DONE


def _print(values: dict[str, Any]) -> None:
    print(f"{values['path']}\t{values['state']}\t{values['bytes']} bytes, -wal {values['wal_bytes']} bytes")
    if values["reason"]:
        print(values["reason"])
    readers = values["readers"]
    for reader in readers if readers is not None else ["cannot be told: /proc/locks is not shown here"]:
        print(f"reads now\t{reader}")
    for each in values["troubles"]:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(each["since"]))
        print(f"{each['kind']}\t{each['times']} times since {since} UTC\t{each['text']}")


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    path = settings.database
    if not path.exists():
        raise UsageError(f"there is no database {path}")
    found = inspection.soundness(path, settings.database_timeout)
    _note(path, found.findings)
    if arguments.json:
        print(json.dumps({"path": str(path), "sound": not found.findings, "findings": found.findings}))
    elif not found.findings:
        print(f"database {path} is sound")
    for finding in [] if arguments.json else found.findings:
        complain(f"database {path} is damaged: {finding}", NOTHING)
    return NOTHING if found.findings else DONE


def _note(path: Path, findings: list[str]) -> None:
    """Shows the damage to administrators until a check finds none."""
    noted = Troubles(path)
    if findings:
        noted.note(troubles.DAMAGED, f"database {path} is damaged: {findings[0]}")
    else:
        noted.end(troubles.DAMAGED)
    noted.flush()


def _init(arguments: argparse.Namespace, settings: Settings) -> int:
    path = settings.database
    if path.exists():
        trouble = inspection.trouble_with(path, settings.database_timeout)
        if trouble is None or isinstance(trouble, SchemaDiffers | SchemaTooNew):
            return complain(f"database {path} is the one that was here; move it away first if it is to go", NOTHING)
    aside = _set_aside(path)
    identity.forget(path)
    Database.open(path, timeout=settings.database_timeout).close()
    line = f"made {path}" + (f"; what was there is {aside}" if aside else "")
    return show_one(arguments, {"made": str(path), "set_aside": aside and str(aside)}, line)


def _set_aside(path: Path) -> Path | None:
    """Renames what lies there, its WAL with it; returns the new name."""
    aside = path.with_name(f"{path.name}.set-aside-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    for suffix in ("-wal", "-shm", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(aside.with_name(aside.name + suffix))
    return aside if aside.exists() else None


def _adopt(arguments: argparse.Namespace, settings: Settings) -> int:
    path = settings.database
    _refuse_unsound(path, settings, "adopt")
    inspection.refuse_foreign(path, settings.database_timeout)
    identity.forget(path)
    with closing(Database.open(path, timeout=settings.database_timeout)):
        mark = identity.remembered(path)
    return show_one(arguments, {"adopted": str(path), "id": mark and mark.id}, f"adopted {path}")


def _rebuild(arguments: argparse.Namespace, settings: Settings) -> int:
    path = settings.database
    _refuse_unsound(path, settings, "rebuild")
    found = rebuild(path, settings.database_timeout)
    Database.open(path, timeout=settings.database_timeout).close()
    values = {"rebuilt": str(path), "rows": found.rows, "kept": str(found.kept), "left_behind": found.left_behind}
    lines = [f"rebuilt {path} with {found.rows} rows; what was there is {found.kept}"]
    return show_one(
        arguments, values, "\n".join([*lines, *(f"left behind there: {each}" for each in found.left_behind)])
    )


def _refuse_unsound(path: Path, settings: Settings, action: str) -> None:
    if not file_size(path):
        raise UsageError(f"there is no database {path} to {action}; onifast-mailctl database init makes a new one")
    damage = inspection.soundness(path, settings.database_timeout).findings
    if damage:
        raise UsageError(f"database {path} is damaged: {damage[0]}")
