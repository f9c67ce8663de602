"""T28: whoever breaks out of a handler in the container has no rights and nowhere to write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import sealed
from tests.clients import Client
from tests.running import ROOT, RunningApp, definition
from tests.waiting import equal

NOBODY_ELSE = {
    "user": "10001:10001",
    "read_only": True,
    "tmpfs": ["/tmp"],
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "init": True,
    "stop_grace_period": "15s",
}
OPENS_THE_MACHINE = (
    *("cap_add", "privileged", "devices", "device_cgroup_rules", "pid", "ipc", "network_mode"),
    *("userns_mode", "cgroup", "cgroup_parent", "group_add", "volumes_from", "uts"),
)


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    (found,) = document["services"].values()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("key", NOBODY_ELSE)
def test_t28_the_service_is_confined(service: dict[str, Any], key: str) -> None:
    assert service[key] == NOBODY_ELSE[key]


def test_t28_the_service_has_bounds(service: dict[str, Any]) -> None:
    assert 0 < service["pids_limit"] <= 10_000
    assert service["mem_limit"] == "1g"


@pytest.mark.parametrize("key", OPENS_THE_MACHINE)
def test_t28_nothing_opens_the_machine_to_it(service: dict[str, Any], key: str) -> None:
    assert key not in service


def test_t28_no_socket_of_docker_s_and_no_folder_of_the_machine(service: dict[str, Any]) -> None:
    assert "docker.sock" not in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert [volume.split(":")[0] for volume in service["volumes"]] == ["data", "./handlers"]


def test_t28_all_is_published_to_this_machine_unless_it_is_said(service: dict[str, Any]) -> None:
    for port in service["ports"]:
        assert port.startswith(("127.0.0.1:", "${POOL_ADDRESS:-127.0.0.1}:")), port


def test_t28_there_is_no_secret_in_the_files(service: dict[str, Any]) -> None:
    assert service["environment"]["SOCKPIT_API_TOKEN"].startswith("${SOCKPIT_API_TOKEN:?")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for word in ("TOKEN", "PASSWORD", "SECRET", "_KEY"):
        assert word not in dockerfile


def test_t28_the_image_is_of_a_user_that_is_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == [NOBODY_ELSE["user"]]


# -- the same without a container -----------------------------------------------------------------


@pytest.fixture
def confined() -> Iterator[RunningApp]:
    """The app as the container has it: a user without rights, one writable directory."""
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with closing(RunningApp(folder)) as app:
            app.handlers_dir.chmod(0o755)
            app.data_dir.mkdir(mode=0o700)
            yield app


WRITER = """
import socketserver
from pathlib import Path


class Writer(socketserver.StreamRequestHandler):
    def handle(self):
        place = Path(self.rfile.readline().decode().strip())
        try:
            (place / "written").write_bytes(b"x")
        except OSError as error:
            self.wfile.write(type(error).__name__.encode() + b" " + str(error.errno).encode())
        else:
            self.wfile.write(b"written")
"""


def written(server: Any, place: Path) -> str:
    with Client(server) as client:
        client.send(f"{place}\n".encode())
        return client.sock.recv(100).decode()


def test_t28_it_works_without_rights_on_a_read_only_file_system(confined: RunningApp) -> None:
    app = confined
    app.handlers_dir.joinpath("writer.py").write_text(WRITER, encoding="utf-8")
    app.start(*sealed.read_only(app.data_dir))
    assert rights(app.pid) == {"NoNewPrivs": "1", **dict.fromkeys(CAPABILITIES, "0" * 16)}
    if sealed.is_root():
        assert os.stat(f"/proc/{app.pid}").st_uid == sealed.USER

    for transport in ("tcp", "unix"):
        echo = app.api.post("servers", definition(transport))
        with Client(echo) as client:
            assert client.ask(b"hello\n") == b"hello\n"
        app.api.finished(echo["name"], 1)
    (day,) = app.data_dir.glob("requests/*.sqlite3")
    assert day.stat().st_size > 0

    writer = app.api.post("servers", definition(handler="writer.py:Writer"))
    for place in (ROOT, app.handlers_dir, Path("/etc"), Path("/var/tmp")):
        assert written(writer, place) in ("OSError 30", "PermissionError 13"), place
    assert written(writer, app.handlers_dir) == "OSError 30"  # EROFS
    assert written(writer, app.data_dir) == "written"
    forked = app.api.post("servers", definition(isolation="process"))
    equal(lambda: app.api.get(f"servers/{forked['name']}")["state"], "running")
    assert app.stop() == 0


CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def rights(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    pairs = dict(line.split(":", 1) for line in lines)
    return {name: pairs[name].strip() for name in ("NoNewPrivs", *CAPABILITIES)}
