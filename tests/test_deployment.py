"""The container says what it should: read with parsers, compared with the settings' class."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
POOL = (20000, 20019)
WE_START = ["python", "-m", "app"]
WE_ARE_WELL = ["python", "-m", "app", "healthcheck"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One Dockerfile instruction. `stage` counts FROM lines, the first being 0."""

    stage: int
    name: str
    value: str

    @property
    def exec_form(self) -> list[str]:
        """The JSON array of ENTRYPOINT, CMD and VOLUME. Fails on the shell form."""
        words = json.loads(self.value)
        assert isinstance(words, list)
        assert all(isinstance(word, str) for word in words)
        return words


def read_dockerfile() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: list[Instruction] = []
    stage = -1
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, value = line.strip().partition(" ")
        if name:
            stage += name == "FROM"
            found.append(Instruction(stage, name, value.strip()))
    return found


@pytest.fixture(scope="module")
def image() -> list[Instruction]:
    """The instructions of the last stage, which is the image."""
    found = read_dockerfile()
    return [one for one in found if one.stage == found[-1].stage]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert list(document["services"]) == ["sockpit"]
    found = document["services"]["sockpit"]
    assert isinstance(found, dict)
    return found


def only(instructions: list[Instruction], name: str) -> Instruction:
    (found,) = [one for one in instructions if one.name == name]
    return found


def environment(instructions: list[Instruction]) -> dict[str, str]:
    pairs = [one.value.split() for one in instructions if one.name == "ENV"]
    return dict(pair.split("=", 1) for words in pairs for pair in words)


def resolved(value: str) -> str:
    """As compose reads it where all that must be set is set, to a secret."""
    return re.sub(r"\$\{\w+:\?[^}]*\}", "0123456789abcdef" * 4, value)


def sockpit_settings(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings as they would be read with these variables; an unknown SOCKPIT_ one fails."""
    variables = {name: resolved(value) for name, value in variables.items()}
    fields = {f"SOCKPIT_{name.upper()}" for name in Settings.model_fields}
    for name, value in variables.items():
        if name.startswith("SOCKPIT_"):
            assert name in fields, f"{name} is not a setting"
            monkeypatch.setenv(name, value)
    return Settings()


def test_image_runs_as_a_numbered_user_that_is_not_root(image: list[Instruction]) -> None:
    user, _, group = only(image, "USER").value.partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    assert image.index(only(image, "USER")) < image.index(only(image, "ENTRYPOINT"))


def test_image_starts_and_checks_itself_with_our_own_command(image: list[Instruction]) -> None:
    assert only(image, "ENTRYPOINT").exec_form == WE_START
    command = only(image, "HEALTHCHECK").value.partition(" CMD ")[2]
    assert json.loads(command) == WE_ARE_WELL
    assert importlib.util.find_spec("app.__main__") is not None


def test_image_copies_what_exists_and_is_not_kept_out() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copies = [one for one in read_dockerfile() if one.name == "COPY"]
    assert copies
    used: set[str] = set()
    for copy in copies:
        *sources, _target = copy.value.split()
        if sources[0].startswith("--from="):
            continue
        for source in sources:
            assert (ROOT / source).exists(), f"Dockerfile copies {source}, which is not there"
            used.add(source)
    assert used == let_in, "Dockerfile and .dockerignore name different things"


def test_image_python_is_one_that_is_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floor = re.fullmatch(r">=(\d+)\.(\d+)", project["requires-python"])
    assert floor is not None
    for base in [one for one in read_dockerfile() if one.name == "FROM"]:
        version = re.match(r"python:(\d+)\.(\d+)-slim\b", base.value)
        assert version is not None, f"not a pinned minor version: {base.value}"
        assert tuple(map(int, version.groups())) >= tuple(map(int, floor.groups()))


def test_image_installs_by_hash() -> None:
    installs = [one for one in read_dockerfile() if one.name == "RUN" and "pip" in one.value]
    assert installs
    assert all("--require-hashes" in one.value for one in installs)


def test_image_settings_are_real_and_fit_the_container(
    image: list[Instruction], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(image)
    settings = sockpit_settings(variables, monkeypatch)
    assert settings.host == "0.0.0.0"
    assert settings.listen_hosts == ("0.0.0.0",)
    assert settings.listen_ports == (POOL,)
    assert str(settings.data_dir) in only(image, "VOLUME").exec_form
    assert variables["PYTHONDONTWRITEBYTECODE"] == variables["PYTHONUNBUFFERED"] == "1"
    low, high = POOL
    assert only(image, "EXPOSE").value.split() == [
        str(settings.port),
        f"{low}-{high}/tcp",
        f"{low}-{high}/udp",
    ]


def test_service_is_confined(service: dict[str, Any], image: list[Instruction]) -> None:
    assert service["user"] == only(image, "USER").value
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] >= 20 * 200
    assert service["mem_limit"]
    assert service["stop_grace_period"] == "15s"
    assert service["build"] == "."


def test_service_does_not_start_without_a_token(
    service: dict[str, Any], image: list[Instruction], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = service["environment"]["SOCKPIT_API_TOKEN"]
    match = re.fullmatch(r"\$\{SOCKPIT_API_TOKEN:\?(.+)\}", told)
    assert match is not None, "compose would start it without one, or has one in the file"
    assert "openssl rand -hex 32" in match[1]
    settings = sockpit_settings(environment(image) | service["environment"], monkeypatch)
    assert not settings.is_local
    assert settings.token is not None


def test_service_has_no_more_than_it_needs(service: dict[str, Any]) -> None:
    mounted = [volume.split(":")[0] for volume in service["volumes"]]
    assert not [place for place in mounted if place.startswith("/") or "docker.sock" in place]
    for name in ("devices", "network_mode", "pid", "ipc", "userns_mode", "cgroup_parent"):
        assert name not in service, f"{name} opens the machine to it"


def test_service_checks_its_health_as_the_image_does(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"] == ["CMD", *WE_ARE_WELL]


def test_service_has_one_writable_place(
    service: dict[str, Any], image: list[Instruction], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    settings = sockpit_settings(environment(image), monkeypatch)
    mounts = [volume.split(":") for volume in service["volumes"]]
    (writable,) = [mount for mount in mounts if mount[2:] != ["ro"]]
    assert writable[0] in document["volumes"], "the data must be in a named volume"
    assert writable[1] == str(settings.data_dir)
    (read_only,) = [mount for mount in mounts if mount[2:] == ["ro"]]
    assert read_only[1] == str(settings.handlers_dir)
    assert (ROOT / read_only[0]).is_dir()


def test_service_publishes_the_pool_that_servers_may_use(
    service: dict[str, Any], image: list[Instruction], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = sockpit_settings(environment(image) | service["environment"], monkeypatch)
    pool = r"\$\{POOL_ADDRESS:-127\.0\.0\.1\}:(\d+)-(\d+):(\d+)-(\d+)/(tcp|udp)"
    published = [re.fullmatch(pool, port) for port in service["ports"]]
    found = {match[5]: tuple(map(int, match.groups()[:4])) for match in published if match}
    assert found.keys() == {"tcp", "udp"}
    for low, high, inside_low, inside_high in found.values():
        assert settings.listen_ports == ((low, high),)
        assert (low, high) == (inside_low, inside_high)


def test_service_publishes_the_panel_to_this_machine_only(
    service: dict[str, Any], image: list[Instruction], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = sockpit_settings(environment(image) | service["environment"], monkeypatch)
    panel = [port for port in service["ports"] if "POOL_ADDRESS" not in port]
    assert panel == [f"127.0.0.1:{settings.port}:{settings.port}"]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_pins_every_requirement_by_hash(name: str) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in lock
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^ *#.*\n", "", lock).strip(), flags=re.I)
    assert len(entries) > 10
    for entry in entries:
        first = entry.splitlines()[0]
        assert re.match(r"[\w.\-\[\]]+==\S+", first), f"not pinned: {first}"
        assert "--hash=sha256:" in entry, f"no hash: {first}"


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in"])
def test_lock_holds_what_was_asked_for(name: str) -> None:
    lock = (ROOT / name.replace(".in", ".lock")).read_text(encoding="utf-8").lower()
    asked = (ROOT / name).read_text(encoding="utf-8").splitlines()
    for line in [line for line in asked if not line.startswith(("#", "-"))]:
        package = re.sub(r"\[.*\]", "", line).lower()
        assert f"\n{package} " in lock, f"{name} asks for {line}, the lock does not hold it"


#: Hosts and options that bind a checkout to a place packages come from.
_PLACES = (
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|npmjs\.org|unpkg\.com|jsdelivr\.net"
    r"|cdnjs\.cloudflare|githubusercontent|releases/download|--(extra-)?index-url[ =]\S"
)
_NOT_COMMITTED = {".git", ".venv", "data", "build", "__pycache__"}


def committed_files() -> list[Path]:
    found: list[Path] = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden_cache = parts[0].startswith(".") and parts[0].endswith("_cache")
        if path.is_file() and not hidden_cache and not _NOT_COMMITTED & set(parts):
            found.append(path)
    return found


def test_no_file_holds_an_address_that_packages_come_from() -> None:
    this_file = Path(__file__).resolve()
    files = [path for path in committed_files() if path != this_file]
    assert ROOT / "Makefile" in files
    for path in files:
        text = path.read_bytes().decode("utf-8", "replace")
        match = re.search(_PLACES, text)
        assert match is None, f"{path.relative_to(ROOT)} names {match and match[0]}"
