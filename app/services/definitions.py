"""From what was asked for, an untrusted mapping, to a `ServerSpec`: every wrong field at once.

The JSON create and PATCH bodies and the web form have the same shape and come here. Knows no
socket and no store: whether a name is taken or an address in use is told elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from app.domain import (
    CONCURRENCIES,
    ISOLATIONS,
    TRANSPORTS,
    Address,
    Capture,
    Concurrency,
    InetAddress,
    Isolation,
    Limits,
    OptionValue,
    ServerSpec,
    Tls,
    Transport,
    UnixAddress,
    Wanted,
)
from app.errors import Invalid
from app.handlers.options import read_options
from app.handlers.registry import HandlerRegistry
from app.services.addresses import AddressRules
from app.services.capture import read_capture
from app.services.encryption import Check, check_transport, read_tls
from app.services.fields import FieldReader
from app.services.kinds import KIND_CLASSES
from app.services.limits import FIXED_LIMITS, read_limits

C = TypeVar("C", bound=str)
T = TypeVar("T")
Options = Mapping[str, OptionValue]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_WANTED: tuple[Wanted, ...] = ("running", "stopped")
_KEYS = (
    "name",
    "transport",
    "concurrency",
    "isolation",
    "handler",
    "handler_options",
    "address",
    "limits",
    "tls",
    "capture",
    "wanted",
)
#: What a running server cannot change, besides FIXED_LIMITS.
_FIXED = tuple(key for key in _KEYS if key not in ("name", "limits", "capture", "wanted"))
_ADDRESS_KEYS = ("host", "port", "name")
_KEYS_OF: Mapping[Transport, tuple[str, ...]] = {
    "tcp": ("host", "port"),
    "udp": ("host", "port"),
    "unix": ("name",),
    "unix-datagram": ("name",),
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a definition may refer to."""

    handlers: HandlerRegistry
    rules: AddressRules
    check_certificate: Check


def define(body: Mapping[str, object], around: Surroundings) -> ServerSpec:
    """The server that `body` asks for.

    Raises: Invalid with every wrong field; only when none is, Forbidden (host_not_allowed) or
    Conflict (panel_port).
    """
    return _Reading(body, None, around).spec()


def amend(spec: ServerSpec, body: Mapping[str, object], around: Surroundings) -> ServerSpec:
    """`spec` with the changes that `body` asks for.

    `address`, `limits` and `capture` may be given in part. `tls` and `handler_options` are
    replaced whole, and the options start empty when the handler changes. What is not touched is
    not judged again: a server whose handler file has gone can still be told to stop.

    Raises: as `define`.
    """
    return _Reading(body, spec, around).spec()


def fixed_change(before: ServerSpec, after: ServerSpec) -> str | None:
    """The first field in which `after` differs that a running server cannot change, if any."""
    for field in _FIXED:
        if getattr(before, field) != getattr(after, field):
            return field
    for limit in FIXED_LIMITS:
        if getattr(before.limits, limit) != getattr(after.limits, limit):
            return f"limits.{limit}"
    return None


class _Reading:
    """One body being read; `base` is what it changes, None when it defines a server."""

    def __init__(
        self, body: Mapping[str, object], base: ServerSpec | None, around: Surroundings
    ) -> None:
        self._base = base
        self._around = around
        self._read = FieldReader()
        self._body = self._read.known(body, "", _KEYS)
        if not isinstance(body, Mapping):  # what JSON holds need be no object
            self._read.settle()

    def spec(self) -> ServerSpec:
        base = self._base
        name = self._name()
        transport = self._choice("transport", TRANSPORTS, base.transport if base else None)
        concurrency = self._concurrency(transport)
        isolation = self._isolation(concurrency)
        handler, options = self._handler(transport)
        address = self._address(transport)
        limits = self._limits()
        tls = self._tls(transport)
        capture = self._capture()
        wanted = self._choice("wanted", _WANTED, base.wanted if base else "stopped")
        self._read.settle()
        assert address is not None  # as _sure(), which mypy cannot infer for a union
        return ServerSpec(
            name=_sure(name),
            transport=_sure(transport),
            concurrency=_sure(concurrency),
            isolation=_sure(isolation),
            handler=_sure(handler),
            handler_options=options,
            address=address,
            limits=limits,
            tls=tls,
            capture=capture,
            wanted=_sure(wanted),
            created_us=base.created_us if base else 0,
        )

    def _name(self) -> str | None:
        base = self._base
        if base and "name" not in self._body:
            return base.name
        name = self._read.text(self._body, "name")
        if name is None:
            return None
        if base and name != base.name:
            detail = (
                f"The name {base.name} is fixed: its log is kept under it. Create another"
                " server for another name."
            )
            self._read.wrong("name_fixed", detail, "name")
        elif not base and not _NAME.fullmatch(name):
            detail = "A name is 1 to 63 of a-z, 0-9 and dashes, and begins with no dash."
            self._read.wrong("name_malformed", detail, "name")
        return name

    def _choice(self, key: str, choices: tuple[C, ...], default: C | None) -> C | None:
        if default is not None and key not in self._body:
            return default
        return self._read.choice(self._body, key, choices)

    def _concurrency(self, transport: Transport | None) -> Concurrency | None:
        default = self._base.concurrency if self._base else CONCURRENCIES[0]
        concurrency = self._choice("concurrency", CONCURRENCIES, default)
        if transport is None or concurrency is None or (transport, concurrency) in KIND_CLASSES:
            return concurrency
        there_are = ", ".join(c for t, c in KIND_CLASSES if t == transport)
        detail = (
            f"There is no {transport} server that is {concurrency}. Choose one of {there_are}."
        )
        self._read.wrong("unknown_kind", detail, "concurrency")
        return None

    def _isolation(self, concurrency: Concurrency | None) -> Isolation | None:
        base = self._base
        isolation = self._choice("isolation", ISOLATIONS, base.isolation if base else "thread")
        if concurrency != "forking" or isolation is None:
            return isolation
        if isolation == "thread" and "isolation" in self._body:
            detail = (
                "A forking server runs in a process of its own, for one with threads must not"
                " fork: leave isolation out, or say process."
            )
            self._read.wrong("forking_needs_process", detail, "isolation")
        return "process"

    def _handler(self, transport: Transport | None) -> tuple[str | None, Options]:
        base = self._base
        touched = "handler" in self._body or "handler_options" in self._body
        if base and not touched and transport in (None, base.transport):
            return base.handler, base.handler_options
        if base and "handler" not in self._body:
            key: str | None = base.handler
        else:
            key = self._read.text(self._body, "handler")
        kept = base.handler_options if base and base.handler == key else {}
        given = self._body.get("handler_options", kept)
        options = self._read.mapping(given, "handler_options")
        if key is None:
            return None, {}
        return key, self._options(key, transport, options)

    def _options(
        self, key: str, transport: Transport | None, options: Mapping[str, object]
    ) -> Options:
        try:
            return read_options(self._around.handlers.usable(key, transport).options, options)
        except Invalid as refusal:
            self._read.refuse(refusal)
            return {}

    def _address(self, transport: Transport | None) -> Address | None:
        base = self._base
        asked = "address" in self._body
        if base and not asked and transport in (None, base.transport):
            return base.address
        raw = self._body.get("address", {})
        given = self._read.known(raw, "address", _ADDRESS_KEYS)
        if transport is None or not isinstance(raw, Mapping):
            return None
        keys = _KEYS_OF[transport]
        if base and keys == _KEYS_OF[base.transport]:
            given = {**_fields(base.address), **given}
        elif not asked:
            needs = " and ".join(keys)
            detail = f"An address is needed: the {needs} of a {transport} server."
            self._read.wrong("missing_field", detail, "address")
            return None
        for key in given:
            if key not in keys:
                detail = f"A {transport} server has no {key}; its address is {' and '.join(keys)}."
                self._read.wrong("address_mismatch", detail, f"address.{key}")
        return self._placed(transport, given)

    def _placed(self, transport: Transport, given: Mapping[str, object]) -> Address | None:
        if "name" in _KEYS_OF[transport]:
            name = self._read.text(given, "address.name")
            if name is None:
                return None
            self._read.refuse(*self._around.rules.name_refusals(name))
            return UnixAddress(name)
        host = self._read.text(given, "address.host")
        port = self._read.whole(given, "address.port")
        self._read.refuse(*self._around.rules.inet_refusals(transport, host, port))
        return None if host is None or port is None else InetAddress(host, port)

    def _limits(self) -> Limits:
        limits = self._base.limits if self._base else Limits()
        return read_limits(self._read, self._body.get("limits", {}), limits)

    def _capture(self) -> Capture:
        capture = self._base.capture if self._base else Capture()
        return read_capture(self._read, self._body.get("capture", {}), capture)

    def _tls(self, transport: Transport | None) -> Tls | None:
        base = self._base
        tls = base.tls if base else None
        if "tls" in self._body:
            tls = read_tls(self._read, self._body["tls"], self._around.check_certificate)
        check_transport(self._read, transport, tls)
        return tls


def _fields(address: Address) -> Mapping[str, object]:
    if isinstance(address, UnixAddress):
        return {"name": address.name}
    return {"host": address.host, "port": address.port}


def _sure(value: T | None) -> T:
    """`value`, once nothing was found wrong: None stands only for what was."""
    assert value is not None
    return value
