"""A watcher of the app's events: one stream, read as it comes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from tests.running import SESSION_COOKIE, TOKEN, Json, log_in
from tests.waiting import DEADLINE_S, eventually

REQUEST = httpx2.Request("GET", "http://127.0.0.1")
HEADERS = {"content-type": "text/event-stream"}


class Watch:
    """What one stream of server-sent events has told so far."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.ended = threading.Event()  # the stream is over
        self._raw = bytearray()
        self._thread = threading.Thread(target=self._read, name="watch")
        self._thread.start()

    def _read(self) -> None:
        # A process that is killed breaks it off, and so does close().
        with contextlib.suppress(httpx2.TransportError):
            for data in self.response.iter_raw():
                self._raw.extend(data)
        self.ended.set()

    @property
    def raw(self) -> bytes:
        return bytes(self._raw)

    def events(self, topic: str | None = None) -> list[tuple[str, Json]]:
        """(topic, data) of each whole event, oldest first; of one topic only, if it is named."""
        raw = self.raw
        whole = raw[: raw.rfind(b"\n\n") + 2]
        response = httpx2.Response(200, headers=HEADERS, content=whole, request=REQUEST)
        found = [(event.event, json.loads(event.data)) for event in httpx2.EventSource(response)]
        return [event for event in found if topic in (None, event[0])]

    def data(self, topic: str) -> list[Json]:
        return [data for _, data in self.events(topic)]

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the server ended it first
            stream = self.response.extensions["network_stream"]
            stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


@contextmanager
def watching(
    url: str,
    path: str = "/api/v1/events",
    *,
    bearer: str = TOKEN,
    headers: dict[str, str] | None = None,
    **params: str,
) -> Iterator[Watch]:
    """Watch until the block is left. What happens inside of it is seen from the start."""
    if headers is None and path.startswith("/api/"):
        headers = {"Authorization": f"Bearer {bearer}"}
    elif headers is None:
        headers = {"Cookie": f"{SESSION_COOKIE}={log_in(url)}"}
    with (
        httpx2.Client(base_url=url, trust_env=False, timeout=None) as client,
        client.stream("GET", path, params=params, headers=headers) as response,
    ):
        assert response.status_code == 200
        watch = Watch(response)
        try:
            eventually(lambda: watch.raw)  # its first words: from now on it misses nothing
            yield watch
        finally:
            watch.close()
