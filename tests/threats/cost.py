"""What something costs the app that is in this process, whatever else the machine has to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.app.soon import SOON_S


@contextmanager
def cheap() -> Iterator[None]:
    """What is done in it takes less than SOON_S of a processor, those of the asker included; that
    it ends at all is for the asker's own deadline."""
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < SOON_S, f"it took {took:.2f} s of a processor"
