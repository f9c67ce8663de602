"""`python -m tests.sockcore.programs MODULE PROGRAM`: MODULE becomes `socketserver`, PROGRAM runs.

What it saw goes to stdout as JSON, with the module its server class really came from.
"""

from __future__ import annotations

import importlib
import json
import sys


def main(module: str, program: str) -> None:
    sys.modules["socketserver"] = importlib.import_module(module)
    seen = importlib.import_module(f"tests.sockcore.programs.{program}").run()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
