"""What tests of the REST API share. Does not know what they claim."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Api


@pytest.fixture
def unchanged(api: Api) -> Iterator[None]:
    """The servers and their states are the same before and after the test."""
    before = api.get("servers")
    yield
    assert api.get("servers") == before
