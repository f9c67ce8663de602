"""Answers that are long and saved as files: sent for as long as their caller may have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse

from app.deps import Admission
from app.errors import Unauthorized
from app.services.exports import Cancelled

P = TypeVar("P", str, bytes)


class Download(StreamingResponse):
    """Broken off when it is cancelled, or when its caller is not to have the rest any more."""

    def __init__(
        self, pieces: Iterator[P], admission: Admission, media_type: str, headers: dict[str, str]
    ) -> None:
        super().__init__(_admitted(pieces, admission), media_type=media_type, headers=headers)

    async def stream_response(self, send: Any) -> None:
        # Left without its end, so that no program takes a part for the whole.
        with suppress(Cancelled, Unauthorized):
            await super().stream_response(send)


def _admitted(pieces: Iterator[P], admission: Admission) -> Iterator[P]:
    for piece in pieces:
        admission.check()
        yield piece
