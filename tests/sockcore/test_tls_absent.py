"""Who does without TLS does not pay for it, and need not even have it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVE = """
import socket, sys, threading
{before}
import sockcore

class Echo(sockcore.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())

with sockcore.BackgroundServer(
    lambda: sockcore.ThreadingTCPServer(("127.0.0.1", 0), Echo)
) as server, socket.create_connection(server.address, 20) as client:
    client.sendall(b"plain\\n")
    assert client.recv(9) == b"plain\\n"
print(sys.modules.get("ssl"))
"""


@pytest.mark.parametrize("before", ["", "sys.modules['ssl'] = sys.modules['_ssl'] = None"])
def test_plain_servers_do_without_ssl(before: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", SERVE.format(before=before)],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "None\n", "")
