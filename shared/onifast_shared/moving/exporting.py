"""An export at work: mail written as an mbox, a Maildir or files of single messages, for other programs to read."""

from __future__ import annotations

import json
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from onifast_shared.acts import scope
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import counts, labelling, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.message.headers import encode_text
from onifast_shared.moving import jobs, mailbox_names, maildir, spool
from onifast_shared.moving.found import PassedOver
from onifast_shared.moving.jobs import MovingJob
from onifast_shared.moving.spool import SpoolError

FORMATS = {
    "mbox": ("mbox", "application/mbox"),
    "maildir": ("zip", "application/zip"),
    "eml": ("zip", "application/zip"),
}
"""What can be written, with the ending and the type of the file."""

AT_ONCE = 50
SLICE = 1.0
"""Seconds of one step."""

_TITLES = {name: name.capitalize() for name in FOLDERS}
_FROM = re.compile(rb"(?m)^(>*From )")
_UNSAFE = re.compile(r"[^\w .,()\[\]@+=-]+")
_SPACE = "&ACA-"  # a space in a keyword, as modified UTF-7 has it


@dataclass(frozen=True)
class ExportedMessage:
    """A message on its way out, with its bytes, its own folder, and its labels."""

    row: EmailRow
    raw: bytes
    own_folder: Label | None
    labels: tuple[str, ...]

    @property
    def place(self) -> str:
        """The folder that it lies in."""
        return self.own_folder.name if self.own_folder else _TITLES.get(self.row.folder, "Archive")


class Writer(Protocol):
    """Writes messages to a file."""

    def add(self, message: ExportedMessage) -> None:
        """Writes one more."""

    def finish(self) -> None:
        """Writes what stands at the end."""


class Exporting:
    """An export that this process works on. What was written by a process that was killed is written anew."""

    def __init__(self, db: Database, settings: Settings, job: MovingJob) -> None:
        self._db = db
        self._settings = settings
        wanted = scope_of(job)
        count = db.read(lambda tx: total(tx, job.owner, wanted))
        db.write(lambda tx: jobs.begin_anew(tx, job, count, time.time()))
        self.job = db.read(lambda tx: jobs.get(tx, None, job.id)) or job
        self._file = os.fdopen(spool.create(settings, job.id), "w+b")
        self._writer = writer(str(job.source["format"]), self._file)
        self._ids = ids(db, job.owner, wanted)

    def step(self) -> bool:
        """Writes some more messages; whether there is more to do. Raises DatabaseError."""
        until, written, lost, is_over = time.monotonic() + SLICE, 0, list[PassedOver](), False
        try:
            spool.check_room(self._settings, 64 * 1024 * 1024)
            while time.monotonic() < until and written < AT_ONCE:
                email_id = next(self._ids, None)
                if email_id is None:
                    is_over = True
                    break
                message = self._db.read(lambda tx, email_id=email_id: read(tx, self.job.owner, email_id))  # type: ignore[misc]
                if message is None:
                    continue  # deleted meanwhile
                if not message.raw:
                    lost.append(PassedOver(f"message {email_id}", "its bytes are lost"))
                    continue
                self._writer.add(message)
                written += 1
            if is_over:
                self._writer.finish()
                self._file.flush()
                os.fsync(self._file.fileno())
        except (SpoolError, OSError) as error:
            text = str(error) if isinstance(error, SpoolError) else f"The file cannot be written: {error.strerror}."
            return self._end("failed", text)
        if not self._advance(written, lost):
            return self._closed()
        return self._end("done", "") if is_over else True

    def _advance(self, written: int, lost: list[PassedOver]) -> bool:
        octets, now = self._file.tell(), time.time()
        position = str(int(self.job.position or 0) + 1)

        def note(tx: Connection) -> MovingJob | None:
            moved = jobs.advance(
                tx, self.job, position=position, octets=octets, messages=written, passed_over=lost, now=now
            )
            return jobs.get(tx, None, self.job.id) if moved else None

        found = self._db.write(note)
        if found is not None:
            self.job = found
        return found is not None

    def _end(self, state: jobs.JobState, problem: str) -> bool:
        self._file.close()
        ended = self._db.write(lambda tx: jobs.end(tx, self.job, state, time.time(), problem))
        if not ended or state != "done":
            spool.discard(self._settings, self.job.id)
        return False

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _closed(self) -> bool:
        self._file.close()
        spool.discard(self._settings, self.job.id)
        return False


def writer(form: str, file: BinaryIO) -> Writer:
    """What writes a format of FORMATS to a file."""
    made: dict[str, Callable[[BinaryIO], Writer]] = {"mbox": _Mbox, "maildir": _Maildir, "eml": _Messages}
    return made[form](file)


def read(tx: Connection, owner: str, email_id: int) -> ExportedMessage | None:
    """A message as it is to be written; None for one that is gone, without bytes where these are lost."""
    row = mailbox.get(tx, owner, email_id)
    if row is None:
        return None
    try:
        raw = mailbox.raw(tx, email_id)
    except KeyError:
        raw = b""
    found = labelling.of_messages(tx, [email_id]).get(email_id, [])
    own = next((each for each in found if each.is_folder), None)
    return ExportedMessage(row, raw, own, tuple(each.name for each in found if not each.is_folder))


def scope_of(job: MovingJob) -> ListScope | None:
    """What an export is about; None for all mail."""
    wanted = job.source.get("scope")
    return ListScope.of_json(json.dumps(wanted)) if wanted else None


def total(tx: Connection, owner: str, wanted: ListScope | None) -> int:
    """How many messages an export has, as far as that is counted; raises QueryError."""
    if wanted is None:
        return sum(each.total for each in counts.of(tx, owner).values())
    return scope.count(tx, owner, wanted, time.time())[0]


def ids(db: Database, owner: str, wanted: ListScope | None) -> Iterator[int]:
    """The messages of an export, all for None. Each page is read by itself; raises DatabaseError, QueryError."""
    for each in [wanted] if wanted else [ListScope(folder=folder) for folder in FOLDERS]:
        cursor: str | None = None
        while True:
            found, cursor = db.read(
                lambda tx, each=each, cursor=cursor: scope.page(  # type: ignore[misc]
                    tx, owner, each, time.time(), limit=200, cursor=cursor
                )
            )
            yield from found
            if cursor is None:
                break


class _Mbox:
    """mboxrd, with flags and labels where other programs look for them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, message: ExportedMessage) -> None:
        row = message.row
        sender = re.sub(r"[^!-~]+", "", row.reverse_path or row.sender) or "MAILER-DAEMON"
        moment = time.asctime(time.gmtime(row.arrived_ts))
        self._file.write(f"From {sender} {moment}\n".encode("ascii", "replace"))
        self._file.write(_noted(message))
        raw = message.raw.replace(b"\r\n", b"\n")
        self._file.write(_FROM.sub(rb">\1", raw))
        self._file.write(b"\n" if raw.endswith(b"\n") else b"\n\n")

    def finish(self) -> None:
        """Nothing stands at the end."""


def _noted(message: ExportedMessage) -> bytes:
    row = message.row
    marks = ("A" if row.is_answered else "") + ("F" if row.is_starred else "") + ("T" if row.folder == "drafts" else "")
    places = [
        message.place,
        *message.labels,
        *(() if row.is_read else ("Unread",)),
        *(("Starred",) if row.is_starred else ()),
    ]
    labels = encode_text(", ".join(f'"{each}"' if "," in each else each for each in places))
    status = "RO" if row.is_read else "O"
    marked = f"X-Status: {marks}\n" if marks else ""
    return f"Status: {status}\n{marked}X-Gmail-Labels: {labels}\n".encode("ascii", "replace")


class _Zip:
    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3)

    def write(self, path: str, data: bytes, stamp: int) -> None:
        when = time.gmtime(max(stamp, 315532800))[:6]  # no file of a zip is older than 1980
        entry = zipfile.ZipInfo(path, when)
        entry.external_attr = 0o600 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(entry, data)

    def close(self) -> None:
        self._zip.close()


class _Maildir:
    """Maildir++ as Dovecot reads it, with its flags and keywords."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = _Zip(file)
        self._keywords = dict[str, list[str]]()

    def add(self, message: ExportedMessage) -> None:
        row = message.row
        folder = "" if message.place == "Inbox" else "." + _maildir_name(message.place)
        flags = "".join(
            letter
            for letter, is_so in (
                ("D", row.folder == "drafts"),
                ("F", row.is_starred),
                ("P", row.is_forwarded),
                ("R", row.is_answered),
                ("S", row.is_read),
            )
            if is_so
        )
        words = self._keywords.setdefault(folder, [])
        for label in message.labels:
            if label not in words and len(words) < maildir.MOST_KEYWORDS:
                words.append(label)
        letters = "".join(sorted(chr(97 + words.index(label)) for label in message.labels if label in words))
        name = f"{row.arrived_ts}.M{row.id}P1.onifast,S={len(message.raw)}:2,{flags}{letters}"
        path = "/".join(part for part in ("Maildir", folder, "cur", name) if part)
        self._zip.write(path, message.raw, row.arrived_ts)

    def finish(self) -> None:
        for folder, words in self._keywords.items():
            lines = "".join(f"{number} {_keyword(word)}\n" for number, word in enumerate(words))
            base = "/".join(part for part in ("Maildir", folder) if part)
            if words:
                self._zip.write(f"{base}/{maildir.KEYWORDS_FILE}", lines.encode(), 0)
            for each in ("new/", "tmp/"):
                self._zip.write(f"{base}/{each}", b"", 0)
        self._zip.close()


class _Messages:
    """A file for each message, in directories that are called as folders are."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = _Zip(file)

    def add(self, message: ExportedMessage) -> None:
        row = message.row
        folder = "/".join(_safe(part) or "-" for part in message.place.split("/"))
        day = time.strftime("%Y-%m-%d", time.gmtime(row.arrived_ts))
        name = f"{day} {_safe(row.subject)[:80].strip() or 'message'} {row.id}.eml"
        self._zip.write(f"{folder}/{name}", message.raw, row.arrived_ts)

    def finish(self) -> None:
        self._zip.close()


def _maildir_name(place: str) -> str:
    return ".".join(mailbox_names.encoded(part.replace(".", "_")) for part in place.split("/"))


def _keyword(label: str) -> str:
    return mailbox_names.encoded(label).replace(" ", _SPACE)


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text).strip(" .")
