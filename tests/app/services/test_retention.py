"""Retention: what goes and what stays, by age and by size, at once and by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain import RetentionRules
from app.errors import Invalid, NotFound
from app.services.retention import LEAST_BYTES, Retention
from app.store.database import FILE_NAME, Database
from app.store.day_files import DayFiles
from app.store.retention import RetentionTable
from app.who import SOCKPIT, Act
from tests.acts import ACT, ignore
from tests.app.store.samples import DAY_US, NOON_US, finished
from tests.waiting import equal, eventually

NOON = NOON_US / 1_000_000  # of 2026-03-14
DAY = 86_400.0
PAYLOAD = bytes(range(256)) * 64


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DayFiles]:
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[RetentionTable]:
    with closing(Database(tmp_path / FILE_NAME)) as database:
        yield RetentionTable(database)


@pytest.fixture
def noted() -> list[Act]:
    return []


@pytest.fixture
def retention(store: DayFiles, rules: RetentionTable, noted: list[Act]) -> Iterator[Retention]:
    """At noon of 2026-03-18, the fifth day of the log."""
    made = Retention(rules, store, noted.append, lambda: NOON + 4 * DAY)
    yield made
    made.stop(20)


def fill(store: DayFiles, days: int = 5, rows: int = 20) -> None:
    for day in range(days):
        start = NOON_US + day * DAY_US
        store.append([finished(100 * day + n, PAYLOAD, started_us=start + n) for n in range(rows)])


def names(store: DayFiles) -> list[str]:
    return [day.day for day in store.days()]


def test_thirty_days_and_ten_gib_are_the_rules_of_a_new_database(
    rules: RetentionTable, retention: Retention
) -> None:
    assert rules.get() == RetentionRules(30, 10_000_000_000)
    assert retention.kept().rules == rules.get()


def test_a_day_goes_when_all_of_it_is_older(
    store: DayFiles, rules: RetentionTable, retention: Retention
) -> None:
    fill(store)
    rules.put(RetentionRules(max_age_days=4, max_bytes=0), ACT)
    retention.hold()
    assert names(store)[-1] == "20260314", "its last hour is not older than four days"
    rules.put(RetentionRules(max_age_days=3, max_bytes=0), ACT)
    retention.hold()
    assert names(store)[-1] == "20260315"
    rules.put(RetentionRules(max_age_days=0, max_bytes=0), ACT)
    retention.hold()
    assert len(names(store)) == 4


def test_the_newest_day_stays_however_old_it_is(store: DayFiles, rules: RetentionTable) -> None:
    fill(store)
    rules.put(RetentionRules(max_age_days=1, max_bytes=0), ACT)
    Retention(rules, store, ignore, lambda: NOON + 1_000 * DAY).hold()
    assert names(store) == ["20260318"]
    assert store.rows("20260318") == 20


def test_the_oldest_days_go_until_the_rest_is_under_the_limit(
    store: DayFiles, rules: RetentionTable, retention: Retention, noted: list[Act]
) -> None:
    fill(store)
    sizes = [day.bytes for day in store.days()]
    rules.put(RetentionRules(0, sum(sizes)), ACT)
    retention.hold()
    assert len(names(store)) == 5
    rules.put(RetentionRules(0, sum(sizes[:3]) + 1), ACT)
    retention.hold()
    assert names(store) == ["20260318", "20260317", "20260316"]
    told = [(act.what, act.target, act.before) for act in noted]
    assert told == [
        ("log.delete_day", "20260314", {"rows": 20, "bytes": sizes[4]}),
        ("log.delete_day", "20260315", {"rows": 20, "bytes": sizes[3]}),
    ]


def test_of_the_newest_day_alone_the_oldest_rows_go(
    store: DayFiles, rules: RetentionTable, retention: Retention, noted: list[Act]
) -> None:
    fill(store, days=2, rows=100)
    (newest, _) = store.days()
    rules.put(RetentionRules(0, newest.bytes // 2), ACT)
    retention.hold()
    (held,) = store.days()
    assert (held.day, held.bytes <= newest.bytes // 2) == ("20260315", True)
    page = store.query(limit=100)
    assert page.items[0].id == "20260315-200"
    assert 20 < len(page.items) < 60
    store.append([finished(n, PAYLOAD, started_us=NOON_US + DAY_US) for n in range(300, 400)])
    retention.hold()
    (trimmed,) = (act for act in noted if act.what == "log.trim_day")  # once for a day
    assert (trimmed.target, trimmed.after) == ("20260315", {"max_bytes": newest.bytes // 2})


def test_the_thread_looks_at_once_and_after_each_change(
    store: DayFiles, rules: RetentionTable, retention: Retention
) -> None:
    fill(store)
    rules.put(RetentionRules(max_age_days=3, max_bytes=0), ACT)
    retention.start()
    equal(lambda: len(names(store)), 4)
    assert retention.change({"max_age_days": 1}, SOCKPIT) == RetentionRules(1, 0)
    equal(lambda: names(store), ["20260318", "20260317"])
    assert rules.get() == RetentionRules(1, 0)


def test_a_failure_is_told_and_tried_again(
    store: DayFiles,
    rules: RetentionTable,
    retention: Retention,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fill(store)
    rules.put(RetentionRules(max_age_days=1, max_bytes=0), ACT)

    def failing(_day: str) -> bool:
        raise OSError("read-only file system")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "app.retention"):
        patch.setattr(store, "drop", failing)
        retention.start()
        eventually(lambda: "cannot be kept within its limits" in caplog.text)
    retention.change({}, SOCKPIT)
    equal(lambda: len(names(store)), 2)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"max_age_days": -1}, "max_age_days", "limit_range"),
        ({"max_age_days": 1.5}, "max_age_days", "wrong_type"),
        ({"max_age_days": None}, "max_age_days", "wrong_type"),
        ({"max_bytes": LEAST_BYTES - 1}, "max_bytes", "limit_range"),
        ({"max_bytes": 2**60}, "max_bytes", "limit_range"),
        ({"max_bytes": True}, "max_bytes", "wrong_type"),
        ({"max_rows": 5}, "max_rows", "unknown_field"),
    ],
)
def test_a_wrong_rule_is_refused_and_nothing_changes(
    retention: Retention, body: dict[str, object], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        retention.change(body, SOCKPIT)
    assert [(error.field, error.code) for error in refused.value.fields] == [(field, code)]
    assert retention.kept().rules == RetentionRules()


def test_every_wrong_rule_is_told(retention: Retention) -> None:
    with pytest.raises(Invalid) as refused:
        retention.change({"max_age_days": "x", "max_bytes": 5}, SOCKPIT)
    assert len(refused.value.fields) == 2
    assert retention.change({"max_age_days": 0, "max_bytes": 0}, SOCKPIT) == RetentionRules(0, 0)
    assert retention.change({"max_bytes": LEAST_BYTES}, SOCKPIT) == RetentionRules(0, LEAST_BYTES)


def test_what_is_held_and_for_how_long_it_can_go_on(
    store: DayFiles, rules: RetentionTable, retention: Retention
) -> None:
    assert (retention.kept().bytes, retention.kept().oldest_us) == (0, None)
    fill(store)
    sizes = [day.bytes for day in store.days()]
    # At noon: all of today and half of yesterday.
    rate = sizes[0] + sizes[1] // 2
    rules.put(RetentionRules(0, sum(sizes) + 10 * rate), ACT)
    kept = retention.kept()
    assert (kept.bytes, kept.oldest_us, kept.bytes_per_day) == (sum(sizes), NOON_US, rate)
    assert kept.days_left == pytest.approx(10)
    rules.put(RetentionRules(0, sum(sizes) + 1_000 * rate), ACT)
    assert retention.kept().days_left is None, "not soon"
    rules.put(RetentionRules(3, sum(sizes) + 10 * rate), ACT)
    assert retention.kept().days_left is None, "they grow too old before"
    rules.put(RetentionRules(0, 0), ACT)
    assert retention.kept().days_left is None, "there is no limit"
    rules.put(RetentionRules(0, sum(sizes) // 2), ACT)
    assert retention.kept().days_left == 0


def test_days_are_listed_looked_up_and_deleted(store: DayFiles, retention: Retention) -> None:
    fill(store)
    assert [(day.day, day.rows) for day in retention.days()][-1] == ("20260314", 20)
    assert retention.day("20260315").rows == 20
    retention.drop("20260315", SOCKPIT)
    for ask in (retention.day, lambda day: retention.drop(day, SOCKPIT)):
        with pytest.raises(NotFound, match="20260315") as refused:
            ask("20260315")
        assert refused.value.code == "day_not_found"


def test_today_is_the_day_in_utc(store: DayFiles, rules: RetentionTable) -> None:
    fill(store, days=2)
    rules.put(RetentionRules(max_age_days=1, max_bytes=0), ACT)
    midnight = datetime(2026, 3, 16, tzinfo=UTC).timestamp()
    Retention(rules, store, ignore, lambda: midnight - 1).hold()
    assert len(names(store)) == 2
    Retention(rules, store, ignore, lambda: midnight).hold()
    assert names(store) == ["20260315"]
