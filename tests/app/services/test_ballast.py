"""The ballast: there while there is room, given up when there is none, made again."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from app.services.ballast import Ballast
from app.services.space import kept_free

MIB = 1024**2


class Disk:
    """What the disk says of itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, total: int) -> None:
        self.total = self.free = total
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _: (self.total, self.total - self.free, self.free)
        )


def held(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.mark.parametrize(("total", "size"), [(10_000 * MIB, 16 * MIB), (64 * MIB, 4 * MIB)])
def test_it_is_16_mib_or_a_part_of_a_small_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, size: int
) -> None:
    disk = Disk(monkeypatch, total)
    ballast = Ballast(tmp_path)
    disk.free = kept_free(total) + 2 * size - 1
    ballast.look()
    assert held(tmp_path) == {}
    disk.free += 1
    ballast.look()
    assert held(tmp_path) == {"ballast": size}
    path = tmp_path / "ballast"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_blocks * 512 >= size  # it takes the room that it is to give


def test_it_is_given_up_once_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch, 10_000 * MIB)
    ballast = Ballast(tmp_path)
    ballast.look()
    disk.free = 4 * MIB
    ballast.look()
    assert held(tmp_path) == {"ballast": 16 * MIB}
    disk.free -= 1
    with caplog.at_level(logging.ERROR, "app.space"):
        for _ in range(3):
            ballast.look()
    assert held(tmp_path) == {}
    assert caplog.text.count("is given up") == 1
    disk.free = disk.total
    ballast.relieve()
    assert held(tmp_path) == {}
    ballast.look()
    assert held(tmp_path) == {"ballast": 16 * MIB}
