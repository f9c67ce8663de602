"""`python -m http.server` as the command runs it: dual-stack class, serve_forever, Ctrl-C."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import io
import signal
import threading
from typing import Any

from tests.sockcore.programs.serving import origin

bound: list[tuple[str, int]] = []
served = threading.Event()
statuses: list[int] = []


class CommandServer(http.server.ThreadingHTTPServer):
    """As the command's own, it overrides server_bind and finish_request."""

    def server_bind(self) -> None:
        super().server_bind()
        bound.append((str(self.server_address[0]), self.server_address[1]))

    def finish_request(self, request: Any, client_address: Any) -> None:
        handler: Any = self.RequestHandlerClass
        handler(request, client_address, self)

    def service_actions(self) -> None:
        served.set()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the stdlib's name)
        """Nothing on stderr: the test looks there for warnings."""


def _visit(main: int) -> None:
    served.wait(20)
    client = http.client.HTTPConnection(bound[0][0], bound[0][1], timeout=20)
    client.request("HEAD", "/")
    statuses.append(client.getresponse().status)
    client.close()
    signal.pthread_kill(main, signal.SIGINT)


def run() -> dict[str, object]:
    visitor = threading.Thread(target=_visit, args=(threading.get_ident(),))
    visitor.start()
    printed = io.StringIO()
    code: object = "did not exit"
    try:
        with contextlib.redirect_stdout(printed):
            command = vars(http.server)["test"]
            command(QuietHandler, CommandServer, port=0, bind="127.0.0.1")
    except SystemExit as exit_:
        code = exit_.code
    visitor.join()
    return {
        "origin": origin(CommandServer),
        "statuses": statuses,
        "exit": code,
        "said": "Keyboard interrupt received" in printed.getvalue(),
    }
