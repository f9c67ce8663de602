"""A backup: all of a data directory that cannot be made again, each part as at one moment.

It reads what a running instance writes, from another process; there it writes nothing but what
SQLite keeps beside a database that is read. Left out: search indexes, sockets, the lock.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.durable import copied, digest, sync
from app.errors import AppError, FieldError, Invalid, Unavailable
from app.services import manifest
from app.services.manifest import BackupFile, Manifest
from app.services.space import kept_free
from app.store import day_schema, node
from app.store.damaged_days import FOLDER_NAME as DAMAGED
from app.store.database import FILE_NAME as CONTROL
from app.store.database_copy import DamagedCopy, check, copy_database, revision, rows_of_day
from app.store.day_folder import DayFolder, size
from app.version import VERSION

LOG: Final = "requests"
CERTIFICATES: Final = "tls"


def back_up(data_dir: Path, target: Path) -> Manifest:
    """Make `target`, a new folder. It is there when it is whole, checked and on the disk.

    Raises: Invalid for a target that cannot be one; Unavailable when there is nothing to back up,
        it is damaged, or the disk has no room; sqlite3.Error, OSError.
    """
    if not (data_dir / CONTROL).is_file():
        raise Unavailable(
            "no_data",
            f"{data_dir} is no data directory: there is no {CONTROL} in it. Set SOCKPIT_DATA_DIR "
            "as it is for the instance.",
        )
    with _draft(target) as draft:
        _check_room(data_dir, draft)
        began = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        files = _Copies(data_dir, draft).all()
        made = Manifest(
            version=VERSION,
            taken=began,
            control=revision(draft / CONTROL),
            log=day_schema.VERSION,
            files=files,
        )
        sync(manifest.write(made, draft))
        for folder, _, _ in os.walk(draft):
            sync(Path(folder))
        draft.rename(target)
        sync(target.parent)
    return made


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A folder beside `target`, to be renamed; whatever goes wrong, nothing of it is left."""
    if os.path.lexists(target):
        detail = f"{target} is there already, and nothing is overwritten. Name a new folder."
        raise Invalid(FieldError("target_exists", detail, "target"))
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        detail = f"{target} cannot be made: {error.strerror}."
        raise Invalid(FieldError("target_unusable", detail, "target")) from error
    try:
        yield draft
    except BaseException:
        shutil.rmtree(draft)
        raise


def _check_room(data_dir: Path, draft: Path) -> None:
    """On the instance's own disk nothing is taken of what is kept free there."""
    databases = [data_dir / CONTROL, *DayFolder(data_dir / LOG).files()]
    needed = sum(map(size, [*databases, *(data_dir / LOG / DAMAGED).glob("*")]))
    total, _, free = shutil.disk_usage(draft)
    if draft.stat().st_dev == data_dir.stat().st_dev:
        free -= kept_free(total)
    if free < needed:
        raise Unavailable(
            "no_room",
            f"A backup takes {needed // 1_000_000} MB, and {draft.parent} has room for "
            f"{max(0, free) // 1_000_000} MB. Make room, or choose another disk.",
        )


class _Copies:
    """What comes into the draft of one backup."""

    def __init__(self, data_dir: Path, draft: Path) -> None:
        self._data_dir = data_dir
        self._draft = draft
        self._done: dict[str, BackupFile] = {}

    def all(self) -> tuple[BackupFile, ...]:
        """Raises: Unavailable, sqlite3.Error, OSError."""
        # Around the control database: whichever it names is there, stored or deleted meanwhile.
        self._files(f"{CERTIFICATES}/[!.]*.pem")
        self._database(CONTROL)
        self._files(f"{CERTIFICATES}/[!.]*.pem")
        for day in reversed(DayFolder(self._data_dir / LOG).days()):
            self._day(f"{LOG}/{day}.sqlite3")
        # After the days: one that was set aside meanwhile is among them.
        self._files(f"{LOG}/{DAMAGED}/*")
        self._files(node.FILE_NAME)
        return tuple(self._done.values())

    def _files(self, pattern: str) -> None:
        """What matches and was not copied yet."""
        for source in sorted(self._data_dir.glob(pattern)):
            name = source.relative_to(self._data_dir).as_posix()
            if name not in self._done:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    bytes_, sha256 = copied(source, self._target(name))
                    self._done[name] = BackupFile(path=name, bytes=bytes_, sha256=sha256)

    def _day(self, name: str) -> None:
        """Unless retention or somebody takes it before it could be opened."""
        try:
            self._database(name)
        except sqlite3.OperationalError:
            if (self._data_dir / name).exists():
                raise
            self._target(name).unlink(missing_ok=True)

    def _database(self, name: str) -> None:
        source, target = self._data_dir / name, self._target(name)
        try:
            copy_database(source, target)
            check(target)
        except DamagedCopy as damaged:
            raise _damaged(source, str(damaged)) from damaged
        rows, last_seq = (None, None) if name == CONTROL else rows_of_day(target)
        self._done[name] = BackupFile(
            path=name, bytes=size(target), sha256=digest(target), rows=rows, last_seq=last_seq
        )

    def _target(self, name: str) -> Path:
        target = self._draft / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return target


def _damaged(source: Path, why: str) -> AppError:
    if source.name == CONTROL:
        way_out = "Restore an older backup"
    else:
        way_out = f"Move it to {source.parent / DAMAGED} while Sockpit does not run"
    return Unavailable("damaged", f"{source} is damaged: {why}. {way_out}, then back up again.")
