"""What stands on the pages of the request log: the search, its conditions, a page of rows.

Knows services and the search line. Knows nothing of HTTP; screens and pages use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.deps import Services
from app.domain import Count, Page, RequestSummary
from app.errors import Invalid, NotFound
from app.log_facts import Gap, interleaved, place_key
from app.search.line import Chip, chips, parse
from app.search.line import format as line_of
from app.search.terms import Filter, Is
from app.services.requests import just_after
from app.web import words
from app.web.filters import requests_href

#: Rows of the log on one page.
PAGE_ROWS = 50

#: How many came where nobody looked.
NONE = Count(0, exact=True)


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


def live_context(services: Services, sought: Search) -> dict[str, object]:
    """The same of the newest page, for one that goes on from there: `place`, up to which it has
    all."""
    newest = NewestPage(services, sought)
    return {**page_context(sought, newest.refresh(None)), "place": newest.place}


def page_context(
    sought: Search, found: Page[RequestSummary], *, stands_still: bool = False
) -> dict[str, object]:
    """For _requests.html: `found`, which is there already."""
    rows = interleaved(((row.id, row) for row in found.items), found.gaps)
    return {
        "log_page": found,
        "log_rows": [(row, isinstance(row, Gap)) for row in rows],
        "search": sought,
        "stands_still": stands_still,
    }


def alarms_of_log(services: Services) -> list[words.Alarm]:
    return words.log_alarms(services.requests.stats(), services.requests.damaged())


def counted(services: Services, sought: Search) -> Count | None:
    """How many requests the search finds; None where nothing was asked for, or wrongly."""
    if sought.error is not None or not sought.line:
        return None
    return services.requests.count(sought.filter)


class NewestPage:
    """The newest page of a search, kept up to date by reading only what is new.

    `place`: up to which everything is known. `more`: how many requests came with the last look.
    Thread: one.
    """

    def __init__(self, services: Services, sought: Search, since: str | None = None) -> None:
        """`since`: the place up to which whoever watches knows everything already."""
        self._requests = services.requests
        self._filter = sought.filter
        self._page: Page[RequestSummary] | None = None
        self.place = since
        self.more = NONE

    def refresh(self, changed: set[str] | None) -> Page[RequestSummary]:
        """`changed`: ids of requests of which there is news; None: there may be of any."""
        before, self.place = self.place, self._requests.newest()
        self.more = self._came(before)
        if self._page is None or before is None or self._is_much(changed, before):
            self._page = self._anew()
            return self._page
        fresh = self._fresh(before)
        told = (self._news_of(r) if r.id in (changed or ()) else r for r in self._page.items)
        rows = (*fresh, *told)
        older = rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else self._page.next
        rows = rows[:PAGE_ROWS]
        gaps = (gap for gap in self._page.gaps if not older or _is_on(gap, rows))
        self._page = replace(self._page, items=rows, next=older, gaps=tuple(gaps))
        return self._page

    def _came(self, before: str | None) -> Count:
        if before is None or before == self.place:
            return NONE
        return self._requests.count(self._filter, after=before, upto=self.place)

    def _is_much(self, changed: set[str] | None, before: str) -> bool:
        """Whether a new look costs less than telling what is new, or finds what that would not:
        a request that was open may be one that is searched for, or one no more, once it ends."""
        if changed is None or not self.more.exact or self.more.rows > PAGE_ROWS:
            return True
        known = place_key(before)
        return self._filter != Filter() and any(place_key(id_) <= known for id_ in changed)

    def _fresh(self, before: str) -> tuple[RequestSummary, ...]:
        """What came, and nothing that came since we asked how far the log goes."""
        if not self.more.rows:
            return ()
        return self._requests.page(self._filter, limit=self.more.rows, after=before).items

    def _anew(self) -> Page[RequestSummary]:
        assert self.place is not None
        upto = just_after(self.place)
        page = self._requests.page(self._filter, limit=PAGE_ROWS, before=upto)
        if not self._filter.shows_gaps:
            return page
        # A gap may stand after all requests, or after those that came since we asked.
        later = self._requests.page(self._filter, limit=PAGE_ROWS, after=self.place)
        return replace(page, gaps=(*later.gaps, *page.gaps))

    def _news_of(self, row: RequestSummary) -> RequestSummary:
        try:
            return self._requests.get(row.id).summary
        except NotFound:  # dropped with its day
            return row


def _is_on(gap: Gap, rows: Sequence[RequestSummary]) -> bool:
    return bool(rows) and place_key(gap.after) >= place_key(rows[-1].id)
