"""What the framework does not say of the API by itself: the shapes of refusals and of bodies."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from app.api.definitions import (
    RetentionChange,
    SelfSignedBody,
    ServerChange,
    ServerDefinition,
    StoredCertificateBody,
)
from app.api.shapes import Problem

_TEMPLATE = "#/components/schemas/{model}"
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
        ],
        ref_template=_TEMPLATE,
    )
    described.update(ours["$defs"])
    for name in _NEVER_SENT:
        described.pop(name, None)
    for operations in schema["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
