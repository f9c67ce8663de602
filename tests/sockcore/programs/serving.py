"""What the programs share: a server in a thread, and where its classes come from."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    """The way every tutorial does it: serve in a thread, shut down, leave the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def origin(server_class: type) -> str:
    """The package of the BaseServer below a server class."""
    (base,) = [c for c in server_class.__mro__ if c.__name__ == "BaseServer"]
    return base.__module__.partition(".")[0]
