"""http.server serves a folder, one client at a time and threaded, over kept connections."""

from __future__ import annotations

import functools
import http.client
import http.server
import pathlib
import tempfile
from typing import Any

from tests.sockcore.programs.serving import origin, serving


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the stdlib's name)
        """Nothing on stderr: the test looks there for warnings."""


def _browse(address: tuple[str, int]) -> list[object]:
    """Several requests over one connection."""
    client = http.client.HTTPConnection(*address, timeout=20)
    answers: list[object] = []
    for method, path in (("GET", "/page.txt"), ("HEAD", "/page.txt"), ("GET", "/none")):
        client.request(method, path)
        response = client.getresponse()
        body = response.read()
        answers.append([response.status, body.decode() if response.status == 200 else ""])
    client.request("GET", "/large.bin")
    answers.append(len(client.getresponse().read()))
    client.close()
    return answers


def run() -> dict[str, object]:
    seen: dict[str, object] = {"origin": origin(http.server.HTTPServer)}
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "page.txt").write_text("a page")
        pathlib.Path(folder, "large.bin").write_bytes(b"." * 1_000_000)
        handler = functools.partial(QuietHandler, directory=folder)
        for server_class in (http.server.HTTPServer, http.server.ThreadingHTTPServer):
            with serving(server_class(("127.0.0.1", 0), handler)) as server:
                seen[server_class.__name__] = _browse(server.server_address)
    return seen
