"""Problem documents (RFC 9457): the one shape of every error of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import Response

from app.api.shapes import FieldProblem, Problem
from app.errors import AppError


class ProblemResponse(Response):
    media_type = "application/problem+json"


def problem_response(error: AppError) -> ProblemResponse:
    document = Problem(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        detail=error.detail,
        field=error.field,
        errors=[FieldProblem(code=e.code, detail=e.detail, field=e.field) for e in error.fields],
    )
    return ProblemResponse(document.model_dump_json(), status_code=error.status)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of the errors that a route may answer."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status in statuses
    }
