"""A program: one watcher of the app's events, that counts them. Run by a test, stopped at will.

Knows how a stream of events is asked for and told apart.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from typing import Any

from tests.promises.remote import Orders
from tests.waiting import DEADLINE_S


class Watcher:
    """Reads in a thread; what it heard is told when it is asked for."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._lock = threading.Lock()  # guards the three below
        self._events: Counter[str] = Counter()
        self._gaps: list[int] = []
        self._last = ""  # what the last request said
        self._client = socket.socket()
        if room := orders.spec.get("room"):
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self._client.settimeout(DEADLINE_S)
        self._client.connect(("127.0.0.1", orders.spec["port"]))
        self._client.sendall(orders.spec["asked"].encode())
        self._lines = self._client.makefile("rb")
        assert b" 200 " in self._lines.readline()

    def read(self) -> None:
        topic = ""
        for line in self._lines:
            key, _, value = line.decode().partition(": ")
            if key == "event":
                topic = value.strip()
            elif key == "data":
                self._count(topic, value)

    def _count(self, topic: str, data: str) -> None:
        with self._lock:
            self._events[topic] += 1
            if topic == "request":
                self._last = json.loads(data)["preview"]
            if topic == "gap":
                self._gaps.append(json.loads(data)["missed"])

    def report(self) -> Any:
        with self._lock:
            return {"events": dict(self._events), "gaps": self._gaps, "last": self._last}

    def run(self) -> None:
        self._client.settimeout(None)
        threading.Thread(target=self.read, name="watcher", daemon=True).start()
        self._orders.say(None)
        while (order := self._orders.next()) is not None:
            self._orders.say(getattr(self, order.pop("do"))(**order))


if __name__ == "__main__":
    Watcher(Orders()).run()
