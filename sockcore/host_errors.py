"""Why a host process could not start, on its way from there to here. Knows errors as values."""

from __future__ import annotations

import socket

from sockcore import errors
from sockcore.errors import SockcoreError
from sockcore.wire import Message

__all__ = ["failure", "raised", "sentence"]

#: What is raised here as it was there: made of one text, and meant for whoever starts a server.
#: Anything else is put in words.
_ALIKE: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(AttributeError, ImportError, ModuleNotFoundError, NotImplementedError, OverflowError),
        *(RuntimeError, TypeError, ValueError),
        *(getattr(errors, name) for name in errors.__all__),
    )
}
_OS_ERRORS: dict[str, type[OSError]] = {"gaierror": socket.gaierror}


def sentence(error: BaseException) -> str:
    """The error in words, with its kind where that says something."""
    text = str(error)
    if isinstance(error, SockcoreError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def failure(error: Exception) -> Message:
    """As the child says it."""
    kind = type(error).__name__
    if isinstance(error, OSError) and isinstance(error.errno, int):
        filename = error.filename if isinstance(error.filename, str | bytes) else None
        return ("failed", kind, str(error), (error.errno, error.strerror, filename))
    return ("failed", kind, str(error), None)


def raised(kind: str, text: str, system: tuple[int, str, str | None] | None) -> Exception:
    """The error that failure() told of."""
    if system is not None:
        errno, strerror, filename = system
        known = _OS_ERRORS.get(kind, OSError)
        return known(errno, strerror) if filename is None else known(errno, strerror, filename)
    if kind in _ALIKE:
        return _ALIKE[kind](text)
    return SockcoreError(f"{kind}: {text}" if text else kind)
