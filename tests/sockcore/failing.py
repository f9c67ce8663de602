"""Servers and handlers that fail where a test says, and what ran of them.

Does not know what a failure leads to: the tests claim that.
"""

from __future__ import annotations

from typing import Any, NoReturn

from tests.sockcore.serving import Trace, traced, traced_handler

#: For each step of a handler that may fail, the steps that run then.
STEPS = {
    "setup": ["setup"],
    "handle": ["setup", "handle", "finish"],
    "finish": ["setup", "handle", "finish"],
}


class Failure(Exception):
    """What a test's hook raises."""


class OtherFailure(Exception):
    """What it raises next."""


def server_with_one_request(api: Any, trace: Trace, handler: Any, *mixins: str) -> Any:
    """A traced server with one request to get, that tells no one of errors."""
    bases = (*(getattr(api, mixin) for mixin in mixins), api.BaseServer)
    server = traced(type("Server", bases, {}), trace)("nowhere", handler)
    server.get_request = lambda: ("request", "client")
    server.handle_error = lambda request, address: trace.note("handle_error")
    return server


def failing(api: Any, trace: Trace, step: str, failure: type[BaseException]) -> Any:
    """A traced handler whose `step` raises."""
    base = traced_handler(api.BaseRequestHandler, trace)

    def fail(self: object) -> NoReturn:
        trace.note(step)
        raise failure

    return type("Failing", (base,), {step: fail})
