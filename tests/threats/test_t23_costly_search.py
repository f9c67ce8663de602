"""T23: a search is text and never a program, and takes no longer than its time.

That a search of a long log ends in time, with what it has, is tested where the log is read.
"""

from __future__ import annotations

import threading
import time
from statistics import median

import pytest

from tests.app.soon import SOON_S
from tests.clients import ask
from tests.conftest import MakeServer
from tests.hostile import PAYLOADS
from tests.running import Api
from tests.threats.cost import cheap

PATTERNS = (
    *("(a+)+$", "(.*)*b", "^(a|a)*$", "a{1,65535}{1,65535}", "(?R)", "%", "_", "*", "[a-", "\\"),
    *("NEAR(a b)", "a AND b", 'a" OR 1=1 --', "a*" * 90, "%a" * 90, '"' * 199),
)


@pytest.fixture
def talked(api: Api, make_server: MakeServer) -> str:
    server = make_server()
    for said in (b"a" * 5000 + b"!", b"so (a+)+$ is written", b"nothing"):
        ask(server, said)
    api.finished(server["name"], 3)
    return str(server["name"])


def test_t23_pattern_is_text(api: Api, talked: str) -> None:
    (row,) = api.get("requests", server=talked, q='"(a+)+$"')["items"]
    assert row["preview"] == "so (a+)+$ is written"
    assert api.get("requests", server=talked, q='"%"')["items"] == []
    assert api.get("requests", server=talked, q='"a*!"')["items"] == []


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: ascii(pattern)[:30])
def test_t23_pattern_runs_nothing(api: Api, talked: str, pattern: str) -> None:
    quoted = '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'
    for line in (pattern, quoted, f"-{quoted}"):
        for path in ("requests", "requests/count"):
            with cheap():
                answer = api.call("GET", path, params={"q": line, "server": talked})
            assert answer.status_code in (200, 422), answer.text


def test_t23_corpus_is_searched_for(api: Api, talked: str) -> None:
    for payload in PAYLOADS:
        asked = {"q": payload.text[:2000], "server": talked}
        with cheap():
            answer = api.call("GET", "requests", params=asked)
        assert answer.status_code in (200, 422), payload.name


@pytest.mark.parametrize("line", ["a" * 50_000, "-a " * 5_000, '"' * 10_000, "size:>1 " * 2_000])
def test_t23_long_line_is_refused(api: Api, line: str) -> None:
    assert api.refused(422, "GET", "requests", params={"q": line})["field"] == "q"
    assert api.refused(422, "POST", "log/deletions", json={"q": line})["field"] == "q"


def test_t23_others_are_answered_meanwhile(api: Api, talked: str) -> None:
    over = threading.Event()

    def search() -> None:
        own = Api(api.url)
        while not over.is_set():
            own.call("GET", "requests/count", params={"q": '-"zzz" -"yyy" "a"'})
        own.close()

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert api.call("GET", "health").is_success
            took.append(time.monotonic() - began)
        assert median(took) < SOON_S
    finally:
        over.set()
        for thread in threads:
            thread.join()
