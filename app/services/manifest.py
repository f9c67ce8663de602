"""What is in a backup: each file with its size and digest, and the versions that wrote it.

Knows the names a backup may hold. Knows nothing of how files come into it or out of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from app.errors import FieldError, Invalid, Unavailable

FILE_NAME: Final = "manifest.json"

#: Of the manifest itself. A number that is not known is refused.
FORMAT: Final = 1

#: Bytes of the manifest at most: some 100,000 files.
_MOST_BYTES: Final = 32 * 1024 * 1024

#: All that may be in a backup; anything else could be written anywhere.
_NAMES: Final = re.compile(
    r"control\.sqlite3|node_id|requests/[0-9]{8}\.sqlite3"
    r"|requests/damaged/[0-9][^/\0]*|tls/[a-z0-9][a-z0-9-]*\.pem"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFile:
    """`path` is below the backup's folder. `rows` and `last_seq`: of a day of the log only."""

    path: str
    bytes: int
    sha256: str
    rows: int | None = None
    last_seq: int | None = None

    @property
    def day(self) -> str | None:
        """YYYYMMDD."""
        return None if self.rows is None else Path(self.path).stem


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`taken`: when it began, UTC. `control` and `log`: the versions of the two schemas."""

    version: str
    taken: str
    control: str
    log: int
    files: tuple[BackupFile, ...]

    @property
    def days(self) -> list[BackupFile]:
        return [file for file in self.files if file.day is not None]

    @property
    def rows(self) -> int:
        return sum(file.rows or 0 for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def write(manifest: Manifest, folder: Path) -> Path:
    """Returns: where it is. Raises: OSError."""
    path = folder / FILE_NAME
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
    path.touch(mode=0o600)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def read(folder: Path) -> Manifest:
    """Raises: Invalid `not_a_backup`, Unavailable `backup_unknown_format`."""
    try:
        found = json.loads(_text(folder / FILE_NAME))
        if found.pop("format") != FORMAT:
            raise Unavailable(
                "backup_unknown_format",
                f"{folder} was made by a newer version of Sockpit. Restore it with that one.",
            )
        files = tuple(_file(entry) for entry in found.pop("files"))
        if len({file.path for file in files}) < len(files):
            raise ValueError("a file is there twice")
        _typed(found, version=str, taken=str, control=str, log=int)
        return Manifest(files=files, **found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        detail = f"{folder} is no backup: its {FILE_NAME} is not there, or is not as it was made."
        raise Invalid(FieldError("not_a_backup", detail, "backup")) from error


def _text(path: Path) -> str:
    """Raises: OSError, ValueError; also for what is longer than any manifest."""
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("too long")
    return data.decode("utf-8")


def _file(entry: dict[str, Any]) -> BackupFile:
    _typed(entry, path=str, bytes=int, sha256=str)
    _typed(entry, rows=int | None, last_seq=int | None)
    file = BackupFile(**entry)
    if file.bytes < 0 or not _NAMES.fullmatch(file.path):
        raise ValueError(file.path)
    return file


def _typed(found: dict[str, Any], **types: Any) -> None:
    """Raises: TypeError, KeyError."""
    for name, type_ in types.items():
        if not isinstance(found[name], type_):
            raise TypeError(name)
