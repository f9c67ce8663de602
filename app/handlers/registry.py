"""Every handler a server may name: the ready-made ones and the user's own.

A key from a request is looked up here and nowhere else: it is never imported, never evaluated.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from app.domain import OptionValue, Transport
from app.errors import FieldError, Invalid
from app.handlers.clock import Clock
from app.handlers.discard import Discard
from app.handlers.echo import Echo
from app.handlers.found import HandlerFile, broken_entry, forget, handler_files, load
from app.handlers.info import BUILT_IN, bind, describe
from app.handlers.info import HandlerInfo as HandlerInfo
from app.handlers.options import OptionInfo as OptionInfo
from app.handlers.options import read_options
from app.handlers.quote import quoted

log = logging.getLogger("app.handlers")

HANDLERS: tuple[HandlerInfo, ...] = (
    describe("clock", BUILT_IN, Clock),
    describe("discard", BUILT_IN, Discard),
    describe("echo", BUILT_IN, Echo),
)

#: Seconds one file may take to import. Heavy libraries take a few; a server never ends.
IMPORT_DEADLINE_S = 10.0


class HandlerRegistry:
    """The handlers there are, as of the last look into the folder.

    `only` names one file of the folder: the others are left alone.

    Thread: any. Readers take a snapshot and never wait for an import.
    """

    def __init__(
        self,
        handlers_dir: Path,
        *,
        only: str | None = None,
        import_deadline_s: float = IMPORT_DEADLINE_S,
    ) -> None:
        self.folder = handlers_dir.absolute()
        self._only = only
        self._import_deadline_s = import_deadline_s
        self._lock = threading.Lock()  # guards _files, and lets one rescan run at a time
        self._files: dict[str, HandlerFile] = {}
        self._entries: Mapping[str, HandlerInfo] = {}  # swapped whole, never changed
        self.rescan()

    def entries(self) -> list[HandlerInfo]:
        """Usable and broken ones; the ready-made first, then file by file."""
        return list(self._entries.values())

    def get(self, key: str) -> HandlerInfo | None:
        return self._entries.get(key)

    def rescan(self) -> list[HandlerInfo]:
        """Look into the folder again: import what is new, changed or failed, drop what is gone.

        Running servers keep the class they were started with.
        """
        with self._lock:
            found = self._found_locked()
            self._entries = {entry.key: entry for entry in (*HANDLERS, *found)}
        return self.entries()

    def _found_locked(self) -> list[HandlerInfo]:
        try:
            paths = handler_files(self.folder)
        except OSError as error:
            log.warning("the handlers folder cannot be read: %s", error)
            return [broken_entry(self.folder.name, "The folder cannot be read", str(error))]
        if self._only is not None:
            paths = [path for path in paths if path.name == self._only]
        before, self._files = self._files, {}
        for gone in before.keys() - {path.name for path in paths}:
            forget(gone)
        for path in paths:
            previous = before.get(path.name)
            file = self._files[path.name] = load(path, previous, self._import_deadline_s)
            if file is not previous:
                _warn_of(file)
        return [entry for file in self._files.values() for entry in file.entries]

    def usable(self, key: str, transport: Transport | None) -> HandlerInfo:
        """The entry of that name, once it is sure that it can serve `transport`, if given.

        Raises: Invalid (unknown_handler, handler_transport) on the field `handler`.
        """
        info = self.get(key)
        if info is None or info.broken:
            raise Invalid(FieldError("unknown_handler", self._why_not(key), "handler"))
        if transport is not None and transport not in info.transports:
            serves = " and ".join(info.transports)
            detail = f"The handler {quoted(key)} serves {serves}, not {transport}."
            raise Invalid(FieldError("handler_transport", detail, "handler"))
        return info

    def handler_class(
        self, key: str, transport: Transport, options: Mapping[str, OptionValue]
    ) -> type:
        """The class that answers, with `options` set on it.

        Raises: Invalid (unknown_handler, handler_transport, unknown_option, wrong_option_type).
        """
        info = self.usable(key, transport)
        return bind(info, read_options(info.options, options))

    def _why_not(self, key: str) -> str:
        broken = self.get(key) or self.get(key.partition(":")[0])
        if broken is not None and broken.broken:
            return (
                f"The handler {quoted(key)} cannot be used: {broken.title}."
                " Mend the file and rescan."
            )
        # Not which there are: not everybody who may name one may know of all.
        return f"There is no handler {quoted(key)}: see GET /api/v1/handlers."


def find_handler(
    handlers_dir: str, key: str, transport: Transport, options: Mapping[str, OptionValue]
) -> type:
    """The class that answers, by a look at its own file alone: for a process that needs no other.

    Raises: as `HandlerRegistry.handler_class`.
    """
    registry = HandlerRegistry(Path(handlers_dir), only=key.partition(":")[0])
    return registry.handler_class(key, transport, options)


def _warn_of(file: HandlerFile) -> None:
    for entry in file.entries:
        if entry.broken:
            log.warning("the handler %s cannot be used: %s", entry.key, entry.error)
