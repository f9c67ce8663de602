"""Where a server may listen: which hosts, which ports, which socket names.

Knows the settings and asks the resolver; opens no socket. Whether an address is free is for
bind() to say.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.crowd import IPAddress, unmapped
from app.domain import Address, Transport, UnixAddress
from app.errors import AppError, Conflict, FieldError, Forbidden, Invalid
from app.handlers.quote import quoted
from app.settings import PortRange, Settings

#: Bytes: sun_path holds 108 on Linux, the closing NUL included.
SOCKET_PATH_LIMIT = 107

#: Below it only root, or a process with CAP_NET_BIND_SERVICE, may listen.
FIRST_FREE_PORT = 1024

_SOCKET_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def look_up(host: str) -> tuple[IPAddress, ...]:
    """Every address of `host`, a literal or a name, in the resolver's order.

    Raises: OSError, or ValueError for what can be no name; both mean that there is none.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    """The operator's rules on addresses, and the panel's own one."""

    listen_hosts: tuple[str, ...]
    listen_ports: tuple[PortRange, ...]
    panel_host: str
    panel_port: int
    socket_dir: Path
    look_up: Callable[[str], tuple[IPAddress, ...]] = look_up

    @classmethod
    def from_settings(cls, settings: Settings, socket_dir: Path) -> AddressRules:
        return cls(
            listen_hosts=settings.listen_hosts,
            listen_ports=settings.listen_ports,
            panel_host=settings.host,
            panel_port=settings.port,
            socket_dir=socket_dir,
        )

    def check(self, transport: Transport, address: Address) -> None:
        """Returns when a server of `transport` may listen at `address`.

        Raises: Invalid with every wrong field; else Forbidden (host_not_allowed), else Conflict
        (panel_port).
        """
        refusals = self.refusals(transport, address)
        wrong = [
            error for refusal in refusals if refusal.status == 422 for error in refusal.fields
        ]
        if wrong:
            raise Invalid(*wrong)
        if refusals:
            raise refusals[0]

    def refusals(self, transport: Transport, address: Address) -> list[AppError]:
        """Everything that speaks against `address`; empty when nothing does."""
        if isinstance(address, UnixAddress):
            return self.name_refusals(address.name)
        return self.inet_refusals(transport, address.host, address.port)

    def inet_refusals(
        self, transport: Transport, host: str | None, port: int | None
    ) -> list[AppError]:
        """The same for a host and a port; None stands for one that is not to be judged."""
        refusals: list[AppError] = []
        placed: IPAddress | None = None
        try:
            placed = None if host is None else self.place(host)
        except AppError as refusal:
            refusals.append(refusal)
        if port is None:
            return refusals
        if not 0 <= port <= 65535:
            detail = "The port must be a number from 1 to 65535, or 0 for any that is free."
            refusals.append(_wrong_port("port_range", detail))
        elif placed is not None and self._is_the_panel(transport, placed, port):
            refusals.append(_panel_port(port))
        elif port and not self._is_listed(port):
            refusals.append(self._unlisted(port))
        return refusals

    def name_refusals(self, name: str) -> list[AppError]:
        """The same for a socket name."""
        if not _SOCKET_NAME.fullmatch(name) or name in (".", ".."):
            detail = (
                "A socket name is 1 to 64 letters, digits, dots, dashes and underscores, and"
                " neither . nor .. alone: it is a file in the socket folder, never a path."
            )
            return [Invalid(FieldError("socket_name_malformed", detail, "address.name"))]
        excess = len(os.fsencode(self.socket_path(name))) - SOCKET_PATH_LIMIT
        if excess > 0:
            detail = (
                f"With its folder the socket's path is {excess} bytes longer than the"
                f" {SOCKET_PATH_LIMIT} the system allows. Choose a shorter name, or a shorter"
                " SOCKPIT_DATA_DIR."
            )
            return [Invalid(FieldError("socket_path_too_long", detail, "address.name"))]
        return []

    def place(self, host: str) -> IPAddress:
        """The address to bind for `host`: the first of its addresses that is allowed.

        Bind to this and not to the name: a name may mean another address a moment later.

        Raises: Invalid (unknown_host), Forbidden (host_not_allowed).
        """
        found = self._resolve(host)
        for address in found:
            if self._allows(host, address):
                return address
        allowed = ", ".join(self.listen_hosts) or "no host"
        raise Forbidden(
            "host_not_allowed",
            f"Servers may not listen on {quoted(host)}: SOCKPIT_LISTEN_HOSTS allows {allowed}."
            " Choose one of these, or add it there and restart the panel.",
            "address.host",
        )

    def socket_path(self, name: str) -> Path:
        """Where the socket called `name` is bound."""
        return self.socket_dir / name

    def _resolve(self, host: str) -> tuple[IPAddress, ...]:
        try:
            # An empty name would mean every interface to bind(): let it be said in full.
            found = self.look_up(host) if host else ()
        except (OSError, ValueError):
            found = ()
        if not found:
            detail = (
                f"The host {quoted(host)} is not known here: give an address of this machine"
                " such as 127.0.0.1, or a name that resolves."
            )
            raise Invalid(FieldError("unknown_host", detail, "address.host"))
        return found

    def _allows(self, host: str, address: IPAddress) -> bool:
        everywhere = "0.0.0.0" if address.version == 4 else "::"
        for listed in self.listen_hosts:
            if listed == everywhere or listed.lower() == host.lower():
                return True
            if _literal(listed) == address:
                return True
        return False

    def _is_listed(self, port: int) -> bool:
        return any(low <= port <= high for low, high in self.listen_ports)

    def _unlisted(self, port: int) -> Invalid:
        allowed = ", ".join(
            str(low) if low == high else f"{low}-{high}" for low, high in self.listen_ports
        )
        if port < FIRST_FREE_PORT:
            return _wrong_port(
                "privileged_port",
                f"Port {port} is below {FIRST_FREE_PORT}, which takes a privilege to listen on."
                f" Choose one of {allowed}, or list it in SOCKPIT_LISTEN_PORTS.",
            )
        return _wrong_port(
            "port_not_allowed",
            f"Port {port} is outside SOCKPIT_LISTEN_PORTS, which allows {allowed}."
            " Choose one of these, or 0 for any that is free.",
        )

    def _is_the_panel(self, transport: Transport, placed: IPAddress, port: int) -> bool:
        if transport != "tcp" or port != self.panel_port:
            return False
        try:
            panel = self._resolve(self.panel_host)
        except Invalid:  # it listens all the same, so suppose the worst
            return True
        asked = unmapped(placed)
        return any(_overlap(asked, own) or _overlap(own, asked) for own in map(unmapped, panel))


def _wrong_port(code: str, detail: str) -> Invalid:
    return Invalid(FieldError(code, detail, "address.port"))


def _panel_port(port: int) -> Conflict:
    detail = f"Port {port} is the panel's own. Choose another, or 0 for any that is free."
    return Conflict("panel_port", detail, "address.port")


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _overlap(wide: IPAddress, narrow: IPAddress) -> bool:
    """Whether a listener at `wide` also takes what goes to `narrow`, at the same port.

    `::` may be dual-stack and take IPv4 too.
    """
    if wide == narrow:
        return True
    return wide.is_unspecified and (wide.version == 6 or narrow.version == 4)
