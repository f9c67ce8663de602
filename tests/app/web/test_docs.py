"""The page of the API: all operations are on it, and the bodies that it gives as examples do."""

from __future__ import annotations

import re
import shlex
from typing import Any

from app.web.described import Field, operations, shapes
from tests.app.web.conftest import Panel


def described(panel: Panel) -> Any:
    return panel.http.get("/openapi.json").json()


def test_every_operation_and_every_shape_is_on_the_page(panel: Panel) -> None:
    document, page = described(panel), panel.html("/docs")
    ids = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert len(ids) > 40
    for id_ in ids:
        assert page.count(f'id="{id_}"') == 1
    for name in document["components"]["schemas"]:
        assert page.count(f'id="shape-{name}"') == 1
    leads = set(re.findall(r'href="#([^"]+)"', page))
    assert leads <= set(re.findall(r'id="([^"]+)"', page))


def test_a_field_is_told_with_its_type_and_its_limits(panel: Panel) -> None:
    document = described(panel)
    (create,) = (o for o in operations(document)["servers"] if o.id == "createServer")
    assert create.body is not None
    fields = {field.name: field for field in create.body.fields}
    assert written(fields["name"]) == "string"
    assert fields["name"].required
    assert "matches `^[a-z0-9]" in fields["name"].words
    assert written(fields["address"]) == "InetAddressBody or UnixAddressBody"
    assert fields["concurrency"].words.endswith('default `"pool"`')
    limits = {s.name: s for s in shapes(document)}["UserBody"].fields
    (password,) = (field for field in limits if field.name == "password")
    assert password.words == "at least 10 characters; at most 256 characters"


def written(field: Field) -> str:
    return "".join(part.text for part in field.type)


def test_an_example_is_a_command_that_works(panel: Panel) -> None:
    document = described(panel)
    found = {o.id: o for group in operations(document).values() for o in group}
    for id_ in ("createServer", "createUser", "createToken", "planDeletion", "updateRetention"):
        words = shlex.split(found[id_].curl("http://127.0.0.1").replace("\\\n", " "))
        assert "Authorization: Bearer TOKEN" in words
        answer = panel.http.request(
            words[words.index("-X") + 1],
            words[words.index("-X") + 2],
            content=words[words.index("-d") + 1],
            headers={"Content-Type": "application/json"},
        )
        assert answer.is_success, (id_, answer.text)
    assert "Bearer" not in found["getHealth"].curl("http://127.0.0.1")


def test_the_rail_and_the_tokens_lead_to_it(panel: Panel) -> None:
    assert 'href="/docs" aria-current="page"' in panel.html("/docs")
    assert 'the <a href="/docs">API</a>' in panel.html("/tokens")
