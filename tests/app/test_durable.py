from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.durable import copied, digest, sync


def test_copy_is_told_by_size_and_digest_and_is_the_owners_alone(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9_001  # more than a piece
    (tmp_path / "source").write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()
    assert copied(tmp_path / "source", tmp_path / "copy") == (len(data), expected)
    assert (tmp_path / "copy").read_bytes() == data
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert digest(tmp_path / "copy") == expected
    sync(tmp_path)


def test_nothing_is_overwritten_and_of_nothing_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        copied(tmp_path / "there", tmp_path / "there")
    with pytest.raises(FileNotFoundError):
        copied(tmp_path / "nothing", tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_bytes() == b"kept"
