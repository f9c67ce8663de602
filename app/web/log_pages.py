"""What stands on the pages of the request log: the search, its conditions, a page of rows.

Knows services and the search line. Knows nothing of HTTP; screens and pages use it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.deps import Services
from app.domain import Count, Page, RequestSummary
from app.errors import Invalid, NotFound
from app.search.line import Chip, chips, parse
from app.search.line import format as line_of
from app.search.terms import Filter, Is
from app.web import words
from app.web.filters import requests_href

#: Rows of the log on one page.
PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked for. `error`: why `line` could not be understood; then nothing is found."""

    line: str
    filter: Filter
    error: str | None = None

    @property
    def chips(self) -> tuple[Chip, ...]:
        return chips(self.filter)

    @property
    def one_server(self) -> str | None:
        """The server whose requests alone are meant."""
        names = self.filter.alternatives("server")
        return names[0] if len(names) == 1 else None

    def href(self, **cursor: str) -> str:
        """The page of this search, from a cursor on."""
        return requests_href(self.line, **cursor)


def asked(filter_: Filter) -> Search:
    return Search(line_of(filter_), filter_)


def search(line: str, server: str | None = None) -> Search:
    """`server`: its requests alone, as a link to them asks."""
    try:
        return asked(parse(line).of_server(server))
    except Invalid as refused:
        return Search(line, Filter(), refused.detail)


def of_server(name: str) -> Search:
    return asked(Filter().of_server(name))


def of_peer(row: RequestSummary) -> Search:
    """All that came from where `row` did, from whatever port."""
    host, colon, _ = row.peer.rpartition(":")
    peer = f"{host}{colon}" if colon else row.peer
    return asked(Filter((Is("peer", peer),) if peer else ()).of_server(row.server))


def log_context(
    services: Services, sought: Search, before: str | None = None, after: str | None = None
) -> dict[str, object]:
    """For _requests.html: the page that the search finds."""
    found: Page[RequestSummary] = Page((), None)
    if sought.error is None:
        found = services.requests.page(sought.filter, limit=PAGE_ROWS, before=before, after=after)
    return page_context(sought, found, stands_still=bool(before or after))


def page_context(
    sought: Search, found: Page[RequestSummary], *, stands_still: bool = False
) -> dict[str, object]:
    """For _requests.html: `found`, which is there already."""
    return {"log_page": found, "search": sought, "stands_still": stands_still}


def alarms_of_log(services: Services) -> list[words.Alarm]:
    return words.log_alarms(services.requests.stats(), services.requests.damaged())


def counted(services: Services, sought: Search) -> Count | None:
    """How many requests the search finds; None where nothing was asked for, or wrongly."""
    if sought.error is not None or not sought.line:
        return None
    return services.requests.count(sought.filter)


class NewestPage:
    """The newest page of a search, kept up to date by reading only what is new.

    Thread: one.
    """

    def __init__(self, services: Services, sought: Search) -> None:
        self._requests = services.requests
        self._filter = sought.filter
        self._page: Page[RequestSummary] = Page((), None)
        self._seen: str | None = None  # the place up to which everything is known

    def refresh(self, changed: set[str]) -> Page[RequestSummary]:
        """`changed`: ids of requests of which there is news."""
        newest = self._requests.page(limit=1).items
        seen, self._seen = self._seen, newest[0].id if newest else None
        if seen is None:
            return self._anew()
        page = self._requests.page(self._filter, limit=PAGE_ROWS, after=seen)
        if page.newer is not None:  # more than a page, or more than there was time for
            return self._anew()
        # What came after we asked for the newest is here now, and comes once more.
        fresh = {row.id: row for row in page.items}
        known = (row for row in self._page.items if row.id not in fresh)
        told = (self._news_of(row) if row.id in changed else row for row in known)
        rows = (*fresh.values(), *told)
        older = rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else self._page.next
        self._page = replace(self._page, items=rows[:PAGE_ROWS], next=older)
        return self._page

    def _anew(self) -> Page[RequestSummary]:
        self._page = self._requests.page(self._filter, limit=PAGE_ROWS)
        return self._page

    def _news_of(self, row: RequestSummary) -> RequestSummary:
        try:
            return self._requests.get(row.id).summary
        except NotFound:  # dropped with its day
            return row
