"""`python -m tests.threats.cut_off`: use the app as people do, and print what came of it, as JSON.

To be run where there is no network but loopback. Claims nothing.
"""

from __future__ import annotations

import json
import re
import socket
from contextlib import closing
from urllib.parse import urljoin

from tests.clients import Client
from tests.running import RunningApp, definition, short_folder

PAGES = (
    "/servers",
    "/new",
    "/requests",
    "/handlers",
    "/certificates",
    "/docs",
    "/account",
)

#: For documentation, RFC 5737 and 3849: nobody has them.
OUTSIDE = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))

_LINKED = re.compile(r'(?:src|href)="([^"#]+)"')


def main() -> None:
    with short_folder() as folder, closing(RunningApp(folder)) as app:
        app.start()
        server = app.api.post("servers", definition())
        with Client(server) as client:
            echo = client.ask(b"hello\n").decode()
        (request,) = app.api.finished(server["name"], 1)
        told = {
            "interfaces": [name for _, name in socket.if_nameindex()],
            "outside": [leads_out(host, family) for host, family in OUTSIDE],
            "pages": pages(app, f"/servers/{server['name']}", f"/requests/{request['id']}"),
            "echo": echo,
            "outcome": request["outcome"],
            "exit": app.stop(),
            "log": app.log,
        }
    print(json.dumps(told))  # noqa: T201


def pages(app: RunningApp, *more: str) -> dict[str, int]:
    """Statuses of pages, and of all files that they load."""
    found: dict[str, int] = {}
    for page in (*PAGES, *more):
        answer = app.api.pages.get(page)
        found[page] = answer.status_code
        for linked in _LINKED.findall(answer.text):
            path = urljoin(page, linked)
            if path.startswith("/static/") and path not in found:
                found[path] = app.api.pages.get(path).status_code
    return found


def leads_out(host: str, family: socket.AddressFamily) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex((host, 53)) == 0


if __name__ == "__main__":
    main()
