"""What tests of the app share: it runs, once for all of them or anew in a process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.running import Api, AppThread, Json, RunningApp, definition, offer, short_folder

LaunchApp = Callable[..., RunningApp]
MakeServer = Callable[..., Json]

_numbers = count(1)

# A shell has what it starts in the background ignore it, and so would every process of a test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def app_in_a_thread() -> Iterator[AppThread]:
    with short_folder() as folder, closing(AppThread(folder)) as app:
        yield app


@pytest.fixture(scope="session")
def app_thread() -> Iterator[AppThread]:
    """One app for many tests, in this process: their servers have names of their own."""
    with app_in_a_thread() as app:
        yield app


@pytest.fixture
def api(app_thread: AppThread) -> Api:
    """The REST API of the shared app."""
    return app_thread.api


@pytest.fixture
def name() -> str:
    """A server name that no other test has."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def make_server(api: Api) -> Iterator[MakeServer]:
    """Creates servers of the shared app, an echo on any TCP port and running where nothing else
    is said, and deletes them in the end."""
    made: list[str] = []

    def make(transport: str = "tcp", /, **body: object) -> Json:
        server = api.post("servers", definition(transport, **body))
        made.append(server["name"])
        return server

    yield make
    for server in made:
        assert api.call("DELETE", f"servers/{server}").status_code in (204, 404)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of this test with a short path."""
    with short_folder() as made:
        yield made


@pytest.fixture
def launch(folder: Path) -> Iterator[LaunchApp]:
    """Makes apps that run in processes of their own; none of them outlives the test.

    `launch({"DEMO": "1"}).start()`; a `data_dir` of another one can be given as a setting.
    """
    apps: list[RunningApp] = []

    def make(settings: Mapping[str, str] | None = None) -> RunningApp:
        place = folder / f"app{len(apps)}"
        place.mkdir()
        apps.append(RunningApp(place, settings))
        return apps[-1]

    yield make
    for app in apps:
        app.close()


@pytest.fixture
def app_process(launch: LaunchApp) -> RunningApp:
    """One app in a process of its own, running."""
    return launch().start()


@pytest.fixture
def raising(app_thread: AppThread) -> str:
    """The key of a handler of the shared app that raises what it was sent."""
    return offer(
        app_thread,
        "raising_on_purpose.py",
        """
        from socketserver import BaseRequestHandler

        class Raising(BaseRequestHandler):
            def handle(self):
                raise ValueError(f"cannot do {self.request.recv(100)!r}")
        """,
    )


@pytest.fixture
def waiting(app_thread: AppThread) -> str:
    """The key of a handler that answers what it is sent when it is sent more."""
    return offer(
        app_thread,
        "waiting_for_more.py",
        """
        from socketserver import BaseRequestHandler

        class Waiting(BaseRequestHandler):
            def handle(self):
                self.request.sendall(self.request.recv(100))
                self.request.recv(100)
        """,
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA and certificates that it signed, or did not."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
