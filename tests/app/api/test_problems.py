"""Refusals and failures as answers: problem documents under /api, pages elsewhere."""

from __future__ import annotations

import json
import logging

import pytest

from app.api.problems import problem_response
from app.errors import (
    AppError,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unavailable,
)
from tests.running import Api, AppThread, Json, definition

PROBLEM = {"type", "title", "status", "code", "detail", "field", "errors"}


@pytest.mark.parametrize(
    ("kind", "status", "title"),
    [
        (NotFound, 404, "Not Found"),
        (Conflict, 409, "Conflict"),
        (Forbidden, 403, "Forbidden"),
        (Unavailable, 503, "Service Unavailable"),
        (TooLarge, 413, None),
        (AppError, 500, "Internal Server Error"),
    ],
)
def test_every_refusal_has_its_status(
    kind: type[AppError], status: int, title: str | None
) -> None:
    response = problem_response(kind("some_code", "A sentence.", "a.field"))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document = _json(response.body)
    assert set(document) == PROBLEM
    assert document["status"] == status
    assert title in (None, document["title"])
    field = {"code": "some_code", "detail": "A sentence.", "field": "a.field"}
    assert field.items() <= document.items()
    assert document["errors"] == [field]


def _json(body: bytes | memoryview) -> Json:
    return json.loads(bytes(body))


def test_refusal_without_a_field_has_no_field_errors() -> None:
    document = _json(problem_response(NotFound("gone", "It is gone.")).body)
    assert (document["field"], document["errors"]) == (None, [])


def test_all_wrong_fields_are_told_and_the_first_speaks() -> None:
    errors = (FieldError("one", "First.", "a"), FieldError("two", "Second.", "b"))
    document = _json(problem_response(Invalid(*errors)).body)
    assert (document["status"], document["code"], document["field"]) == (422, "one", "a")
    assert [error["code"] for error in document["errors"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "nothing/here", 404, "not_found"),
        ("GET", "", 404, "not_found"),
        ("PUT", "servers", 405, "method_not_allowed"),
        ("DELETE", "requests", 405, "method_not_allowed"),
        ("POST", "servers/a/b/c/d", 404, "not_found"),
    ],
)
def test_refusals_of_the_framework_are_problems_too(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    problem = api.refused(status, method, path)
    assert set(problem) == PROBLEM
    assert (problem["status"], problem["code"]) == (status, code)


def test_refused_method_tells_those_that_are_allowed(api: Api) -> None:
    response = api.call("PUT", "servers")
    assert response.headers["allow"]


def test_refusal_outside_of_the_api_is_a_page(api: Api) -> None:
    response = api.pages.get("/servers/nobody")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert "nobody" in response.text


def test_name_in_a_refusal_is_escaped(api: Api) -> None:
    hostile = "/servers/%3Cimg%20src=x%20onerror=alert(1)%3E"
    page = api.pages.get(hostile)
    assert page.status_code == 404
    assert "<img" not in page.text


def test_fault_of_ours_is_told_by_an_id_that_the_log_has(
    app_thread: AppThread,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(app_thread.sockpit.services.requests, "_stats", broken)
    with caplog.at_level(logging.ERROR, "app.errors"):
        problem = api.refused(500, "GET", "log/stats")
    assert problem["code"] == "internal_error"
    assert "secret" not in str(problem)
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]  # told once
    assert record.name == "app.errors"
    mark = problem["detail"].removesuffix(".").split()[-1]
    assert mark in record.getMessage()
    assert record.exc_info is not None
    assert "a secret detail" in str(record.exc_info[1])


def test_refusals_leave_the_app_working(api: Api) -> None:
    for _ in range(50):
        assert api.call("POST", "servers", content=b"{").status_code in (400, 415)
        assert api.call("POST", "servers", json=definition(name="NO")).status_code == 422
    assert api.get("health") == {"status": "ok"}
