"""`python -m bench`, short: every row is there and sane, and a wrong answer ends it. How fast
anything is, is for `make bench` to say."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import sockcore
from bench.publish import BEGIN, END, Unfit, publish
from bench.results import Run, read
from bench.works import WORKS, Contender

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--rounds", "1", "--scale", "0.01")


def bench(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *SHORT, *options],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON of one run of everything, among those that need no package of others."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    done = bench("--among", "stdlib,sockcore", "--output", str(path))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return path


@pytest.fixture(scope="module")
def run(output: Path) -> Run:
    return read(output)


def is_there(contender: Contender) -> bool:
    family, name, *options = contender.arguments
    needs = {
        "hosted": "HostedServer",
        "watched": "BackgroundServer",
        "message": "MessageRequestHandler",
    }
    names = [name, *(needs[option] for option in options if option in needs)]
    module = {"stdlib": socketserver, "sockcore": sockcore}[family]
    return all(hasattr(module, name) for name in names)


def test_every_work_has_every_row(run: Run) -> None:
    assert [result.key for result in run.results] == [work.key for work in WORKS]
    for result, work in zip(run.results, WORKS, strict=True):
        ours = [one for one in work.contenders if one.family in ("stdlib", "sockcore")]
        assert [row.contender for row in result.rows] == [one.name for one in ours]
        for row, one in zip(result.rows, ours, strict=True):
            assert (row.missing is None) == is_there(one), row
            assert len(row.rounds) == (row.missing is None)


def test_figures_are_sane(run: Run) -> None:
    rows = [(r.key, row) for r in run.results for row in r.rows if row.missing is None]
    assert {"churn", "persistent", "udp", "idle", "burst"} <= {key for key, _ in rows}
    for key, row in rows:
        figures = row.median
        assert figures.get("answered", 1.0) == 1.0, row
        if key == "idle":
            assert figures["held"] >= 100, row
        elif key == "burst":
            assert figures["slowest_s"] >= 0.2, row  # the stall itself
        else:
            assert 0 < figures["cpu_us"] < 1e6, row
            assert 0 < figures["p50_us"] <= figures["p99_us"], row
            assert figures["rate"] > 0, row


def test_every_target_has_its_two_sides(run: Run) -> None:
    for result, work in zip(run.results, WORKS, strict=True):
        assert len(result.judged) == len(work.targets)
        names = {one.name for one in work.contenders}
        for target in work.targets:
            assert {target.row, target.baseline or target.row} <= names


def test_json_names_no_machine(output: Path) -> None:
    text = output.read_text(encoding="utf-8")
    assert os.uname().nodename not in json.loads(text)["machine"].values()
    assert str(ROOT) not in text


def test_a_wrong_answer_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socketserver\n"
        "def write(self, b): self._sock.sendall(bytes(b).swapcase().replace(b'0', b'1'))\n"
        "socketserver._SocketWriter.write = write\n"
    )
    path = tmp_path / "bench.json"
    options = ("--only", "churn", "--among", "stdlib", "--output", str(path))
    done = bench(*options, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "instead of" in done.stderr
    assert "stdlib TCPServer" in done.stderr
    assert not path.exists()


def test_what_is_not_installed_is_a_row_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    options = ("--only", "persistent", "--among", "gevent,twisted,C", "--output", str(path))
    done = bench(*options, PATH="")
    assert (done.returncode, done.stderr) == (0, "")
    (result,) = read(path).results
    assert [row.missing for row in result.rows] == [
        "gevent is not installed",
        "twisted is not installed",
        "no C compiler (cc) on PATH",
    ]
    assert "not available: gevent is not installed" in done.stdout


def page(folder: Path) -> Path:
    made = folder / "performance.md"
    made.write_text(f"By hand, before.\n{BEGIN}\nold\n{END}\nBy hand, after.\n", encoding="utf-8")
    return made


def test_publishing_keeps_what_is_written_by_hand(run: Run, tmp_path: Path) -> None:
    made = page(tmp_path)
    publish(run, tmp_path)
    text = made.read_text(encoding="utf-8")
    assert text.startswith(f"By hand, before.\n{BEGIN}\n")
    assert text.endswith(f"{END}\nBy hand, after.\n")
    assert "\nold\n" not in text
    for result in run.results:
        assert f"### {result.title}" in text
    for work in WORKS:
        assert text.count(f"\n| {work.key} | ") == len(work.targets)


def test_the_plot_has_a_bar_for_each(run: Run, tmp_path: Path) -> None:
    page(tmp_path)
    publish(run, tmp_path)
    tree: Any = ET.parse(tmp_path / "performance.svg")
    svg = "{http://www.w3.org/2000/svg}"
    bars = tree.findall(f"{svg}rect")
    assert len(bars) == sum(bool(row.rounds) for result in run.results for row in result.rows)
    assert all(0 < float(bar.get("width")) <= 760 for bar in bars)
    assert {element.tag.removeprefix(svg) for element in tree.iter()} == {
        *("svg", "title", "style", "text", "rect")
    }


def test_half_a_run_is_not_published(run: Run, tmp_path: Path) -> None:
    before = page(tmp_path).read_text(encoding="utf-8")
    half = Run(run.taken, run.machine, run.results[:2])
    with pytest.raises(Unfit, match="udp"):
        publish(half, tmp_path)
    assert (tmp_path / "performance.md").read_text(encoding="utf-8") == before
