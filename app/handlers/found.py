"""The user's own handlers: the files of one folder, each imported under a private name.

A file that cannot be imported becomes one broken entry with its traceback and concerns nobody
else. Never looks on sys.path, and never follows a name that came from a request.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from app.handlers.info import HandlerInfo, describe, is_handler
from app.handlers.quote import as_text, is_text

_PACKAGE = "sockpit_handlers"


@dataclass(frozen=True, slots=True)
class HandlerFile:
    """A file as it was read, and the handlers it offers, or the one entry saying why none."""

    source: bytes
    entries: tuple[HandlerInfo, ...]
    stuck: bool = False  # its import did not end in time, and may be running still

    @property
    def broken(self) -> bool:
        return any(entry.broken for entry in self.entries)

    def current(self, source: bytes) -> bool:
        """Whether reading it again would tell nothing new.

        A file that failed is always tried again, for what it lacked may be there by now; one
        that is stuck is not, for it would leave another thread behind.
        """
        return source == self.source and (self.stuck or not self.broken)


def handler_files(folder: Path) -> list[Path]:
    """The regular `*.py` files inside `folder`, by name; those starting with `_` or `.` are not.

    A missing folder has none. A link that leads out of the folder is left alone.

    Raises: OSError when the folder is there and cannot be read.
    """
    if not folder.is_dir():
        return []
    home = folder.resolve()
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix == ".py"
        and not path.name.startswith(("_", "."))
        and path.is_file()
        and path.resolve().is_relative_to(home)
    )


def load(path: Path, previous: HandlerFile | None, deadline_s: float) -> HandlerFile:
    """Import `path`, unless `previous` still tells all there is to know of it.

    A file of endless work (a server started without `if __name__ == "__main__"`) is given up
    after `deadline_s` seconds; its thread cannot be ended and is left behind.
    """
    if not is_text(path.name):
        title = "The name of the file is not valid UTF-8"
        return HandlerFile(b"", (broken_entry(path.name, title, f"{title}: rename it."),))
    try:
        source = path.read_bytes()
    except OSError as refused:
        return HandlerFile(b"", (broken_entry(path.name, str(refused), str(refused)),))
    if previous is not None and previous.current(source):
        return previous
    attempt = _Import(path, source)
    attempt.start()
    attempt.join(deadline_s)
    if attempt.is_alive():
        title = f"Its import did not end within {deadline_s:g} s"
        error = f'{title}. Put what serves under `if __name__ == "__main__":`.'
        return HandlerFile(source, (broken_entry(path.name, title, error),), stuck=True)
    return HandlerFile(source, attempt.entries)


def forget(file_name: str) -> None:
    """Drop the module of a file that is gone. Classes in use live on in their servers."""
    sys.modules.pop(_module_name(Path(file_name)), None)


def broken_entry(file_name: str, title: str, error: str) -> HandlerInfo:
    """What is said of a file of which nothing can be used. All of it is made fit to be shown."""
    name = as_text(file_name)
    return HandlerInfo(key=name, title=as_text(title), source=name, error=as_text(error))


def _module_name(path: Path) -> str:
    return f"{_PACKAGE}.{path.stem}"


class _Import(threading.Thread):
    """One attempt to import one file; `entries` is set once the thread has ended."""

    def __init__(self, path: Path, source: bytes) -> None:
        super().__init__(name=f"import:{path.name}", daemon=True)
        self._path = path
        self._source = source
        self.entries: tuple[HandlerInfo, ...] = ()

    def run(self) -> None:
        try:
            module = _execute(self._path, self._source)
            self.entries = tuple(_offered(module, self._path.name))
        except BaseException as error:  # SystemExit too: the top of this thread
            title = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
            self.entries = (broken_entry(self._path.name, title, _traceback(error, self._path)),)


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Runs exactly the bytes that were read, and neither reads nor leaves a `.pyc`.

    A cached one counts as fresh when size and second are the same, which an edit can keep.
    """

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType | None:
        return self.source_to_code(self._source, self.get_filename(fullname))


def _execute(path: Path, source: bytes) -> ModuleType:
    name = _module_name(path)
    loader = _SourceLoader(name, path, source)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ImportError(f"{path} cannot be imported as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and typing look it up while it runs
    try:
        loader.exec_module(module)
    except BaseException:
        if sys.modules.get(name) is module:  # a stuck import may end after a newer one
            del sys.modules[name]
        raise
    return module


def _offered(module: ModuleType, file_name: str) -> Iterator[HandlerInfo]:
    """The handlers defined in `module`, in the order of the file; imported ones are not its."""
    for name, value in vars(module).items():
        if name.startswith("_") or not is_handler(value):
            continue
        if value.__module__ == module.__name__ and value.__name__ == name:
            yield describe(f"{file_name}:{name}", file_name, value)


def _traceback(error: BaseException, path: Path) -> str:
    """From the user's file on: how we came to import it is of no use to anybody."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != str(path):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))
