"""The page of the audit: who did what, what changed by it, and the way to older acts."""

from __future__ import annotations

import re

from app.settings import Settings
from app.store.audit import note
from app.store.database import FILE_NAME, Database
from app.who import SOCKPIT, Act
from tests.app.web.conftest import Panel

SHOWN = 50


def acts(html: str) -> list[int]:
    """The numbers of those that are on a page."""
    return [int(number) for number in re.findall(r'<tr id="act-(\d+)">', html)]


def row(html: str, number: int) -> str:
    found = re.search(rf'<tr id="act-{number}">.*?</tr>', html, re.S)
    assert found
    return found[0]


def fill(settings: Settings, count: int) -> None:
    """Add as many, in one transaction."""
    database = Database(settings.data_dir / FILE_NAME)
    with database.writing() as session:
        for number in range(count):
            note(session, Act(by=SOCKPIT, what="server.start", target=f"many-{number}"))
    database.close()


def test_who_did_what_from_where(panel: Panel) -> None:
    panel.define("echo", running=False)
    panel.http.patch("/api/v1/servers/echo", json={"limits": {"idle_timeout_s": 7}})
    html = panel.html("/audit")
    assert acts(html) == [4, 3, 2, 1]
    newest = row(html, 4)
    for shown in ("admin", "user · testclient", "server.change", "echo", "limits", " → "):
        assert shown in newest
    assert "&#34;idle_timeout_s&#34;: 7" in newest
    first = row(html, 1)
    for shown in ("sockpit", "machine", "user.create", "admin", "role"):
        assert shown in first
    assert "·" not in first, "it came from no address"
    assert "—" in row(html, 2), "a login changes nothing"
    assert 'href="/audit" aria-current="page"' in html
    assert 'href="/api/v1/audit/export" download' in html


def test_what_others_named_is_shown_as_text(panel: Panel) -> None:
    panel.http.post("/api/v1/tokens", json={"name": "<img src=x>", "role": "viewer"})
    html = panel.html("/audit")
    assert "&lt;img src=x&gt;" in html
    assert "<img" not in html


def test_a_page_that_has_all_leads_nowhere(panel: Panel, settings: Settings) -> None:
    fill(settings, SHOWN - 2)
    html = panel.html("/audit")
    assert acts(html) == list(range(SHOWN, 0, -1))
    assert "Pages of the audit" not in html


def test_older_acts_follow_page_by_page(panel: Panel, settings: Settings) -> None:
    fill(settings, 2 * SHOWN)
    seen, html, pages = [], panel.html("/audit"), 1
    assert ">Newest<" not in html
    while True:
        seen += acts(html)
        older = re.search(r'href="(/audit\?before=\d+)"', html)
        if older is None:
            break
        html, pages = panel.html(older[1]), pages + 1
        assert 'href="/audit">Newest</a>' in html
    assert seen == list(range(2 * SHOWN + 2, 0, -1))
    assert pages == 3


def test_before_the_first_there_is_nothing(panel: Panel) -> None:
    html = panel.html("/audit?before=1")
    assert "There is nothing older." in html
    assert acts(html) == []
    assert 'href="/audit">Newest</a>' in html


def test_what_is_no_number_is_refused(panel: Panel) -> None:
    for wrong in ("0", "-1", "x", str(2**63)):
        panel.html(f"/audit?before={wrong}", 422)
