"""Where the rows of requests that are still open are, and which of those are gone.

Knows keys and places. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from app.store.day_places import NEWEST, Place
from app.store.requests import RequestEvent, RequestKey
from sockcore.events import RequestFinished


class OpenRows:
    """A request whose row was deleted while it was open is gone: what it does from then on is
    not written, for it would come back as half of itself, and its day with it.

    Thread: one at a time.
    """

    def __init__(self) -> None:
        self._places: dict[RequestKey, Place] = {}
        self._gone: set[RequestKey] = set()

    def place(self, key: RequestKey) -> Place | None:
        return self._places.get(key)

    def days(self) -> Set[str]:
        return {place.day for place in self._places.values()}

    def note(self, key: RequestKey, event: RequestEvent, day: str, seq: int) -> None:
        """`event` is stored there."""
        if not isinstance(event, RequestFinished):
            self._places[key] = Place(day, seq)
        elif self._places:
            self._places.pop(key, None)

    def drop(self, day: str, last: int = NEWEST) -> None:
        """The rows of `day` up to the seq `last` are deleted."""
        dropped = [
            k for k, place in self._places.items() if place.day == day and place.seq <= last
        ]
        for key in dropped:
            del self._places[key]
        self._gone.update(dropped)

    def lose(self, day: str) -> None:
        """The rows of `day` cannot be reached any more. What they do from now on is told anew."""
        self._places = {key: place for key, place in self._places.items() if place.day != day}

    def is_gone(self, key: RequestKey) -> bool:
        return key in self._gone

    def settle(self, events: Iterable[tuple[RequestKey, RequestEvent]]) -> None:
        """These are dealt with; of one that is over and gone nothing more comes."""
        if self._gone:
            over = {key for key, event in events if isinstance(event, RequestFinished)}
            self._gone -= over
