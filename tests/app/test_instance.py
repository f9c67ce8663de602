"""One process to a data directory: who comes second is told who is there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.errors import Conflict
from app.instance import InstanceLock, RunMark
from tests.descriptors import count as descriptors_open

HOLD = """
import sys
from pathlib import Path
from app.instance import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_second_holder_is_refused_by_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path)
    with pytest.raises(Conflict) as refused:
        InstanceLock(tmp_path)
    assert refused.value.code == "in_use"
    assert f"in use by pid {os.getpid()}" in refused.value.detail
    assert "SOCKPIT_DATA_DIR" in refused.value.detail
    lock.release()


def test_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(3):
        InstanceLock(tmp_path).release()


def test_refusal_leaves_no_descriptor_open(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path)
    before = descriptors_open()
    for _ in range(5):
        with pytest.raises(Conflict):
            InstanceLock(tmp_path)
    assert descriptors_open() == before
    lock.release()


def test_lock_ends_with_its_process_even_when_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Conflict) as refused:
            InstanceLock(tmp_path)
        assert f"in use by pid {holder.pid}" in refused.value.detail
        holder.kill()
        holder.wait()
    InstanceLock(tmp_path).release()


def test_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path)
    waits = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        lock.release()
        InstanceLock(tmp_path).release()
        assert child.stdin is not None
        child.stdin.close()


@pytest.mark.parametrize("left", [b"", b"no number\n", b"\xff\xfe" * 40])
def test_what_is_left_in_the_file_does_not_matter(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "lock").write_bytes(left)
    InstanceLock(tmp_path).release()
    assert (tmp_path / "lock").read_bytes() == b"%d\n" % os.getpid()


def test_a_mark_is_left_by_who_does_not_remove_it(tmp_path: Path) -> None:
    before_us = time.time_ns() // 1000 - 1_000_000
    first = RunMark(tmp_path)
    assert first.left_us is None
    first.make()
    second = RunMark(tmp_path)
    assert second.left_us is not None
    assert before_us < second.left_us <= time.time_ns() // 1000 + 1_000_000
    second.remove()  # it never ran: what the first left is still to be told
    assert RunMark(tmp_path).left_us == second.left_us
    second.make()
    second.remove()
    assert RunMark(tmp_path).left_us is None
