"""The two modules every parity test runs over: the stdlib's, as the referee, and ours.

Belongs here: the choice of the module, and the check that each test cleans up.
Does not belong here: any claim; those are in the test modules, one a noun.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

MODULES = {"stdlib": "socketserver", "sockcore": "sockcore"}


@pytest.fixture(params=MODULES)
def api(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(MODULES[request.param])


@pytest.fixture(autouse=True)
def _cleans_up(leaves_nothing: None) -> None:
    """Every parity test closes what it opens and ends its threads."""
