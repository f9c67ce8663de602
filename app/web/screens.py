"""What stands on a page that lives: its context, its regions, and what changed of them.

A page includes the same partials with the same context that its stream and its actions send, so
that all of them say the same. Knows templates and services; knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from app.deps import Services
from app.domain import Count, ServerStatus
from app.services.live import Batch
from app.web import words
from app.web.log_pages import (
    NONE,
    NewestPage,
    Search,
    alarms_of_log,
    log_context,
    of_server,
    page_context,
)
from app.web.view import partial, render

#: Connections listed on a server's page; the API has all of them. Keeps an update light.
CONNECTION_ROWS = 200

#: Seconds between two renderings of a list whose idle times run on.
TICK_S = 1.0

NO_ERRORS: Mapping[str, str] = {}


class Region(NamedTuple):
    target: str  # an id on the page
    html: str
    swap: str = "innerMorph"


class Screen(Protocol):
    """One watcher's page. `tick_s`: render again after that long even if nothing happened.
    `place`: from where on a stream that is opened again has to tell; None: it tells all anew."""

    @property
    def tick_s(self) -> float | None: ...

    @property
    def place(self) -> str | None: ...

    def regions(self, batch: Batch | None) -> Iterable[Region]:
        """The regions that `batch` may have changed; None: all of them."""


class Sent:
    """What one watcher was last sent, so that only what changed goes out again."""

    def __init__(self) -> None:
        self._html: dict[str, str] = {}

    def changed(self, regions: Iterable[Region]) -> str:
        """The partials to send; empty when nothing is new."""
        fresh: list[str] = []
        for target, html, swap in regions:
            if self._html.get(target) != html:
                self._html[target] = html
                fresh.append(partial(target, html, swap))
        return "".join(fresh)


def all_regions(screen: Screen) -> str:
    return Sent().changed(screen.regions(None))


def servers_context(
    services: Services, errors: Mapping[str, str] = NO_ERRORS
) -> dict[str, object]:
    """For servers.html. `errors`: what was refused just now, by the server's name."""
    statuses = services.servers.all()
    log = services.requests.stats()
    return {
        "who": services.who,
        "servers": statuses,
        "errors": errors,
        "totals": words.totals(statuses, log),
        "alarms": words.alarms(statuses, log, services.requests.damaged()),
        "server_count": len(statuses),
        "origin": words.origin(services.settings.host, services.settings.port),
        "back": "/servers",
    }


def _comes_back(status: ServerStatus) -> bool:
    """Whether it may be started again by itself, and what is said of it changes meanwhile."""
    return status.state == "failed" and status.spec.isolation == "process"


class ServersScreen:
    """/servers: alarms, totals and the table."""

    place = None

    def __init__(self, services: Services, errors: Mapping[str, str] = NO_ERRORS) -> None:
        self._services = services
        self._errors = errors
        self._known: dict[str, ServerStatus] = {}
        self.tick_s: float | None = None

    def regions(self, batch: Batch | None) -> Iterable[Region]:
        context = servers_context(self._services, self._errors)
        yield Region("nav-count", str(context["server_count"]))
        yield Region("alarms", render("_alarms.html", **context))
        yield Region("totals", render("_totals.html", **context))
        yield Region("gap", render("_gap.html", missed=batch.missed if batch else 0))
        statuses = {status.spec.name: status for status in self._services.servers.all()}
        before, self._known = self._known, statuses
        self.tick_s = TICK_S if any(map(_comes_back, statuses.values())) else None
        if batch is None or before.keys() != statuses.keys():
            yield Region("servers", render("_servers.html", **context))
            return
        for name, status in statuses.items():
            if before[name] != status:
                html = render("_server_row.html", **{**context, "server": status})
                yield Region(f"server-{name}", html, "outerMorph")


def server_context(
    services: Services, name: str, *, error: str | None = None, refused: str | None = None
) -> dict[str, object]:
    """For server.html. `error`: what an action on the server came to; `refused`: on a client.

    Raises: NotFound.
    """
    return {
        "server": services.servers.get(name),
        "error": error,
        "back": f"/servers/{name}",
        "server_count": len(services.servers.all()),
        **connections_context(services, name, refused),
        **log_context(services, of_server(name)),
    }


def connections_context(
    services: Services, name: str, refused: str | None = None
) -> dict[str, object]:
    connections = services.servers.connections(name)
    return {
        "who": services.who,
        "server": services.servers.get(name),
        "connections": connections[:CONNECTION_ROWS],
        "connections_left_out": max(0, len(connections) - CONNECTION_ROWS),
        "refused": refused,
    }


class ServerScreen:
    """/servers/{name}: head, facts, connections and the newest requests."""

    place = None

    def __init__(
        self,
        services: Services,
        name: str,
        *,
        error: str | None = None,
        refused: str | None = None,
    ) -> None:
        self._services = services
        self._name = name
        self._error = error
        self._refused = refused
        self.tick_s: float | None = None

    def regions(self, batch: Batch | None) -> Iterable[Region]:
        """Raises: NotFound once the server is deleted."""
        context = server_context(
            self._services, self._name, error=self._error, refused=self._refused
        )
        status = self._services.servers.get(self._name)
        self.tick_s = TICK_S if context["connections"] or _comes_back(status) else None
        yield Region("server-head", render("_server_head.html", **context))
        yield Region("server-actions", render("_server_actions.html", **context))
        yield Region("server-facts", render("_server_facts.html", **context))
        yield Region("gap", render("_gap.html", missed=batch.missed if batch else 0))
        yield Region("connections", render("_connections.html", **context))
        if batch is None or batch.tells_of_the_log():
            yield Region("requests", render("_requests.html", live=True, **context))


class RequestsScreen:
    """The newest page of /requests, of what is searched for.

    Its `tail` says up to which place it has all, and how many requests came since the update
    before: so that a page that stands still can say how much it lacks, and from where on.
    """

    tick_s = TICK_S

    def __init__(self, services: Services, asked: Search, since: str | None = None) -> None:
        """`since`: up to which place the page has all already."""
        self._services = services
        self._asked = asked
        self._newest = NewestPage(services, asked, since)

    @property
    def place(self) -> str | None:
        return self._newest.place

    def regions(self, batch: Batch | None) -> Iterable[Region]:
        yield Region("alarms", render("_alarms.html", alarms=alarms_of_log(self._services)))
        if batch is None or batch.tells_of_the_log():
            newest = self._newest.refresh(batch.request_ids() if batch else None)
            yield self._tail(self._newest.more)
            context = page_context(self._asked, newest)
            yield Region("requests", render("_requests.html", live=True, **context))
        else:
            yield self._tail(NONE)

    def _tail(self, more: Count) -> Region:
        behind = words.behind(self._services.requests.stats())
        tail = render("_tail.html", place=self.place, more=more, behind=behind)
        return Region("tail", tail, "outerMorph")
