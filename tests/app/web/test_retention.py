"""The page of what is kept: how much there is, the rules, and a day that is deleted."""

from __future__ import annotations

import re

import pytest

from app.settings import Settings
from tests.app.web.conftest import Panel, told

PAGE = "/requests/retention"


def rules(panel: Panel) -> tuple[int, int]:
    found = panel.http.get("/api/v1/log/retention").json()
    return found["max_age_days"], found["max_bytes"]


def logged(panel: Panel) -> str:
    """The day of one request that is in the log."""
    panel.define("echo")
    return panel.talk("echo", b"hello").partition("-")[0]


def test_the_log_leads_to_it(panel: Panel) -> None:
    assert f'href="{PAGE}">What is kept</a>' in panel.html("/requests")


def test_an_empty_log(panel: Panel) -> None:
    html = panel.html(PAGE)
    assert "no requests yet" in html
    assert "No day has requests yet." in html
    assert "not reached soon" in html
    assert re.search(r'<progress max="10000000000" value="0"', html)


def test_what_there_is(panel: Panel) -> None:
    day = logged(panel)
    html = panel.html(PAGE)
    name = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    assert f', since <span class="whole">{name}</span>' in html
    row = re.search(rf'<tr id="day-{day}">.*?</tr>', html, re.S)
    assert row
    assert name in row[0]
    assert "<span>1</span>" in row[0]
    assert f'href="{PAGE}/{day}/delete"' in row[0]
    assert "style=" not in html


def test_rules_are_changed_and_what_was_not_touched_stays(panel: Panel) -> None:
    assert 'value="10000"' in panel.html(PAGE)
    answer = panel.post(PAGE, max_age_days="7", max_megabytes="10000")
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert rules(panel) == (7, 10_000_000_000)
    panel.post(PAGE, max_age_days=" 0 ", max_megabytes="500")
    assert rules(panel) == (0, 500_000_000)
    html = panel.html(PAGE)
    assert "were saved" in html
    assert 'value="500"' in html
    panel.post(PAGE, max_age_days="0", max_megabytes="0")
    assert "There is no limit of its size." in panel.html(PAGE)
    assert "<progress" not in panel.html(PAGE)


@pytest.mark.parametrize(
    ("days", "megabytes", "name", "words"),
    [
        ("-1", "500", "max_age_days", "whole number from 0"),
        ("soon", "500", "max_age_days", "whole number"),
        ("1.5", "500", "max_age_days", "whole number"),
        ("7", "3", "max_megabytes", "68 MB"),
        ("7", "", "max_megabytes", "number of MB"),
        ("7", "nan", "max_megabytes", "number of MB"),
        ("7", "inf", "max_megabytes", "number of MB"),
        ("7", "1e99", "max_megabytes", "68 MB"),
        ("7", "<b>", "max_megabytes", "number of MB"),
    ],
)
def test_what_is_wrong_is_told_beside_the_field(
    panel: Panel, days: str, megabytes: str, name: str, words: str
) -> None:
    answer = panel.post(PAGE, max_age_days=days, max_megabytes=megabytes)
    assert answer.status_code == 422
    assert words in told(answer.text, name)
    assert "<b>" not in answer.text
    assert f'value="{days}"' in answer.text
    assert rules(panel) == (30, 10_000_000_000)


def test_a_day_is_deleted_once_it_is_typed(panel: Panel) -> None:
    day = logged(panel)
    name = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    where = f"{PAGE}/{day}/delete"
    html = panel.html(where)
    assert "1 request goes" in html
    assert f"type {name}" in html
    for typed in ("", "yes", "2026-01-01"):
        answer = panel.post(where, typed=typed)
        assert answer.status_code == 422
        assert "Nothing was deleted" in told(answer.text, "typed")
    assert panel.requests("echo")
    answer = panel.post(where, typed=name)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert f"The log of {name} was deleted." in panel.html(PAGE)
    assert panel.requests("echo") == []
    panel.html(where, 404)
    assert panel.post(where, typed=day).status_code == 404


def test_what_is_no_day_has_no_page(panel: Panel) -> None:
    assert "no day" in panel.html(f"{PAGE}/20260101/delete", 404)
    panel.html(f"{PAGE}/..%2Fcontrol/delete", 404)


def test_a_damaged_file_rings_until_it_is_acknowledged(panel: Panel, settings: Settings) -> None:
    folder = settings.data_dir / "requests"
    folder.mkdir(exist_ok=True)
    (folder / "20260314.sqlite3").write_bytes(b"no database at all " * 100)
    panel.html(PAGE)
    (moved,) = (folder / "damaged").glob("*.sqlite3")
    for path in ("/servers", "/requests", PAGE):
        html = panel.html(path)
        assert 'data-tone="bad"' in html
        assert "A day of the request log was damaged." in html
        assert f"sqlite3 {moved.name} &#34;.recover&#34;" in html
    where = f"{PAGE}/damaged/{moved.name}/acknowledge"
    assert f'action="{where}"' in html
    assert panel.post(where).headers["Location"] == f"{PAGE}#damaged"
    html = panel.html(PAGE)
    assert "was damaged" not in html + panel.html("/servers") + panel.html("/requests")
    assert "acknowledged" in html
    moved.unlink()
    assert "Damaged files" not in panel.html(PAGE)
    assert panel.post(where).status_code == 404
