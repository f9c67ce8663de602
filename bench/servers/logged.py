"""What the app has behind a server's sink, as far as it works under full load: its recorder and
its store. The index of searches waits then, so it has no part in this.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.services.recorder import Recorder
from app.store.day_files import DayFiles
from sockcore.events import Event, RequestFinished, RequestProgressed

#: Seconds that the last rows have to be written.
FLUSH_S = 10.0


@contextmanager
def recording() -> Iterator[Recorder]:
    """Writes to a folder of its own, which goes in the end."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-log-") as folder,
        closing(DayFiles(Path(folder))) as store,
    ):
        recorder = Recorder(store, lambda _rows: None)
        recorder.start()
        try:
            yield recorder
        finally:
            recorder.stop(FLUSH_S)


def sink(recorder: Recorder) -> Callable[[Event], None]:
    """What the app does with an event that nobody watches."""

    def hear(event: Event) -> None:
        if isinstance(event, RequestProgressed | RequestFinished):
            recorder.submit(event)

    return hear


def flushed(recorder: Recorder) -> str:
    """Write all that was heard of. Returns: `stored N dropped M`."""
    recorder.flush(FLUSH_S)
    stats = recorder.stats()
    return f"stored {stats.stored} dropped {stats.dropped}"
