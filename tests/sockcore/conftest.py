"""What tests of the library share: a short folder for sockets, and a check that nothing is left.

Does not know which server classes are tested.
"""

from __future__ import annotations

import gc
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.descriptors import count as descriptors_open
from tests.sockcore.serving import wait_until


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """A folder whose path is short enough for sun_path (108 bytes), unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="sc-") as folder:
        yield Path(folder)


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """Fails a test that leaves a thread or a descriptor behind."""
    threads = set(threading.enumerate())
    descriptors = descriptors_open()
    yield
    wait_until(lambda: set(threading.enumerate()) <= threads, "the end of the test's threads")
    if descriptors_open() > descriptors:
        gc.collect()  # only then: it takes most of a second in a process with an application
    # An app in a thread of this process opens and closes some of its own.
    wait_until(lambda: descriptors_open() <= descriptors, "the end of the test's descriptors")
