"""Servers in processes of their own, crowds of clients in others, and the models there are.

Belongs here: what the tests of several promises need. Does not know any promise.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.promises.proc import Figures, figures
from tests.promises.remote import Program
from tests.waiting import DEADLINE_S, eventually

__all__ = [
    "CONCURRENT",
    "RUN",
    "Crowd",
    "Served",
    "back_to",
    "client_of",
    "room_for",
    "short_and_full",
    "tcp",
]

#: Seconds that a full version may take, where nothing else is said.
_FULL_S = 170

#: The models that serve many at one time.
CONCURRENT = ("threading", "pool", "forking", "event")

#: What watches each of them: a server that forks has a host, since it must be alone there.
RUN = {**dict.fromkeys(CONCURRENT, "BackgroundServer"), "forking": "HostedServer"}

_PREFIX = {"single": "", **{model: model.capitalize() for model in CONCURRENT}}


def tcp(model: str) -> str:
    """The name of the TCP server class of a model."""
    return f"{_PREFIX[model]}TCPServer"


def room_for(model: str, count: int) -> dict[str, object]:
    """Attributes of a server that has to have so many connections at one time."""
    return {"max_children": count} if model == "forking" else {}


def short_and_full(
    names: str | tuple[str, ...], short: object, full: object, *, full_s: int = _FULL_S
) -> pytest.MarkDecorator:
    """A test in its short version, and in the full one that `make torture` runs."""
    marks = [pytest.mark.torture, pytest.mark.timeout(full_s)]
    return pytest.mark.parametrize(
        names,
        [
            pytest.param(*(short if isinstance(short, tuple) else (short,)), id="short"),
            pytest.param(*(full if isinstance(full, tuple) else (full,)), id="full", marks=marks),
        ],
    )


class Served(Program):
    """A server in a process of its own, where a block is entered; it stops when that is left.

    `run` is `bare`, or what watches it: `BackgroundServer`, `HostedServer`. `attributes` are those
    of its class.
    """

    def __init__(
        self,
        server: str,
        handler: str,
        *,
        run: str = "BackgroundServer",
        address: Any = ("127.0.0.1", 0),
        limits: Mapping[str, object] | None = None,
        tls: Iterable[object] = (),
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(
            "served",
            server=server,
            handler=handler,
            run=run,
            address=address,
            limits=dict(limits or {}),
            tls=[str(file) for file in tls],
            attributes=dict(attributes or {}),
        )
        self.address: Any = None

    def listen(self) -> None:
        self.address = _place(self.ask("listen"))

    def begin(self, address: Any = None) -> None:
        self.address = _place(self.ask("begin", address=address))

    def report(self) -> Any:
        return self.ask("report")

    def __enter__(self) -> Served:
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self


#: Clients that come one after another before there is an answer.
_PART = 1_000


class Crowd(Program):
    """Many clients in a process of their own."""

    def __init__(self) -> None:
        super().__init__("crowd")

    def churn(self, address: Any, count: int) -> None:
        """So many clients one after another, in parts that each have the whole deadline."""
        for begun in range(0, count, _PART):
            self.ask("churn", address=address, count=min(_PART, count - begun))


def _place(address: Any) -> Any:
    return tuple(address) if isinstance(address, list) else address


def client_of(address: Any) -> socket.socket:
    """A stream connected to the address; every wait on it ends at the deadline."""
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    client.settimeout(DEADLINE_S)
    try:
        client.connect(address)
    except BaseException:
        client.close()
        raise
    return client


def back_to(base: Figures, pid: int, within_s: float, slack: int = 2) -> None:
    """Wait until a process holds again what it held, give or take `slack`."""

    def is_back() -> bool:
        now = figures(pid)
        for name in Figures.__slots__:
            assert getattr(now, name) <= getattr(base, name) + slack, f"{now}, it was {base}"
        return True

    eventually(is_back, within_s)
