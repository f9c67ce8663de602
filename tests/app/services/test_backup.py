"""Backup and restore of a data directory that nobody else uses: what goes in and comes out."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.domain import RetentionRules
from app.errors import Invalid, Unavailable
from app.services import backup as backup_module
from app.services import manifest
from app.services import restore as restore_module
from app.services.backup import back_up
from app.services.restore import restore
from app.store.database import FILE_NAME, Database
from app.store.database_copy import copy_database
from app.store.day_files import DayFiles
from app.store.retention import RetentionTable
from tests.acts import ACT
from tests.app.store.samples import DAY_US, NOON_US, finished

RULES = RetentionRules(max_age_days=9, max_bytes=70_000_000)

#: What is in the backup of `data`, and nothing else.
FILES = {
    "control.sqlite3",
    "node_id",
    "requests/20260314.sqlite3",
    "requests/20260315.sqlite3",
    "requests/damaged/20260301-20260302T030405.sqlite3",
    "tls/own.pem",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with something of everything that may lie in one."""
    folder = tmp_path / "data"
    with closing(Database(folder / FILE_NAME)) as database:
        RetentionTable(database).put(RULES, ACT)
    with closing(DayFiles(folder)) as store:
        store.append([finished(n, started_us=NOON_US + n % 2 * DAY_US) for n in range(2_100)])
        while store.build_index():
            pass
    for name in ("sockets/a.sock", "tls/own.pem", "tls/.draft.pem", "lock", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"this is {name}", encoding="utf-8")
    (folder / "requests" / "damaged").mkdir()
    damaged = folder / "requests" / "damaged" / "20260301-20260302T030405.sqlite3"
    damaged.write_bytes(b"damaged" * 100)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file, by its path in there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def rows(data_dir: Path) -> list[str]:
    with closing(DayFiles(data_dir)) as store:
        return [one.id for one in store.query(limit=5_000).items]


def test_backup_has_all_that_cannot_be_made_again(data: Path, tmp_path: Path) -> None:
    made = back_up(data, tmp_path / "backup")
    found = tree(tmp_path / "backup")
    assert set(found) == {*FILES, manifest.FILE_NAME}
    assert manifest.read(tmp_path / "backup") == made
    assert {file.path: file.bytes for file in made.files} == {
        name: len(content) for name, content in found.items() if name != manifest.FILE_NAME
    }
    assert [(day.day, day.rows, day.last_seq) for day in made.days] == [
        ("20260314", 1_050, 1_050),
        ("20260315", 1_050, 2_100),
    ]
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o077 for p in (tmp_path / "backup").rglob("*")} == {0}


def test_restored_data_directory_is_the_same(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    new = tmp_path / "new"
    new.mkdir()
    assert restore(tmp_path / "backup", new, replace=False) is None
    assert set(tree(new)) == FILES
    assert rows(new) == rows(data)
    with closing(Database(new / FILE_NAME)) as database:
        assert not database.created
        assert RetentionTable(database).get() == RULES
    for name in ("node_id", "tls/own.pem"):
        assert (new / name).read_bytes() == (data / name).read_bytes()
        assert (new / name).stat().st_mode & 0o777 == 0o600


def test_what_is_there_is_refused_or_moved_aside(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    before = tree(data)
    with pytest.raises(Invalid, match="not empty"):
        restore(tmp_path / "backup", data, replace=False)
    assert tree(data) == before
    aside = restore(tmp_path / "backup", data, replace=True)
    assert aside is not None
    assert aside.parent == data
    gone = {"control.sqlite3", "node_id"} | {
        name for name in before if name.startswith(("requests/", "tls/"))
    }
    assert tree(aside) == {name: before[name] for name in gone}
    assert {name for name in tree(data) if not name.startswith(aside.name)} == {
        *FILES,
        *(before.keys() - gone),
    }
    assert len(rows(data)) == 2_100


def test_rename_that_fails_is_undone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(data, tmp_path / "backup")
    before = tree(data)
    move = restore_module._move

    def failing(path: Path, to: Path, *more: object) -> None:
        if to == data / FILE_NAME:  # the last of all
            raise OSError("the disk is gone")
        move(path, to, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(restore_module, "_move", failing)
    with pytest.raises(OSError, match="the disk is gone"):
        restore(tmp_path / "backup", data, replace=True)
    assert tree(data) == before
    assert not list(data.glob("replaced-*")) + list(data.glob(".restore*"))


Spoil = Callable[[Path], None]


def shorten(backup: Path) -> None:
    (backup / "tls" / "own.pem").write_text("x", encoding="utf-8")


def flip(backup: Path) -> None:
    path = backup / "requests" / "20260314.sqlite3"
    content = bytearray(path.read_bytes())
    content[5_000] ^= 1
    path.write_bytes(content)


def lose(backup: Path) -> None:
    (backup / "node_id").unlink()


@pytest.mark.parametrize("spoil", [shorten, flip, lose])
def test_damaged_backup_changes_nothing(data: Path, tmp_path: Path, spoil: Spoil) -> None:
    back_up(data, tmp_path / "backup")
    before = tree(data)
    spoil(tmp_path / "backup")
    with pytest.raises(Unavailable, match="is damaged: .* is not as it was made") as refused:
        restore(tmp_path / "backup", data, replace=True)
    assert refused.value.code == "backup_damaged"
    assert tree(data) == before


@pytest.mark.parametrize("newer", [{"control": "9999"}, {"log": 99}])
def test_backup_of_a_newer_version_changes_nothing(
    data: Path, tmp_path: Path, newer: dict[str, object]
) -> None:
    back_up(data, tmp_path / "backup")
    path = tmp_path / "backup" / manifest.FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_bytes()) | newer), encoding="utf-8")
    before = tree(data)
    with pytest.raises(Unavailable, match="newer than this one"):
        restore(tmp_path / "backup", data, replace=True)
    assert tree(data) == before


@pytest.mark.parametrize("place", ["there", "no/where", "file/x"])
def test_target_that_cannot_be_one_is_refused(data: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(Invalid):
        back_up(data, tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert not list((tmp_path / "there").iterdir())


def test_nothing_is_left_of_a_backup_that_fails(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(backup_module, "check", fail)
    with pytest.raises(sqlite3.OperationalError):
        back_up(data, tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("name", [FILE_NAME, "requests/20260314.sqlite3"])
def test_damaged_database_is_named(data: Path, tmp_path: Path, name: str) -> None:
    (data / name).write_bytes(b"no database at all " * 1_000)
    with pytest.raises(Unavailable, match=f"{name} is damaged") as refused:
        back_up(data, tmp_path / "backup")
    assert refused.value.code == "damaged"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_day_that_goes_meanwhile_is_left_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_database

    def dropping(source: Path, target: Path) -> None:
        (data / "requests" / "20260315.sqlite3").unlink(missing_ok=True)
        copy(source, target)

    monkeypatch.setattr(backup_module, "copy_database", dropping)
    made = back_up(data, tmp_path / "backup")
    assert [day.day for day in made.days] == ["20260314"]
    assert set(tree(tmp_path / "backup")) == {file.path for file in made.files} | {
        manifest.FILE_NAME
    }


def test_certificates_of_before_and_after_the_control_database_are_in_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A definition in it may name either."""
    copy = copy_database

    def exchanging(source: Path, target: Path) -> None:
        if source.name == FILE_NAME:
            (data / "tls" / "own.pem").rename(data / "tls" / "new.pem")
        copy(source, target)

    monkeypatch.setattr(backup_module, "copy_database", exchanging)
    made = back_up(data, tmp_path / "backup")
    assert {"tls/own.pem", "tls/new.pem"} <= {file.path for file in made.files}


Usage = namedtuple("Usage", "total used free")


def test_disk_without_room_is_told_before_anything_is_copied(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(data, tmp_path / "backup")
    # A gigabyte is free: on this disk, the instance's own, it is kept free.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**11, 10**11 - 10**9, 10**9))
    with pytest.raises(Unavailable, match="has room for 0 MB") as refused:
        back_up(data, tmp_path / "another")
    assert refused.value.code == "no_room"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**11, 10**11 - 100, 100))
    with pytest.raises(Unavailable, match="Make room"):
        restore(tmp_path / "backup", data, replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


def test_folder_without_a_control_database_is_no_data_directory(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is no data directory"):
        back_up(tmp_path, tmp_path / "backup")
    assert not list(tmp_path.iterdir())
