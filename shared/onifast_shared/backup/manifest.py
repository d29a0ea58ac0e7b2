"""What a backup holds: its manifest, as a value and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1


class ManifestError(ValueError):
    """What should be a manifest is none that this version can read."""


@dataclass(frozen=True)
class StoredFile:
    """A file as it was: where it goes, whose it is, what it holds.

    `place` is the root that `path` is relative to: `database`, `config`, `certs` or `homes`. `chunks` are the names of
    its pieces, in order; `sha256` is of the whole, in hex.
    """

    place: str
    path: str
    size: int
    sha256: str
    chunks: tuple[str, ...]
    mode: int = 0o600
    owner: str = ""
    group: str = ""
    mtime: int = 0


@dataclass(frozen=True)
class Manifest:
    """One backup. `id` is its time in UTC, `rows` how many rows tables had, `stored` how many bytes were new."""

    id: str
    made_ts: int
    hostname: str
    version: str
    schema_version: int
    database_id: str
    rows: dict[str, int]
    files: tuple[StoredFile, ...]
    stored: int = 0

    @property
    def database(self) -> StoredFile:
        """The database itself."""
        return next(each for each in self.files if each.place == "database")

    @property
    def size(self) -> int:
        """Bytes of all its files together, as they would be restored."""
        return sum(each.size for each in self.files)

    @property
    def chunks(self) -> set[str]:
        """Every chunk that it needs."""
        return {name for each in self.files for name in each.chunks}

    def dump(self) -> bytes:
        """The manifest as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False).encode()

    @classmethod
    def load(cls, data: bytes) -> Manifest:
        """From JSON; raises ManifestError."""
        try:
            values: dict[str, Any] = json.loads(data)
            found = values.pop("format")
            if found != FORMAT:
                raise ManifestError(f"its format is {found!r}; this version reads {FORMAT}")
            values["files"] = tuple(_file(each) for each in values["files"])
            made = cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise error if isinstance(error, ManifestError) else ManifestError("it is no manifest") from None
        if sum(each.place == "database" for each in made.files) != 1:
            raise ManifestError("it has not just one database")
        return made


def _file(values: dict[str, Any]) -> StoredFile:
    return StoredFile(**{**values, "chunks": tuple(map(str, values["chunks"]))})
