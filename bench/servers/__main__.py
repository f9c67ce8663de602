"""One server in this process, for as long as the process that started it lives.

Says `ready PORT`, or `not available: REASON`, on one line of stdout; ends by SIGTERM. One that is
`logged` writes all to the log by SIGUSR1 and says so: `stored N dropped M`.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import signal

#: Family -> the module that serves it.
MODULES = {
    "stdlib": "socketservers",
    "sockcore": "socketservers",
    "asyncio": "loops",
    "uvloop": "loops",
    "gevent": "greenlets",
    "twisted": "reactor",
}
_PR_SET_PDEATHSIG = 1


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.servers", description=__doc__)
    parser.add_argument("family", choices=MODULES)
    parser.add_argument("what", help="a server class, or: streams, protocol, tcp, udp")
    parser.add_argument("--handler", choices=("stream", "message", "datagram"), default="stream")
    parser.add_argument("--backlog", type=int, help="of the listener; else the family's own")
    parser.add_argument("--threads", type=int, help="of a pool; else its own")
    parser.add_argument("--run", choices=("bare", "watched", "hosted", "logged"), default="bare")
    parser.add_argument("--app", action="store_true", help="be as large as the app's process")
    return parser.parse_args()


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    chosen = options()
    try:
        if chosen.app:
            importlib.import_module("app.main")
        family = importlib.import_module(f"bench.servers.{MODULES[chosen.family]}")
        family.serve(chosen)
    except ModuleNotFoundError as missing:
        print(f"not available: {missing.name} is not installed", flush=True)
    except NotImplementedError as missing:
        print(f"not available: {missing}", flush=True)


def announce(address: tuple[str, int]) -> None:
    """The server listens."""
    print(f"ready {address[1]}", flush=True)


if __name__ == "__main__":
    # By its real name, so that the families import this very module.
    importlib.import_module("bench.servers.__main__").main()
