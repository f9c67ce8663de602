"""T30: who visits is whoever is connected, unless a proxy that is trusted says otherwise."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from pydantic import ValidationError

from app.settings import Settings
from tests.conftest import LaunchApp
from tests.running import PASSWORD, AppThread, RunningApp
from tests.waiting import DEADLINE_S

STRANGER, PROXY = "127.0.0.1", "127.0.0.2"
VISITOR = "1.2.3.4"

#: What somebody says who wants to be another.
FORGED = {
    "X-Forwarded-For": VISITOR,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": VISITOR,
    "Forwarded": f"for={VISITOR};proto=https",
}

Caller = Callable[[str], httpx2.Client]


@pytest.fixture
def app(folder: Path) -> Iterator[AppThread]:
    """One that trusts the proxy."""
    with closing(AppThread(folder, trusted_proxies=(PROXY,))) as running:
        yield running


@pytest.fixture
def calling(app: AppThread) -> Iterator[Caller]:
    """Somebody who calls from an address of this machine, and says that it is another."""
    made: list[httpx2.Client] = []

    def call_from(address: str) -> httpx2.Client:
        made.append(caller(app.url, address))
        return made[-1]

    yield call_from
    for client in made:
        client.close()


def caller(url: str, address: str) -> httpx2.Client:
    transport = httpx2.HTTPTransport(local_address=address)
    return httpx2.Client(base_url=url, transport=transport, headers=FORGED, timeout=DEADLINE_S)


def log_in(client: httpx2.Client, password: str = PASSWORD, **headers: str) -> httpx2.Response:
    fields = {"name": "admin", "password": password}
    return client.post("/login", data=fields, headers=headers)


def addresses(app: AppThread | RunningApp) -> list[str]:
    return [session["address"] for session in app.api.get("sessions")["items"]]


def test_t30_a_stranger_is_seen_as_it_is(app: AppThread, calling: Caller) -> None:
    answer = log_in(calling(STRANGER))
    assert answer.status_code == 303
    assert addresses(app) == [STRANGER]
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("sockpit-session=")
    assert "secure" not in cookie


def test_t30_a_trusted_proxy_says_who_visits_and_how(app: AppThread, calling: Caller) -> None:
    answer = log_in(calling(PROXY))
    assert answer.status_code == 303
    assert addresses(app) == [VISITOR]
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-sockpit-session=")
    assert "secure" in cookie
    entry = app.api.get("audit")["items"][0]
    assert entry["address"] == VISITOR


def test_t30_failed_logins_count_for_the_peer(app: AppThread, calling: Caller) -> None:
    stranger = calling(STRANGER)
    for number in range(10):  # each as another
        assert log_in(stranger, "wrong", **{"X-Forwarded-For": f"1.2.3.{number}"}).is_error
    refused = log_in(stranger, **{"X-Forwarded-For": "5.6.7.8"})
    assert refused.status_code == 429
    assert log_in(calling(PROXY)).status_code == 303  # nobody else is


def test_t30_behind_the_proxy_they_count_for_the_visitor(app: AppThread, calling: Caller) -> None:
    proxy = calling(PROXY)
    for _ in range(10):
        assert log_in(proxy, "wrong").is_error
    assert log_in(proxy).status_code == 429
    assert log_in(proxy, **{"X-Forwarded-For": "5.6.7.8"}).status_code == 303


def test_t30_what_a_visitor_says_to_the_proxy_is_not_believed(
    app: AppThread, calling: Caller
) -> None:
    """The proxy adds the address it sees to what was said before."""
    said = f"{PROXY}, 9.9.9.9, {VISITOR}"
    assert log_in(calling(PROXY), **{"X-Forwarded-For": said}).status_code == 303
    assert addresses(app) == [VISITOR]


def test_t30_the_name_that_was_asked_for_is_no_proxy_s_to_say(calling: Caller) -> None:
    for address in (STRANGER, PROXY):
        answer = calling(address).get("/servers")
        assert answer.status_code == 303
        assert "evil.example" not in answer.headers["location"]
        assert calling(address).get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
def test_t30_no_variable_of_uvicorn_s_adds_to_them(
    trusted: str, launch: LaunchApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    app = launch({"TRUSTED_PROXIES": trusted}).start()
    with closing(caller(app.url, STRANGER)) as client:
        answer = log_in(client)
    assert answer.headers["set-cookie"].startswith("sockpit-session=")
    assert addresses(app) == [STRANGER]


def test_t30_a_network_of_proxies_is_trusted(launch: LaunchApp) -> None:
    app = launch({"TRUSTED_PROXIES": "::1, 127.0.0.2/31"}).start()
    for address in (STRANGER, "127.0.0.3"):
        with closing(caller(app.url, address)) as client:
            assert log_in(client).status_code == 303
    assert sorted(addresses(app)) == [VISITOR, STRANGER]


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("trusted", ["127.0.0.5", "127.0.0.4/31"])
def test_t30_a_proxy_is_known_by_its_ipv4_address_where_the_panel_has_both_kinds(
    trusted: str, launch: LaunchApp
) -> None:
    app = launch({"HOST": "::", "TRUSTED_PROXIES": trusted}).start()
    for address, cookie in ((STRANGER, "sockpit-session="), ("127.0.0.5", "__Host-")):
        with closing(caller(app.url, address)) as client:
            assert log_in(client).headers["set-cookie"].startswith(cookie)
    assert sorted(addresses(app)) == [VISITOR, STRANGER]
    entries = app.api.get("audit")["items"]
    assert [entry["address"] for entry in entries[:2]] == [VISITOR, STRANGER]


@pytest.mark.parametrize("value", ["*", "0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1/8", "1.2"])
def test_t30_all_and_what_is_no_address_cannot_be_trusted(value: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=(value,))
