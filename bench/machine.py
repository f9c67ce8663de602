"""What the figures were taken on, as far as it bears on them: no name, no path."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import shutil
import subprocess
from pathlib import Path

PEERS = ("uvloop", "gevent", "twisted")


def describe() -> dict[str, str]:
    """Word -> what it is here."""
    found = {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "kernel": f"{platform.system()} {_digits(platform.release())}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for name in PEERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return model[1].strip() if model else platform.machine()


def _digits(release: str) -> str:
    found = re.match(r"\d+(\.\d+)*", release)
    return found[0] if found else release


def cores() -> tuple[int, int]:
    """Returns: the server's, the load's; the same one where there is but one."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[0], ours[-1]


def raise_descriptor_limit() -> int:
    """To the hard limit, also for the processes started after. Returns: what it is then."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def build_floor(source: Path, target: Path) -> None:
    """Compile the C program. Raises: NotImplementedError where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NotImplementedError("no C compiler (cc) on PATH")
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [compiler, "-O2", "-o", target, source], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotImplementedError(f"the C program does not compile here: {done.stderr.strip()}")
