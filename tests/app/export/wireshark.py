"""What Wireshark makes of a capture, by its tshark."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_CHECKS = [f"-o{name}.check_checksum:TRUE" for name in ("tcp", "udp", "ip")]


def tshark(capture: Path, *arguments: str) -> str:
    """What it says to `arguments`, with every checksum checked."""
    if shutil.which("tshark") is None:
        pytest.fail("tshark is not there: run these tests by `make test`, which installs it")
    command = ["tshark", "-n", "-r", str(capture), *_CHECKS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def complaints(capture: Path) -> set[str]:
    """What Wireshark's experts remark on it, from notes to errors."""
    text = tshark(capture, "-q", "-z", "expert,note")
    return set(re.findall(r"(?m)^ +\d+ +\S+ +\S+  (.+)$", text))


def conversations(capture: Path, protocol: str, count: int) -> list[tuple[bytes, bytes]]:
    """What each side of the first `count` streams said, the side that spoke first before."""
    asked = [word for n in range(count) for word in ("-z", f"follow,{protocol},raw,{n}")]
    text = tshark(capture, "-q", *asked)
    parts = re.findall(r"(?ms)^Filter: \w+\.stream eq (\d+)\n.*?^Node 1: \S+\n(.*?)^=+$", text)
    said = {int(number): _sides(part) for number, part in parts}  # in no order that is promised
    return [said[number] for number in range(count)]


def _sides(part: str) -> tuple[bytes, bytes]:
    lines = part.splitlines()
    first = "".join(line for line in lines if not line.startswith("\t"))
    second = "".join(line.strip() for line in lines if line.startswith("\t"))
    return bytes.fromhex(first), bytes.fromhex(second)
