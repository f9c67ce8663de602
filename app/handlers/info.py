"""One handler that is offered: what it is called, which transports it serves, its options."""

from __future__ import annotations

import socketserver
import types
from collections.abc import Mapping
from dataclasses import dataclass, field

import sockcore
from app.domain import DATAGRAMS, STREAMS, TRANSPORTS, OptionValue, Transport
from app.handlers.options import OptionInfo, declared_options
from app.handlers.quote import as_text

BUILT_IN = "built-in"

_BASES = (sockcore.BaseRequestHandler, socketserver.BaseRequestHandler)
_STREAM_BASES = (sockcore.StreamRequestHandler, socketserver.StreamRequestHandler)
_DATAGRAM_BASES = (sockcore.DatagramRequestHandler, socketserver.DatagramRequestHandler)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerInfo:
    """`key` is how servers name it: `echo`, `greeter.py:Greeter`; of a broken file, its name.

    `error` is the traceback, or the sentence, saying why it cannot be used; None when it can.
    """

    key: str
    title: str  # first line of its docstring
    source: str  # "built-in", or the name of the file
    transports: tuple[Transport, ...] = ()
    options: tuple[OptionInfo, ...] = ()
    error: str | None = None
    handler: type | None = field(default=None, repr=False, compare=False)  # None of a broken one

    @property
    def broken(self) -> bool:
        return self.error is not None


def is_handler(candidate: object) -> bool:
    """A request handler class, the stdlib's or sockcore's, with a `handle` of its own, or a
    `handle_message`."""
    if not isinstance(candidate, type) or not issubclass(candidate, _BASES):
        return False
    if issubclass(candidate, sockcore.MessageRequestHandler):
        return candidate.handle_message is not sockcore.MessageRequestHandler.handle_message
    return all(getattr(candidate, "handle", None) is not base.handle for base in _BASES)


def served_by(handler: type) -> tuple[Transport, ...]:
    """The transports a class can serve; a plain `BaseRequestHandler` takes care of any, and
    messages come by any unless they are framed as datagrams."""
    if issubclass(handler, _STREAM_BASES):
        return STREAMS
    framing = getattr(handler, "framing", None)
    if issubclass(handler, _DATAGRAM_BASES) or isinstance(framing, sockcore.DatagramFraming):
        return DATAGRAMS
    return TRANSPORTS


def describe(key: str, source: str, handler: type) -> HandlerInfo:
    title = _title(handler)
    try:
        options = declared_options(handler)
    except ValueError as error:
        return HandlerInfo(key=key, title=title, source=source, error=str(error))
    return HandlerInfo(
        key=key,
        title=title,
        source=source,
        transports=served_by(handler),
        options=options,
        handler=handler,
    )


def _title(handler: type) -> str:
    lines = (handler.__doc__ or "").strip().splitlines()
    return as_text(lines[0].strip() if lines else handler.__name__)


def bind(info: HandlerInfo, options: Mapping[str, OptionValue]) -> type:
    """The class of a usable one; with options, a subclass that has them as class attributes."""
    handler = info.handler
    assert handler is not None, info.error
    if not options:
        return handler
    # Named and placed like its base, so that logs and tracebacks say what the user wrote.
    names = {
        **options,
        "__module__": handler.__module__,
        "__qualname__": handler.__qualname__,
        "__doc__": handler.__doc__,
    }
    return types.new_class(handler.__name__, (handler,), exec_body=lambda body: body.update(names))
