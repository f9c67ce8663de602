"""Programs of the stdlib run over sockcore as over `socketserver`, and see the same.

The stdlib's own module is the referee: each program runs over both.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_FILES = [[200, "a page"], [200, ""], [404, ""], 1_000_000]
_CALLS = [2.0, [4.0, 8], True, "<class 'ValueError'>:odd"]

SEEN: dict[str, dict[str, object]] = {
    "http_files": {"HTTPServer": _FILES, "ThreadingHTTPServer": _FILES},
    "http_command": {"statuses": [200], "exit": 0, "said": True},
    "xml_rpc": {"SimpleXMLRPCServer": _CALLS, "ThreadingRPCServer": _CALLS},
    "wsgi": {
        "WSGIServer": [201, "/path body"],
        "ThreadingWSGIServer": [201, "/path body"],
    },
    "log_receiver": {"levels": [0, 40], "tcp": "stream and 42", "udp": "datagram and 42"},
}


@pytest.mark.parametrize("module", ["socketserver", "sockcore"])
@pytest.mark.parametrize("program", SEEN)
def test_program_sees_the_same(program: str, module: str) -> None:
    python = [sys.executable, "-X", "dev", "-W", "error"]
    ran = subprocess.run(
        [*python, "-m", "tests.sockcore.programs", module, program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {"origin": module, **SEEN[program]}
