"""The unit of systemd says what it should, is one, and what it takes away is not needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import exits
from app.settings import Settings
from tests.clients import Client
from tests.conftest import LaunchApp
from tests.running import ROOT, definition

UNIT = ROOT / "docs" / "sockpit.service"

#: What holds it as compose and the image do: no rights, and one place to write to.
SANDBOX = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectProc": "invisible",
    "ProtectControlGroups": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures": "native",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "KillMode": "mixed",
}

#: Memory that can be written to is never run: what MemoryDenyWriteExecute does, by the kernel.
NEVER_BOTH = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(99)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """Values by name; a name may be given more than once."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            assert re.fullmatch("[A-Za-z]+", name), line
            found[name].append(value)
    return found


def environment(unit: dict[str, list[str]]) -> dict[str, str]:
    pairs = " ".join(unit["Environment"]).split()
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


@pytest.mark.parametrize("name", SANDBOX)
def test_unit_is_confined(unit: dict[str, list[str]], name: str) -> None:
    assert unit[name] == [SANDBOX[name]]


def test_unit_calls_nothing_privileged(unit: dict[str, list[str]]) -> None:
    assert unit["SystemCallFilter"] == ["@system-service", "~@privileged"]


def test_unit_is_of_a_user_that_is_not_root(unit: dict[str, list[str]]) -> None:
    assert unit["User"] == unit["Group"] == ["sockpit"]


def test_unit_has_the_bounds_that_the_container_has(unit: dict[str, list[str]]) -> None:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    service: dict[str, Any] = document["services"]["sockpit"]
    assert unit["TasksMax"] == [str(service["pids_limit"])]
    assert unit["MemoryMax"] == [service["mem_limit"].upper()]
    assert f"{unit['TimeoutStopSec'][0]}s" == service["stop_grace_period"]


def test_unit_writes_to_its_state_alone(
    unit: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(unit)
    for name, value in variables.items():
        if name.startswith("SOCKPIT_"):
            assert name.removeprefix("SOCKPIT_").lower() in Settings.model_fields
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.is_local
    assert settings.data_dir == Path("/var/lib") / unit["StateDirectory"][0]
    place = Path(unit["WorkingDirectory"][0])
    assert settings.handlers_dir.parent == place
    assert unit["ExecStart"] == [f"{place}/.venv/bin/python -m app"]
    assert "ReadWritePaths" not in unit


def test_unit_is_not_started_again_for_what_that_does_not_mend(unit: dict[str, list[str]]) -> None:
    assert unit["Restart"] == ["on-failure"]
    codes = {value for name, value in vars(exits).items() if name.isupper()} - {exits.FAILED}
    assert set(map(int, unit["RestartPreventExitStatus"][0].split())) == codes


def test_unit_has_no_secret(unit: dict[str, list[str]]) -> None:
    assert not [name for name in environment(unit) if re.search("TOKEN|PASSWORD|KEY", name)]


def test_unit_is_one(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    copy = tmp_path / "sockpit.service"
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(re.sub(r"/opt/\S+/python", sys.executable, text), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_takes_no_memory_away_that_is_needed(launch: LaunchApp) -> None:
    tried = subprocess.run(
        [sys.executable, "-c", NEVER_BOTH, sys.executable, "-c", ""], check=False
    )
    if tried.returncode == 99:
        pytest.skip("this kernel has no PR_SET_MDWE")
    app = launch().start(sys.executable, "-c", NEVER_BOTH)
    masked = {"mask": ["re:(?i)secret"], "policy": "full", "bytes": 65536}
    for isolation in ("thread", "process"):
        server = app.api.post("servers", definition(isolation=isolation, capture=masked))
        with Client(server) as client:
            assert client.ask(b"a secret\n") == b"a secret\n"
        app.api.finished(server["name"], 1)
    app.api.post("certificates/self-signed", {"name": "made", "hosts": ["localhost"]})
    assert app.api.pages.get("/servers").status_code == 200  # by a password, which was hashed
    assert app.stop() == 0
