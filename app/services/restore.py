"""From a backup to a data directory: checked first, then put in place; what was there stays.

Knows both folders. That no instance runs on the data directory is for its caller to hold.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from app.durable import copied, sync
from app.errors import FieldError, Invalid, Unavailable
from app.services import manifest
from app.services.backup import CERTIFICATES, LOG
from app.services.manifest import Manifest
from app.store import day_schema, node
from app.store.database import FILE_NAME as CONTROL
from app.store.database import Database, knows
from app.store.day_folder import beside
from app.store.users import SessionTable
from app.who import SOCKPIT, Act


def restore(backup: Path, data_dir: Path, *, replace: bool) -> Path | None:
    """Make `data_dir`, which is there, hold what `backup` does.

    What it holds already is moved to a folder in it, with `replace`; else it is a refusal.
    Returns: that folder. Raises: Invalid, Unavailable, OSError; then nothing is changed.
    """
    wanted = manifest.read(backup)
    _check_versions(wanted, backup)
    _check_files(wanted, backup)
    present = [data_dir / name for name in _names(data_dir) if (data_dir / name).exists()]
    if present and not replace:
        detail = (
            f"{data_dir} is not empty: it holds {present[0].name}. Choose another data "
            "directory, or have what is there moved to a folder in it by --replace."
        )
        raise Invalid(FieldError("data_dir_not_empty", detail, "data_dir"))
    with _draft(data_dir) as draft:
        _check_room(wanted, data_dir)
        _copy(wanted, backup, draft)
        _settle(wanted, draft)
        return _swap(present, draft, data_dir)


def _names(data_dir: Path) -> Iterator[str]:
    """What makes a data directory one, in the order in which it is moved away: without its
    control database what is left is not taken for one."""
    control = data_dir / CONTROL
    yield from (path.name for path in (control, *beside(control)))
    yield from (LOG, CERTIFICATES, node.FILE_NAME)


def _check_versions(wanted: Manifest, backup: Path) -> None:
    if not knows(wanted.control) or wanted.log > day_schema.VERSION:
        raise Unavailable(
            "backup_unknown_version",
            f"{backup} was made by Sockpit {wanted.version}, which is newer than this one. "
            "Restore it with that version.",
        )


def _check_files(wanted: Manifest, backup: Path) -> None:
    """What is no file of its own, but a link to another, a pipe or a folder, is in no backup."""
    files = [backup / file.path for file in wanted.files]
    folders = {
        folder for path in files for folder in path.parents if folder.is_relative_to(backup)
    }
    for path in (*files, *folders - {backup}):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue  # it is told of as damaged
        if not (stat.S_ISDIR(mode) if path in folders else stat.S_ISREG(mode)):
            detail = f"{backup} is no backup: {path} is no file of its own, as all of one are."
            raise Invalid(FieldError("not_a_backup", detail, "backup"))


def _check_room(wanted: Manifest, data_dir: Path) -> None:
    free = shutil.disk_usage(data_dir).free
    if free < wanted.bytes:
        raise Unavailable(
            "no_room",
            f"The backup takes {wanted.bytes // 1_000_000} MB, and {data_dir} has room for "
            f"{free // 1_000_000} MB. Make room, or choose another disk.",
        )


@contextmanager
def _draft(data_dir: Path) -> Iterator[Path]:
    """A folder on the same disk as what comes out of it; nothing of it is left."""
    draft = Path(tempfile.mkdtemp(prefix=".restore.", dir=data_dir))
    try:
        yield draft
    finally:
        shutil.rmtree(draft)


def _copy(wanted: Manifest, backup: Path, draft: Path) -> None:
    """Raises: Unavailable `backup_damaged` naming the first file that is not as it was made."""
    for file in wanted.files:
        target = draft / file.path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            found = copied(backup / file.path, target, most=file.bytes)
        except FileNotFoundError:
            found = None
        if found != (file.bytes, file.sha256):
            raise Unavailable(
                "backup_damaged",
                f"The backup is damaged: {backup / file.path} is not as it was made. Nothing was "
                "restored; use another backup.",
            )
        sync(target.parent)


def _settle(wanted: Manifest, draft: Path) -> None:
    """Nobody is logged in by a session of then, and the audit has what became of it."""
    database = Database(draft / CONTROL)
    try:
        after = {"taken": wanted.taken, "version": wanted.version}
        act = Act(by=SOCKPIT, what="instance.restore", target="", after=after)
        SessionTable(database).remove_all(act)
    finally:
        database.close()
    for path in draft.glob("control*"):  # what an older schema was kept as, while it was upgraded
        if path.name != CONTROL:
            path.unlink()
    sync(draft)


def _swap(present: list[Path], draft: Path, data_dir: Path) -> Path | None:
    """By renames alone, which are undone if one of them fails; the control database comes last."""
    aside = data_dir / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}" if present else None
    with ExitStack() as undo:
        if aside is not None:
            aside.mkdir(mode=0o700)
            undo.callback(aside.rmdir)
            for path in present:
                _move(path, aside / path.name, undo)
        for path in sorted(draft.iterdir(), key=lambda path: path.name == CONTROL):
            _move(path, data_dir / path.name, undo)
        sync(data_dir)
        undo.pop_all()
    return aside


def _move(path: Path, to: Path, undo: ExitStack) -> None:
    path.rename(to)
    undo.callback(to.rename, path)
