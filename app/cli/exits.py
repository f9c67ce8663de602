"""How the command line ends: one line that says why, and a code that says it to programs."""

from __future__ import annotations

import sys
from typing import NoReturn

FAILED = 1  # it was asked and the answer is no
USAGE = 2  # a setting or an argument is wrong
NO_DATA = 3  # the data directory or the control database cannot be used
IN_USE = 4  # another process uses the data directory
OPEN_TO_ALL = 5  # it would listen for others, and there is nobody to log in as
PORT_IN_USE = 6  # the panel's address cannot be listened on


def leave(code: int, why: str) -> NoReturn:
    """Raises: SystemExit."""
    print(f"sockpit: {why}", file=sys.stderr)
    raise SystemExit(code)
