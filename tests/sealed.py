"""A process without rights, before which all is read-only but one directory; or without a network.

By `unshare`: as root, or where a user may make namespaces. Knows how; claims nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Whom the container runs as.
USER = 10001

ROOT = Path(__file__).resolve().parent.parent

_PRIVATE = "mount --make-rprivate /"

#: Mounts that are none of files, or that nobody may change.
_LEFT = "/proc|/proc/*|/sys|/sys/*|/dev|/dev/*"


def is_root() -> bool:
    """Whether we may become `USER`. Root of a namespace that has no other user may not."""
    become = ["setpriv", "--reuid", str(USER), "true"]
    return (
        shutil.which("setpriv") is not None
        and subprocess.run(become, capture_output=True, check=False).returncode == 0
    )


def read_only(writable: Path) -> list[str]:
    """A command that runs its arguments with `writable`, an empty folder, as all that can be
    written to, as `USER` if `is_root()`, and without any capability. Skips where nobody may."""
    root = is_root()
    namespaces = ["unshare", "--mount", *([] if root else ["--map-root-user"])]
    _skip_unless(namespaces, "setpriv")
    keep = shlex.quote(str(writable))
    steps = [
        "set -e",
        _PRIVATE,
        *(_opened(keep) if root else ()),
        f"mount --bind {keep} {keep}",
        f"chown {USER}:{USER} {keep}" if root else "true",
        "cut -d' ' -f5 /proc/self/mountinfo | sort -u | while read -r at; do",
        f'  case "$at" in {_LEFT}|{keep}) ;;',
        # One that others are mounted over cannot be got at, by anybody.
        '  *) mount -o remount,bind,ro "$at" || test ! -e "$at";; esac',
        "done",
        f'exec setpriv {_rights(root)} -- "$@"',
    ]
    return [*namespaces, "sh", "-c", "\n".join(steps), "sh"]


def without_network() -> list[str]:
    """A command that runs its arguments where there is nothing but loopback. Skips, as above."""
    namespaces = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    _skip_unless(namespaces, "ip")
    return [*namespaces, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def _rights(root: bool) -> str:
    who = f"--reuid {USER} --regid {USER} --clear-groups" if root else ""
    return f"{who} --no-new-privs --bounding-set=-all --inh-caps=-all"


def _opened(stage: str) -> list[str]:
    """Steps after which anybody can get at what we run, also where a folder above is closed."""
    places = {Path(place).resolve() for place in (sys.base_prefix, sys.prefix, ROOT)}
    closed = sorted({found for place in places if (found := _closed(place))})
    steps: list[str] = []
    for folder in closed:
        inside = sorted(place for place in places if folder in place.parents)
        steps.append(f"mount -t tmpfs -o mode=755 sealed {stage}")
        for number, place in enumerate(inside):
            steps.append(f"mkdir {stage}/{number}; mount --bind {place} {stage}/{number}")
        steps.append(f"mount -t tmpfs -o mode=755 sealed {folder}")
        for number, place in enumerate(inside):
            steps.append(f"mkdir -p {place}; mount --bind {stage}/{number} {place}")
        steps.append(f"umount -l {stage}")
    return steps


def _closed(place: Path) -> Path | None:
    """The first folder on the way there that others may not pass."""
    return next((up for up in reversed(place.parents) if not up.stat().st_mode & 0o001), None)


def _skip_unless(namespaces: list[str], *programs: str) -> None:
    missing = [name for name in ("unshare", *programs) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)} here")
    tried = subprocess.run(
        [*namespaces, "sh", "-c", _PRIVATE if "--mount" in namespaces else "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"namespaces are not permitted here: {tried.stderr.strip()}")
