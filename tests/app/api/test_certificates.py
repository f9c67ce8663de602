"""Certificates over REST: stored, made, listed, deleted; and their keys stay where they are."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.certificates import Certificates, Pair
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json

PATH = "certificates"


def text(pair: Pair, *more: Path) -> str:
    """Its key and certificate in one, as it would be pasted."""
    parts = (pair.private_key, pair.certificate, *more)
    return "".join(part.read_text(encoding="ascii") for part in parts)


@pytest.fixture
def stored(api: Api, name: str) -> Iterator[str]:
    """The name of a certificate that is deleted in the end, if it is there."""
    yield name
    assert api.call("DELETE", f"{PATH}/{name}").status_code in (204, 404)


def listed(api: Api, name: str) -> Json:
    (found,) = [c for c in api.get(PATH)["items"] if c["name"] == name]
    return found


def test_one_that_is_stored_is_listed_with_its_facts(
    api: Api, stored: str, certificates: Certificates
) -> None:
    pem = text(certificates.server, certificates.ca.certificate)
    answer = api.post(PATH, {"name": stored, "pem": pem})
    assert answer == listed(api, stored)
    until = datetime.fromisoformat(answer.pop("not_after"))
    assert timedelta(days=1) < until - datetime.now(UTC) < timedelta(days=2)
    assert answer == {
        "name": stored,
        "subject": "CN=localhost",
        "hosts": ["localhost", "inside.example", "127.0.0.1", "::1"],
        "expired": False,
        "self_signed": False,
        "has_key": True,
        "used_by": [],
        "error": None,
    }


def test_an_expired_one_says_so(api: Api, stored: str, certificates: Certificates) -> None:
    api.post(PATH, {"name": stored, "pem": text(certificates.expired)})
    assert listed(api, stored)["expired"] is True


def test_a_ca_without_its_key_can_be_stored(
    api: Api, stored: str, certificates: Certificates, make_server: MakeServer
) -> None:
    pem = certificates.ca.certificate.read_text(encoding="ascii")
    answer = api.post(PATH, {"name": stored, "pem": pem})
    assert (answer["has_key"], answer["self_signed"]) == (False, True)
    body = {"name": "x", "transport": "tcp", "handler": "echo", "tls": {"certificate": stored}}
    problem = api.refused(
        422, "POST", "servers", json={**body, "address": {"host": "127.0.0.1", "port": 0}}
    )
    assert (problem["code"], problem["field"]) == ("certificate_without_key", "tls.certificate")


def test_files_are_for_their_owner_alone(api: Api, app_thread: AppThread, stored: str) -> None:
    api.post(f"{PATH}/self-signed", {"name": stored, "hosts": ["localhost"]})
    folder = app_thread.data_dir / "tls"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"{stored}.pem").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_made_one_is_for_its_hosts(api: Api, stored: str) -> None:
    hosts = ["lab.example", "*.lab.example", "192.0.2.7", "::1"]
    made = api.post(f"{PATH}/self-signed", {"name": stored, "hosts": hosts})
    assert made["hosts"] == hosts
    facts = {key: made[key] for key in ("subject", "self_signed", "has_key", "expired")}
    assert facts == {
        "subject": "CN=lab.example",
        "self_signed": True,
        "has_key": True,
        "expired": False,
    }


def broken(certificates: Certificates) -> dict[str, str]:
    """What is refused, by the code it is refused with."""
    ours, theirs = text(certificates.server), text(certificates.stranger)
    certificate = certificates.server.certificate.read_text(encoding="ascii")
    key = certificates.server.private_key.read_text(encoding="ascii")
    return {
        "pem_without_certificate": key,
        "pem_key_mismatch": certificates.client.private_key.read_text(encoding="ascii")
        + certificate,
        "pem_with_many_keys": ours + theirs,
        "pem_encrypted": text(certificates.encrypted),
        "pem_key_unreadable": certificate + _spoiled(key),
    }


def _spoiled(key: str) -> str:
    first, *lines = key.splitlines(keepends=True)
    return "".join([first, lines[0].swapcase(), *lines[1:]])


CODES = [
    "pem_without_certificate",
    "pem_key_mismatch",
    "pem_with_many_keys",
    "pem_encrypted",
    "pem_key_unreadable",
]


@pytest.mark.parametrize("code", CODES)
def test_what_cannot_be_used_is_refused_with_its_reason(
    api: Api, name: str, certificates: Certificates, code: str
) -> None:
    before = api.get(PATH)
    pem = broken(certificates)[code]
    problem = api.refused(422, "POST", PATH, json={"name": name, "pem": pem})
    assert (problem["code"], problem["field"]) == (code, "pem")
    assert problem["detail"].endswith(".")
    assert api.get(PATH) == before


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("", {"pem": "x"}, "missing_field", "name"),
        ("", {"name": "ok"}, "missing_field", "pem"),
        ("", {"name": "ok", "pem": 5}, "wrong_type", "pem"),
        ("", {"name": "../x", "pem": "x"}, "name_malformed", "name"),
        ("", {"name": "Upper", "pem": "x"}, "name_malformed", "name"),
        ("", {"name": "ok", "pem": "x", "key": "x"}, "unknown_field", "key"),
        ("", {"name": "ok", "pem": "你好"}, "pem_without_certificate", "pem"),
        ("/self-signed", {"name": "ok"}, "missing_field", "hosts"),
        ("/self-signed", {"name": "ok", "hosts": []}, "limit_range", "hosts"),
        ("/self-signed", {"name": "ok", "hosts": "a"}, "wrong_type", "hosts"),
        ("/self-signed", {"name": "ok", "hosts": [1]}, "wrong_type", "hosts"),
        ("/self-signed", {"name": "ok", "hosts": ["a b"]}, "host_malformed", "hosts"),
        ("/self-signed", {"name": "ok", "hosts": ["ä.example"]}, "host_malformed", "hosts"),
        ("/self-signed", {"name": "ok", "hosts": ["a" * 300]}, "host_malformed", "hosts"),
    ],
)
def test_a_wrong_field_is_named(api: Api, path: str, body: Json, code: str, field: str) -> None:
    problem = api.refused(422, "POST", f"{PATH}{path}", json=body)
    assert (problem["code"], problem["field"]) == (code, field)


def test_a_name_is_taken_once_and_the_first_one_stays(api: Api, stored: str) -> None:
    body = {"name": stored, "hosts": ["first.example"]}
    api.post(f"{PATH}/self-signed", body)
    problem = api.refused(
        409, "POST", f"{PATH}/self-signed", json={**body, "hosts": ["second.example"]}
    )
    assert (problem["code"], problem["field"]) == ("name_taken", "name")
    assert listed(api, stored)["hosts"] == ["first.example"]


def test_one_in_use_is_kept(api: Api, stored: str, make_server: MakeServer) -> None:
    api.post(f"{PATH}/self-signed", {"name": stored, "hosts": ["localhost"]})
    server = make_server(tls={"certificate": stored}, wanted="stopped")
    assert listed(api, stored)["used_by"] == [server["name"]]
    problem = api.refused(409, "DELETE", f"{PATH}/{stored}")
    assert problem["code"] == "certificate_in_use"
    assert server["name"] in problem["detail"]
    api.patch(f"servers/{server['name']}", {"tls": None})
    api.delete(f"{PATH}/{stored}")
    assert api.refused(404, "DELETE", f"{PATH}/{stored}")["code"] == "certificate_not_found"


@pytest.mark.parametrize("name", ["nobodys", "..%2Fcontrol", "%2e%2e", "Upper"])
def test_deleting_what_is_not_there_says_so(api: Api, name: str) -> None:
    assert api.refused(404, "DELETE", f"{PATH}/{name}")["status"] == 404


def test_a_file_that_is_spoiled_is_listed_and_starts_nothing(
    api: Api, app_thread: AppThread, stored: str, make_server: MakeServer
) -> None:
    api.post(f"{PATH}/self-signed", {"name": stored, "hosts": ["localhost"]})
    server = make_server(tls={"certificate": stored}, wanted="stopped")
    (app_thread.data_dir / "tls" / f"{stored}.pem").write_text("spoiled")
    found = listed(api, stored)
    assert found["subject"] is found["not_after"] is None
    assert f"{stored}.pem" in found["error"]
    problem = api.refused(422, "POST", f"servers/{server['name']}/start")
    assert (problem["code"], problem["field"]) == ("certificate_unusable", "tls.certificate")
    assert api.get(f"servers/{server['name']}")["state"] == "failed"


def test_no_key_leaves_by_any_answer_page_or_log(
    api: Api,
    app_thread: AppThread,
    stored: str,
    certificates: Certificates,
    make_server: MakeServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    secret = certificates.server.private_key.read_text(encoding="ascii").splitlines()[1]
    answers = [
        api.call("POST", PATH, json={"name": stored, "pem": text(certificates.server)}),
        *(api.call("POST", PATH, json={"name": stored, "pem": text(certificates.server)}),),
        *(
            api.call("POST", PATH, json={"name": "Bad", "pem": pem})
            for pem in broken(certificates).values()
        ),
        api.pages.post("/certificates", data={"name": "Bad", "pem": text(certificates.server)}),
        api.call("GET", PATH),
    ]
    make_server(name=f"{stored}-s", tls={"certificate": stored})
    answers += [
        api.pages.get(path)
        for path in (
            *("/certificates", "/new", f"/servers/{stored}-s", f"/servers/{stored}-s/edit"),
            *(f"/api/v1/servers/{stored}-s", "/api/v1/servers", f"/certificates/{stored}/delete"),
        )
    ]
    assert {answer.status_code for answer in answers} == {200, 201, 409, 422}
    told = "".join(answer.text for answer in answers) + caplog.text
    assert secret not in told
    assert "PRIVATE KEY-----\n" not in told
    api.delete(f"servers/{stored}-s")
