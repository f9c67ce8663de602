from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import Invalid, Unavailable
from app.services import manifest
from app.services.manifest import BackupFile, Manifest

MADE = Manifest(
    version="0.1.0",
    taken="2026-03-14T12:00:00Z",
    control="0004",
    log=2,
    files=(
        BackupFile(path="control.sqlite3", bytes=4096, sha256="0" * 64),
        BackupFile(
            path="requests/20260314.sqlite3", bytes=8192, sha256="1" * 64, rows=7, last_seq=9
        ),
    ),
)


def test_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = manifest.write(MADE, tmp_path)
    assert manifest.read(tmp_path) == MADE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.day for file in MADE.days] == ["20260314"]
    assert (MADE.rows, MADE.bytes) == (7, 12_288)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "requests/damaged/../x", "lock", "tls/"])
def test_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    _changed(tmp_path, files=[{"path": path, "bytes": 1, "sha256": "", "rows": 1, "last_seq": 1}])
    with pytest.raises(Invalid, match="is no backup"):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"files": 1}, {"files": [1]}, {"files": [{}]}, {"log": "2"}, {"more": 1}, {"version": None}],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    _changed(tmp_path, **change)
    with pytest.raises(Invalid, match="is no backup"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '"x"'])
def test_nor_is_anything_else(tmp_path: Path, text: str) -> None:
    (tmp_path / manifest.FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(Invalid, match="is no backup"):
        manifest.read(tmp_path)


def test_newer_format_is_told(tmp_path: Path) -> None:
    _changed(tmp_path, format=2)
    with pytest.raises(Unavailable, match="newer version"):
        manifest.read(tmp_path)


def _changed(folder: Path, **change: Any) -> None:
    path = manifest.write(MADE, folder)
    found = json.loads(path.read_text(encoding="utf-8")) | change
    path.write_text(json.dumps(found), encoding="utf-8")
