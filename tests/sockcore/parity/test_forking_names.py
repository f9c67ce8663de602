"""ForkingMixIn and its combinations, as a program sees them without a server."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

BASES = {
    "ForkingTCPServer": "TCPServer",
    "ForkingUDPServer": "UDPServer",
    "ForkingUnixStreamServer": "UnixStreamServer",
    "ForkingUnixDatagramServer": "UnixDatagramServer",
}

ATTRIBUTES = {
    "timeout": 300,
    "active_children": None,
    "max_children": 40,
    "block_on_close": True,
}

SIGNATURES = {
    "collect_children": "(self, *, blocking=False)",
    "handle_timeout": "(self)",
    "service_actions": "(self)",
    "process_request": "(self, request, client_address)",
    "server_close": "(self)",
}


@pytest.mark.parametrize("name", ["ForkingMixIn", *BASES])
def test_public_class_is_exported(api: Any, name: str) -> None:
    if "Unix" in name and api.__name__ == "socketserver" and sys.version_info < (3, 12):
        pytest.skip("the stdlib has it from 3.12 on")
    assert name in api.__all__
    assert getattr(api, name).__name__ == name


@pytest.mark.parametrize(("name", "base"), BASES.items())
def test_combination_has_the_mixin_first(api: Any, name: str, base: str) -> None:
    if not hasattr(api, name):
        pytest.skip("the stdlib has it from 3.12 on")
    assert getattr(api, name).__bases__ == (api.ForkingMixIn, getattr(api, base))


@pytest.mark.parametrize(("attribute", "default"), ATTRIBUTES.items())
def test_class_attribute_has_its_default(api: Any, attribute: str, default: object) -> None:
    for name in ("ForkingMixIn", "ForkingTCPServer", "ForkingUDPServer"):
        found = getattr(getattr(api, name), attribute)
        assert (found, type(found)) == (default, type(default))


@pytest.mark.parametrize(("method", "expected"), SIGNATURES.items())
def test_method_has_its_signature(api: Any, method: str, expected: str) -> None:
    signature = inspect.signature(getattr(api.ForkingMixIn, method))
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(plain)) == expected


def test_mixin_has_no_constructor_and_no_base(api: Any) -> None:
    assert api.ForkingMixIn.__init__ is object.__init__
    assert api.ForkingMixIn.__bases__ == (object,)
