"""The screens of one thing of the log: a request while it is open, a deletion while it goes on.

As `screens.py`: knows templates and services, and nothing of HTTP.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

from app.deps import Services
from app.services.deletions import Deletion
from app.services.live import Batch
from app.web.jump import MOST_OFFERED, jump
from app.web.log_pages import asked, of_peer
from app.web.screens import Region
from app.web.tape import LINE_LIMIT, tape
from app.web.view import render

#: Seconds between two looks at how far a deletion is.
DELETION_TICK_S = 0.5


def deletion_context(deletion: Deletion) -> dict[str, object]:
    """For deletion.html."""
    return {"deletion": deletion, "search": asked(deletion.chosen.filter)}


class DeletionScreen:
    """/requests/deletions/{id} while it counts or deletes."""

    place = None

    def __init__(self, services: Services, id_: str) -> None:
        self._services = services
        self._id = id_
        self.tick_s: float | None = DELETION_TICK_S

    def regions(self, batch: Batch | None) -> Iterable[Region]:  # noqa: ARG002 - looks anew
        """Raises: NotFound once it is forgotten."""
        deletion = self._services.deletions.get(self._id)
        self.tick_s = DELETION_TICK_S if deletion.is_active else None
        html = render("_deletion.html", typed="", wrong=False, **deletion_context(deletion))
        yield Region("deletion", html)


def request_context(
    services: Services,
    request_id: str,
    *,
    everything: bool = False,
    of: str = "received",
    at: str = "",
) -> dict[str, object]:
    """For request.html; `everything`: every line of a long tape; `of` and `at`: which byte is
    looked for. Raises: NotFound."""
    detail = services.requests.get(request_id)
    to = jump(detail, of, at)
    return {
        "detail": detail,
        "row": detail.summary,
        "peer_search": of_peer(detail.summary),
        "jump": to,
        "chunks_offered": detail.tape[:MOST_OFFERED],
        "tape": tape(detail, None if everything else LINE_LIMIT, to.byte),
        "payloads": (
            ("received", "Received", detail.received, b64encode(detail.received.prefix).decode()),
            ("sent", "Sent", detail.sent, b64encode(detail.sent.prefix).decode()),
        ),
    }


class RequestScreen:
    """/requests/{id} while the request is open."""

    tick_s = None
    place = None

    def __init__(
        self, services: Services, request_id: str, of: str = "received", at: str = ""
    ) -> None:
        self._services = services
        self._id = request_id
        self._of = of
        self._at = at

    def regions(self, batch: Batch | None) -> Iterable[Region]:
        """Raises: NotFound."""
        ids = None if batch is None else batch.request_ids()
        if ids is None or self._id in ids:
            context = request_context(self._services, self._id, of=self._of, at=self._at)
            yield Region("request", render("_request.html", **context))
