"""The commands of onifast-mailctl about backups."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from onifast_shared.backup import making, restoring, retention
from onifast_shared.backup.encryption import EncryptionError
from onifast_shared.backup.making import What
from onifast_shared.backup.manifest import Manifest
from onifast_shared.backup.repository import Repository, RepositoryError
from onifast_shared.backup.restoring import RestoreRefused
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    Command,
    UsageError,
    add,
    complain,
    opened,
    show_one,
    show_rows,
    write,
)
from onifast_shared.db import shared_keys
from onifast_shared.machine.config import Settings
from onifast_shared.queue import restored
from onifast_shared.values import times

_KEEPING = "which are kept, such as last=3,daily=7,weekly=4; also a setting"
PLACES = ("database", "config", "certs", "homes")


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    making_one = _add(area, "make", _make, "back up the running system; what is the same as before is stored once")
    making_one.add_argument("--certs", action="store_true", help="certificates and DKIM keys too")
    making_one.add_argument("--copies", action="store_true", help="the users' own copies of their mail too")
    making_one.add_argument("--encrypt-to", action="append", metavar="RECIPIENT", help="by age; also a setting")
    making_one.add_argument("--keep", type=_rule, metavar="RULE", help=_KEEPING)
    _add(area, "list", _list, "id, made, host, bytes, bytes that were new, emails, waiting and past deliveries")
    verifying = _add_one(area, "verify", _verify, "restore one into a temporary place, and compare all of it")
    verifying.add_argument("--scratch", type=Path, metavar="FOLDER", help="where there is room for that")
    restoring_one = _add_one(area, "restore", _restore, "put one where the system works; programs are stopped")
    restoring_one.add_argument("--replace", action="store_true", help="set the database aside that is there")
    extracting = _add_one(area, "extract", _extract, "write what one holds of a place into a new folder")
    extracting.add_argument("--place", choices=PLACES, required=True)
    extracting.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    add(area, "confirm", _confirm, "let the mail go that a restore held: it has not gone out since the backup")
    pruning = _add(area, "prune", _prune, "remove those that a rule does not keep, and what only they needed")
    pruning.add_argument("--keep", type=_rule, metavar="RULE", help=_KEEPING)


def _add(area: Any, name: str, command: Command, meaning: str) -> argparse.ArgumentParser:
    parser = add(area, name, _in_words(command), meaning)
    parser.add_argument("dir", nargs="?", type=Path, metavar="DIR", help="where backups lie; also a setting")
    parser.add_argument("--identity", type=Path, metavar="FILE", help="of age or SSH: opens what is encrypted")
    return parser


def _add_one(area: Any, name: str, command: Command, meaning: str) -> argparse.ArgumentParser:
    parser = _add(area, name, command, meaning)
    parser.add_argument("--id", default="latest", metavar="ID", help="which one; the latest if not said")
    return parser


def _rule(text: str) -> retention.Rule:
    try:
        return retention.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _in_words(command: Command) -> Command:
    """The command, whose expected failures are one line and status 2."""

    def run(arguments: argparse.Namespace, settings: Settings) -> int:
        try:
            return command(arguments, settings)
        except (RepositoryError, EncryptionError, RestoreRefused) as error:
            raise UsageError(str(error)) from None
        except OSError as error:
            raise UsageError(f"{error.filename or 'the backup'}: {error.strerror}") from None

    return run


def _make(arguments: argparse.Namespace, settings: Settings) -> int:
    recipients = tuple(arguments.encrypt_to or settings.backup_encrypt_to)
    key = write(settings, lambda tx: shared_keys.obtain(tx, shared_keys.BACKUP_CHUNKS)) if recipients else b""
    repository = Repository.ready(_folder(arguments, settings), recipients, key)
    made = making.make(settings, repository, What(certs=arguments.certs, copies=arguments.copies), time.time())
    gone, freed = making.prune(repository, _kept(arguments, settings))
    values = {**_row(made), "removed": gone, "freed": freed}
    line = f"made {made.id}: {made.size} bytes, {made.stored} of them new"
    return show_one(arguments, values, "\n".join([line, *(f"removed {each}" for each in gone)]))


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    repository = Repository.open(_folder(arguments, settings), arguments.identity)
    return show_rows(arguments, [_row(repository.manifest(each)) for each in repository.ids()])


def _row(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "made_at": times.rfc3339(manifest.made_ts),
        "hostname": manifest.hostname,
        "bytes": manifest.size,
        "new_bytes": manifest.stored,
        "emails": manifest.rows.get("emails", 0),
        "outbox": manifest.rows.get("outbox", 0),
    }


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    repository, manifest = _one(arguments, settings)
    found = restoring.verify(repository, manifest, arguments.scratch)
    for finding in [] if arguments.json else found.findings:
        complain(f"backup {found.id}: {finding}", NOTHING)
    if arguments.json or not found.findings:
        show_one(arguments, asdict(found), f"backup {found.id} is whole: {manifest.rows.get('emails', 0)} emails")
    return NOTHING if found.findings else DONE


def _restore(arguments: argparse.Namespace, settings: Settings) -> int:
    repository, manifest = _one(arguments, settings)
    done = restoring.restore(settings, repository, manifest, replace=arguments.replace)
    lines = [f"restored backup {done.id} to {done.database}, and {done.files} files"]
    if done.set_aside:
        lines.append(f"what was there is {done.set_aside}")
    lines += [f"left as it is: {each}" for each in done.left_alone]
    if done.held:
        lines.append(
            f"{done.held} deliveries are held, since they may have gone out after the backup;"
            " onifast-mailctl backup confirm lets them go"
        )
    values = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(done).items()}
    return show_one(arguments, values, "\n".join(lines))


def _confirm(arguments: argparse.Namespace, settings: Settings) -> int:
    released = 0
    with opened(settings) as database:
        while some := database.write(lambda tx: restored.release(tx, time.time())):
            released += some
    show_one(arguments, {"released": released}, f"released {released} deliveries")
    return DONE if released else NOTHING


def _extract(arguments: argparse.Namespace, settings: Settings) -> int:
    repository, manifest = _one(arguments, settings)
    number = restoring.extract(repository, manifest, arguments.place, arguments.to)
    values = {"id": manifest.id, "files": number, "folder": str(arguments.to)}
    return show_one(arguments, values, f"wrote {number} files of backup {manifest.id} to {arguments.to}")


def _prune(arguments: argparse.Namespace, settings: Settings) -> int:
    rule = _kept(arguments, settings)
    if not rule:
        raise UsageError("say what to keep: --keep last=3,daily=7,weekly=4,monthly=6, or the setting backup_keep")
    gone, freed = making.prune(Repository.open(_folder(arguments, settings)), rule)
    lines = [*(f"removed {each}" for each in gone), f"freed {freed} bytes"]
    return show_one(arguments, {"removed": gone, "freed": freed}, "\n".join(lines))


def _one(arguments: argparse.Namespace, settings: Settings) -> tuple[Repository, Manifest]:
    repository = Repository.open(_folder(arguments, settings), arguments.identity)
    ids = repository.ids()
    if not ids:
        raise UsageError(f"there is no backup in {repository.path} yet")
    return repository, repository.manifest(ids[-1] if arguments.id == "latest" else arguments.id)


def _kept(arguments: argparse.Namespace, settings: Settings) -> retention.Rule:
    given: retention.Rule | None = arguments.keep
    return retention.parse(settings.backup_keep) if given is None else given


def _folder(arguments: argparse.Namespace, settings: Settings) -> Path:
    folder: Path | None = arguments.dir or settings.backup_dir
    if folder is None:
        raise UsageError("say where backups lie: DIR, or the setting backup_dir")
    return folder.absolute()
