"""The OpenAPI models of bodies take what the service takes, and the document has no loose end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel

from app.api.definitions import LimitsBody, ServerChange, ServerDefinition, TlsBody
from app.services import definitions
from app.services.encryption import TLS_KEYS
from app.services.limits import LIMIT_KEYS
from tests.running import Api, definition


def test_every_reference_of_the_document_leads_somewhere(api: Api) -> None:
    document = api.get("openapi.json")
    schemas = document["components"]["schemas"]
    referred = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert referred >= {"ServerDefinition", "ServerChange", "Problem"}
    assert referred <= set(schemas)


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (ServerDefinition, definitions._KEYS),
        (ServerChange, definitions._KEYS),
        (LimitsBody, LIMIT_KEYS),
        (TlsBody, TLS_KEYS),
    ],
)
def test_the_document_names_the_keys_that_the_service_knows(
    model: type[BaseModel], keys: tuple[str, ...]
) -> None:
    assert set(model.model_fields) == set(keys)


@pytest.mark.parametrize("transport", ["tcp", "udp", "unix", "unix-datagram"])
def test_a_body_that_the_service_takes_fits_the_document(transport: str) -> None:
    body: dict[str, Any] = definition(
        transport, limits={"backlog": 5}, handler_options={"upper": True}
    )
    assert ServerDefinition.model_validate(body).transport == transport
