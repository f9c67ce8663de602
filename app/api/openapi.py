"""What the framework does not say of the API by itself: the shapes of refusals and of bodies."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from app.api.definitions import (
    DeletionBody,
    DeletionConfirmation,
    RetentionChange,
    SelfSignedBody,
    ServerChange,
    ServerDefinition,
    StoredCertificateBody,
    TokenBody,
    UserBody,
    UserChange,
)
from app.api.problems import problems
from app.api.shapes import Problem

_TEMPLATE = "#/components/schemas/{model}"
#: What anybody may ask for.
_PUBLIC = ("/api/v1/health",)

_NEVER_SENT = ("HTTPValidationError", "ValidationError")


def complete(schema: dict[str, Any]) -> None:
    """Add the schemas that the routes refer to; take away the framework's own errors, for every
    refusal is a problem document."""
    described = schema["components"]["schemas"]
    _, ours = models_json_schema(
        [
            (Problem, "serialization"),
            (ServerDefinition, "validation"),
            (ServerChange, "validation"),
            (StoredCertificateBody, "validation"),
            (SelfSignedBody, "validation"),
            (RetentionChange, "validation"),
            (DeletionBody, "validation"),
            (DeletionConfirmation, "validation"),
            (UserBody, "validation"),
            (UserChange, "validation"),
            (TokenBody, "validation"),
        ],
        ref_template=_TEMPLATE,
    )
    described.update(ours["$defs"])
    for name in _NEVER_SENT:
        described.pop(name, None)
    schema["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "sockpit-session"},
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            _complete(path, operation)


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    if path not in _PUBLIC:
        operation["security"] = [{"token": []}, {"session": []}]
        for status, problem in problems(401, 403).items():
            responses.setdefault(str(status), problem)
