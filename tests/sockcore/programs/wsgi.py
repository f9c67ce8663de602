"""wsgiref serves an application, checked by its validator, plain and threaded."""

from __future__ import annotations

import http.client
import socketserver
import wsgiref.simple_server
import wsgiref.validate
from collections.abc import Iterable
from typing import Any

from tests.sockcore.programs.serving import origin, serving


class ThreadingWSGIServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """As frameworks make it for development."""

    daemon_threads = True


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the stdlib's name)
        """Nothing on stderr: the test looks there for warnings."""


def _echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    size = int(environ.get("CONTENT_LENGTH") or 0)
    start_response("201 Created", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode() + b" " + environ["wsgi.input"].read(size)]


def run() -> dict[str, object]:
    seen: dict[str, object] = {"origin": origin(wsgiref.simple_server.WSGIServer)}
    for server_class in (wsgiref.simple_server.WSGIServer, ThreadingWSGIServer):
        server = wsgiref.simple_server.make_server(
            "127.0.0.1", 0, wsgiref.validate.validator(_echo), server_class, QuietHandler
        )
        with serving(server):
            host, port = server.server_address[:2]
            client = http.client.HTTPConnection(str(host), port, timeout=20)
            client.request("POST", "/path", b"body")
            response = client.getresponse()
            seen[server_class.__name__] = [response.status, response.read().decode()]
            client.close()
    return seen
