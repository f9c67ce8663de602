"""`backup` and `restore`: of the data directory that the settings name."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.cli.configured import settings
from app.cli.exits import FAILED, IN_USE, NO_DATA, USAGE, leave
from app.errors import AppError, Invalid
from app.instance import InstanceLock
from app.services import manifest
from app.services.backup import back_up
from app.services.manifest import Manifest
from app.services.restore import restore as put_back

#: Beside an instance that serves: its work comes first.
_NICENESS: Final = 10

#: What is neither a wrong argument nor a data directory that cannot be used.
_CODES: Final = {"in_use": IN_USE, "no_room": FAILED}


def backup(target: Path) -> None:
    """Make TARGET, a new folder, of the data directory, while the instance runs or not."""
    data_dir = settings().data_dir
    os.nice(_NICENESS)
    with _told():
        made = back_up(data_dir, target)
    print(f"Backed up to {target}: {_words(made)}.")


def restore(source: Path, replace: bool) -> None:
    """Make the data directory of the backup SOURCE."""
    data_dir = settings().data_dir
    with _told():
        made = manifest.read(source)  # before a data directory is made for it
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = InstanceLock(data_dir)  # no instance begins meanwhile
        try:
            aside = put_back(source, data_dir, replace=replace)
        finally:
            lock.release()
    print(f"Restored to {data_dir}: {_words(made)}.")
    if aside is not None:
        print(f"What was there is in {aside}.")


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong, and being told to end, is one line; what was begun is undone."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except Invalid as error:
        leave(USAGE, error.detail)
    except AppError as error:
        leave(_CODES.get(error.code, NO_DATA), error.detail)
    except (OSError, sqlite3.Error) as error:
        leave(FAILED, f"It failed, and nothing was changed: {error}.")
    except KeyboardInterrupt:
        leave(FAILED, "It was stopped, and nothing was changed.")


def _words(made: Manifest) -> str:
    newest = max((file.last_seq or 0 for file in made.days), default=0)
    return (
        f"{made.rows:,} requests of {len(made.days)} days, up to seq {newest}, and the control "
        f"database as of {made.taken}; {made.bytes / 1e6:,.1f} MB"
    )
