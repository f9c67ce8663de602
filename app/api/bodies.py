"""Request bodies: one JSON object, or a refusal that says what it was instead."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Depends, Request

from app.errors import AppError, FieldError, Invalid


class BadJson(AppError):
    status = 400


class NotJson(AppError):
    status = 415


async def _json_object(request: Request) -> dict[str, object]:
    """Raises: NotJson, BadJson; Invalid when it is JSON but no object."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise NotJson("not_json", "The body must be JSON: send Content-Type: application/json.")
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise BadJson("invalid_json", f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise Invalid(FieldError("wrong_type", "The body must be a JSON object.", "body"))
    return body


JsonObject = Annotated[dict[str, object], Depends(_json_object)]
