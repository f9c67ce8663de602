"""R16: the clock jumps by a day, forth and back. Nobody is cut, nothing takes less than no time,
rows keep the order in which they were stored, and the log says what the clock did.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app.times import microseconds
from tests.clients import ask, clients
from tests.conftest import LaunchApp
from tests.promises.serving import short_and_full
from tests.running import Json, definition
from tests.waiting import equal

DAY_S = 86_400
CLIENTS = 10

#: Loaded by the app's Python before anything else. Its steady clocks stay as they are.
SET_BY_A_FILE = """
import time

def _late(real, unit, path={path!r}):
    def now():
        with open(path) as file:
            return real() + int(file.read()) * unit
    return now

time.time, time.time_ns = _late(time.time, 1), _late(time.time_ns, 10**9)
"""


class Clock:
    """That of an app that is started while this is there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._path = folder, folder / "clock"
        self.set(0)
        code = SET_BY_A_FILE.format(path=str(self._path))
        (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(folder))

    def set(self, late_s: int) -> None:
        """It shows so much more than the time."""
        draft = self._folder / "draft"
        draft.write_text(str(late_s), encoding="utf-8")
        draft.replace(self._path)


@short_and_full("rounds", 1, 10)
def test_r16_clock_steps(
    launch: LaunchApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    clock = Clock(tmp_path, monkeypatch)
    app = launch().start()
    api = app.api
    long = api.post("servers", definition(name="long"))
    short = api.post("servers", definition(name="short"))
    steps = [DAY_S, 0, -DAY_S, 0] * rounds
    with clients(long, CLIENTS) as connected:
        for client in connected:
            assert client.ask(b"before") == b"before"
        ask(short, b"0")
        for number, late_s in enumerate(steps, start=1):
            clock.set(late_s)
            equal(lambda: len(api.gaps("clock_step")), number)
            ask(short, b"%d" % number)
            api.finished("short", number + 1)
            assert len(api.connections("long")) == CLIENTS
        for client in connected:
            assert client.ask(b"after") == b"after"
            client.end()
        rows = api.finished("long", CLIENTS)
    assert {(row["outcome"], row["preview"]) for row in rows} == {("ok", "beforeafter")}
    everything = [*rows, *api.requests("short")]
    assert min(row["duration_us"] for row in everything) >= 0
    assert max(row["duration_us"] for row in everything) < DAY_S * 1_000_000 // 2
    in_order = sorted(api.requests("short"), key=lambda row: int(row["id"].partition("-")[2]))
    assert [row["preview"] for row in in_order] == [str(n) for n in range(len(steps) + 1)]
    assert _jumps(api.gaps("clock_step")) == [DAY_S, -DAY_S, -DAY_S, DAY_S] * rounds
    assert app.stop() == 0


def _jumps(steps: list[Json]) -> list[int]:
    """By how many seconds the clock was set, the first time first."""
    steps = sorted(steps, key=lambda gap: int(gap["after"].partition("-")[2]))
    assert {gap["missing"] for gap in steps} == {0}
    return [
        round((microseconds(gap["ended_at"]) - microseconds(gap["began_at"])) / 1_000_000)
        for gap in steps
    ]
