"""T24: what is brought in is what it says, of a bounded size, and lands in its own place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.errors import Invalid, Unavailable
from app.guards import BODY_LIMIT
from app.services.restore import restore
from tests.clients import ask
from tests.conftest import LaunchApp
from tests.running import Api, AppThread, RunningApp, definition, short_folder

Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A backup with a day in it."""
    with short_folder() as folder, closing(RunningApp(folder).start()) as app:
        ask(app.api.post("servers", definition(name="echo")), b"hello")
        app.api.finished("echo", 1)
        assert app.command("backup", folder / "backup").returncode == 0
        yield folder / "backup"


@pytest.fixture
def backup(made: Path, folder: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, folder / "b" / "backup"))


@pytest.fixture
def data_dir(folder: Path) -> Path:
    (folder / "t" / "data").mkdir(parents=True)
    return folder / "t" / "data"


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != "lock"
    }


def manifest(backup: Path) -> Any:
    return json.loads((backup / "manifest.json").read_text())


def write(backup: Path, document: Any) -> None:
    (backup / "manifest.json").write_text(json.dumps(document))


def with_file(path: str, **more: object) -> Change:
    """Its manifest names another file too, whose content is right."""

    def change(backup: Path) -> None:
        secret = backup.parent / "secret"
        secret.write_bytes(b"secret")
        entry = {
            "path": path,
            "bytes": 6,
            "sha256": hashlib.sha256(b"secret").hexdigest(),
            "rows": None,
            "last_seq": None,
            **more,
        }
        document = manifest(backup)
        write(backup, {**document, "files": [*document["files"], entry]})

    return change


def _link(backup: Path) -> None:
    """What it leads to is as the manifest says: only that it is a link speaks against it."""
    with_file("tls/own.pem")(backup)
    (backup / "tls").mkdir(exist_ok=True)
    (backup / "tls" / "own.pem").symlink_to(backup.parent / "secret")


def _linked_folder(backup: Path) -> None:
    with_file("tls/own.pem")(backup)
    (backup.parent / "elsewhere").mkdir()
    (backup.parent / "elsewhere" / "own.pem").write_bytes(b"secret")
    (backup / "tls").symlink_to(backup.parent / "elsewhere")


def _pipe(backup: Path) -> None:
    with_file("tls/own.pem")(backup)
    (backup / "tls").mkdir()
    os.mkfifo(backup / "tls" / "own.pem")


def _folder(backup: Path) -> None:
    with_file("tls/own.pem")(backup)
    (backup / "tls" / "own.pem").mkdir(parents=True)


def _linked_database(backup: Path) -> None:
    (backup / "control.sqlite3").rename(backup.parent / "moved")
    (backup / "control.sqlite3").symlink_to(backup.parent / "moved")


def _grown(backup: Path) -> None:
    """Sparse: a terabyte that takes no room here, and would where it is copied to."""
    os.truncate(backup / "control.sqlite3", 1 << 40)


def _says_less(backup: Path) -> None:
    document = manifest(backup)
    document["files"][0]["bytes"] = -(1 << 60)
    write(backup, document)


def _says_more(backup: Path) -> None:
    document = manifest(backup)
    document["files"][0]["bytes"] = 1 << 60
    write(backup, document)


def _twice(backup: Path) -> None:
    document = manifest(backup)
    write(backup, {**document, "files": [*document["files"], document["files"][0]]})


def _endless_manifest(backup: Path) -> None:
    os.truncate(backup / "manifest.json", 1 << 40)


def _deep_manifest(backup: Path) -> None:
    (backup / "manifest.json").write_text("[" * 200_000)


PATHS = (
    *("../x", "/etc/passwd", "tls/../../x.pem", "tls/../x.pem", "requests/damaged/../../x"),
    *("requests/damaged/..", "", ".", "tls/", "tls/a/b.pem", "lock", "sockets/a.sock"),
    *("tls/.pem", "requests/20260101.sqlite3/x", "handlers/evil.py", "tls/a.pem\0", "tls\\x.pem"),
    "control.sqlite3-wal",
)
CHANGES: dict[str, Change] = {
    **{f"path {ascii(path)}": with_file(path) for path in PATHS},
    **{change.__name__: change for change in (_link, _linked_folder, _pipe, _folder)},
    **{change.__name__: change for change in (_linked_database, _grown, _says_less, _says_more)},
    **{change.__name__: change for change in (_twice, _endless_manifest, _deep_manifest)},
    "a file that is not there": with_file("tls/own.pem"),
    "a number for a digest": with_file("tls/own.pem", sha256=5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_t24_a_backup_that_is_not_as_it_says_changes_nothing(
    backup: Path, data_dir: Path, change: str
) -> None:
    CHANGES[change](backup)
    (data_dir / "notes").write_text("dear")
    before = everything(data_dir)
    with pytest.raises((Invalid, Unavailable)) as refused:
        restore(backup, data_dir, replace=True)
    assert refused.value.code in ("not_a_backup", "backup_damaged", "no_room")
    assert everything(data_dir) == before
    assert [path.name for path in data_dir.parent.iterdir()] == ["data"]


@pytest.mark.parametrize("change", ["_link", "path '../x'", "_grown", "_pipe"])
def test_t24_the_command_says_so_in_a_line(backup: Path, launch: LaunchApp, change: str) -> None:
    CHANGES[change](backup)
    app = launch()
    done = app.command("restore", backup)
    assert (done.returncode in (2, 3), done.stdout) == (True, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("sockpit: ")
    assert everything(app.data_dir) == {}
    assert not (app.folder / "x").exists()


def test_t24_one_that_is_as_it_says_is_restored(backup: Path, data_dir: Path) -> None:
    restore(backup, data_dir, replace=False)
    assert (data_dir / "control.sqlite3").is_file()


# -- uploads -----------------------------------------------------------------------------------


def endless(app: AppThread, path: str, headers: dict[str, str], body: Iterator[bytes]) -> bytes:
    """What is answered to a POST whose body goes on and on; how much of it was taken is bounded
    by the buffers of the sockets, since it is sent no further than until there is an answer."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", app.port)) as client:
        client.settimeout(20)
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        sent = 0
        try:
            for piece in body:
                client.sendall(piece)
                sent += len(piece)
                assert sent < 50 * BODY_LIMIT, "nobody stops it"
        except OSError:
            pass  # it was stopped
        return client.recv(65_536)


def _chunked(first: bytes) -> Iterator[bytes]:
    yield b"%x\r\n%s\r\n" % (len(first), first)
    while True:
        yield b"10000\r\n" + bytes(0x10000) + b"\r\n"


def headers(api: Api, **more: str) -> dict[str, str]:
    """Those with which the API's own client asks, so that it is known here too."""
    own = {
        name: api.client.headers[name] for name in ("authorization",) if name in api.client.headers
    }
    return {**own, **more}


@pytest.mark.parametrize("path", ["/certificates", "/api/v1/certificates", "/new"])
def test_t24_an_upload_is_measured_while_it_is_read(app_thread: AppThread, path: str) -> None:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="pem"; filename="a.pem"\r\n'
        b"Content-Type: application/x-pem-file\r\n\r\n"
    )
    kind = {
        "/certificates": "multipart/form-data; boundary=x",
        "/api/v1/certificates": "application/json",
        "/new": "application/x-www-form-urlencoded",
    }[path]
    sent = {"Content-Type": kind, "Transfer-Encoding": "chunked", "Connection": "close"}
    answer = endless(app_thread, path, headers(app_thread.api, **sent), _chunked(form))
    assert answer.split(b" ")[1] in (b"413", b"303", b"401", b"403"), answer[:200]
    before = app_thread.api.get("certificates")
    assert "a.pem" not in json.dumps(before)


def test_t24_an_upload_that_says_how_long_it_is_is_not_begun(app_thread: AppThread) -> None:
    sent = {"Content-Type": "application/json", "Content-Length": str(100 * BODY_LIMIT)}
    answer = endless(app_thread, "/api/v1/certificates", headers(app_thread.api, **sent), iter(()))
    assert answer.split(b" ")[1] == b"413"


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/b", "a\0b", "x" * 64, "", "-x", "a.pem", "..", "A"]
)
def test_t24_a_certificate_is_a_name_in_its_folder(app_thread: AppThread, name: str) -> None:
    before = (
        everything(app_thread.data_dir / "tls") if (app_thread.data_dir / "tls").exists() else {}
    )
    body = {"name": name, "hosts": ["localhost"]}
    app_thread.api.refused(422, "POST", "certificates/self-signed", json=body)
    app_thread.api.refused(422, "POST", "certificates", json={"name": name, "pem": "x"})
    after = (
        everything(app_thread.data_dir / "tls") if (app_thread.data_dir / "tls").exists() else {}
    )
    assert after == before


def test_t24_a_large_pem_is_refused_and_nothing_is_kept(app_thread: AppThread) -> None:
    pem = "-----BEGIN CERTIFICATE-----\n" + "A" * 900_000 + "\n-----END CERTIFICATE-----\n"
    app_thread.api.refused(422, "POST", "certificates", json={"name": "large", "pem": pem})
    assert not (app_thread.data_dir / "tls" / "large.pem").exists()
