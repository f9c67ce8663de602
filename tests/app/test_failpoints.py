"""Places that fail on purpose: what a rule says happens, and a wrong rule is told."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator

import pytest

from app.failpoints import NAMES, arm, failpoint
from tests.conftest import LaunchApp
from tests.waiting import DEADLINE_S


@pytest.fixture(autouse=True)
def _nothing_is_left_armed() -> Iterator[None]:
    yield
    arm("")


def test_nothing_happens_unless_it_is_asked_for() -> None:
    for name in NAMES:
        failpoint(name)
    arm("log.before_begin=raise:EIO")
    failpoint("log.before_commit")


@pytest.mark.parametrize(
    ("action", "code"),
    [("raise:EIO", errno.EIO), ("raise:EROFS", errno.EROFS), ("enospc", errno.ENOSPC)],
)
def test_an_error_is_raised_by_its_name(action: str, code: int) -> None:
    arm(f"ckpt.mid={action}")
    with pytest.raises(OSError, match=rf"\[Errno {code}\]") as raised:
        failpoint("ckpt.mid")
    assert raised.value.errno == code


def test_a_sleep_takes_its_time() -> None:
    arm("ckpt.mid=sleep:30")
    began = time.monotonic()
    failpoint("ckpt.mid")
    assert time.monotonic() - began >= 0.03


def test_a_rule_begins_late_and_ends_early() -> None:
    rules = arm("log.after_insert=enospc@3*2, migrate.step_12=raise:EIO")
    raised = 0
    for _ in range(10):
        try:
            failpoint("log.after_insert")
        except OSError:
            raised += 1
    assert (raised, rules["log.after_insert"].fired) == (2, 2)
    failpoint("migrate.step_1")
    with pytest.raises(OSError, match="Input/output"):
        failpoint("migrate.step_12")


def test_a_rule_may_be_left_to_chance() -> None:
    rules = arm("log.after_insert=sleep:0%50")
    for _ in range(1_000):
        failpoint("log.after_insert")
    assert 300 < rules["log.after_insert"].fired < 700  # odds of missing it: under 1e-30


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("log.before_comit=kill", "no failpoint 'log.before_comit'"),
        ("migrate.step_n=kill", "no failpoint 'migrate.step_n'"),
        ("migrate.step_0=kill", "no failpoint 'migrate.step_0'"),
        ("ckpt.mid=die", "'die' of ckpt.mid is no action"),
        ("ckpt.mid", "'' of ckpt.mid is no action"),
        ("ckpt.mid=sleep", "'sleep' of ckpt.mid"),
        ("ckpt.mid=sleep:soon", "'sleep:soon' of ckpt.mid"),
        ("ckpt.mid=raise:EWRONG", "'raise:EWRONG' of ckpt.mid"),
        ("ckpt.mid=kill:9", "'kill:9' of ckpt.mid"),
        ("ckpt.mid=kill*1,what=kill", "no failpoint 'what'"),
    ],
)
def test_what_is_misspelt_is_told_and_arms_nothing(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        arm(text)
    failpoint("ckpt.mid")


def test_the_program_refuses_to_start_with_one_line(launch: LaunchApp) -> None:
    app = launch({"FAILPOINTS": "log.before_comit=kill"})
    assert app.launch().wait(DEADLINE_S) == 2
    (line,) = app.log.splitlines()
    assert line.startswith("sockpit: SOCKPIT_FAILPOINTS: there is no failpoint 'log.before_comit'")
    assert not app.data_dir.exists()


def test_the_program_says_that_it_is_made_to_fail(launch: LaunchApp) -> None:
    app = launch({"FAILPOINTS": "ckpt.mid=sleep:1"}).start()
    assert "made to fail on purpose: ckpt.mid=sleep:1" in app.log
