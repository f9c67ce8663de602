"""Ask whether anything in the lock files has a known vulnerability.

Exit 1 when something has, and 0 when nothing has, or when nobody could be asked: that is said,
and is no fault of the change that is checked.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")

#: Seconds until an answer is not waited for any more, of each request and of all.
_REQUEST_S = 5
_ALL_S = 300


def main() -> int:
    if importlib.util.find_spec("pip_audit") is None:
        print("pip-audit is not installed here: `make audit` does both")
        return 1
    found = [verdict(name, asked(name)) for name in LOCKS]
    for _, line in found:
        print(line)
    return int(any(vulnerable for vulnerable, _ in found))


def asked(lock: str) -> str | None:
    """What pip-audit says, as JSON; None when it could not ask, and stderr says why not."""
    arguments = ["--disable-pip", "--require-hashes", "-f", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "-r", lock, *arguments]
            + ["--timeout", str(_REQUEST_S)],
            cwd=ROOT,
            capture_output=True,
            timeout=_ALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if not done.stdout:
        print(*done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:], file=sys.stderr)
        return None
    return done.stdout.decode("utf-8")


def verdict(lock: str, answer: str | None) -> tuple[bool, str]:
    """Whether something is vulnerable, and that in words. `answer`: as `asked` has it.

    Packages that the service does not know are skipped by pip-audit, without a fault: where it
    knows none, it is none of that service that was asked, but a mirror without its answers.
    """
    packages: list[dict[str, Any]] = json.loads(answer)["dependencies"] if answer else []
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        return (
            False,
            f"{lock}: NOT AUDITED: the service of known vulnerabilities cannot be reached",
        )
    bad = [package for package in known if package["vulns"]]
    told = [f"{lock}: {len(known)} of {len(packages)} packages were audited"]
    for package in bad:
        for vuln in package["vulns"]:
            fixed = ", ".join(vuln.get("fix_versions") or ()) or "no version yet"
            told.append(
                f"  {package['name']} {package['version']}: {vuln['id']}, fixed in {fixed}"
            )
    told += [f"  not audited: {package['name']}" for package in packages if package not in known]
    return bool(bad), "\n".join(told)


if __name__ == "__main__":
    raise SystemExit(main())
