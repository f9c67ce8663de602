"""Why a server could not listen: each errno with its sentence, its code and its field."""

from __future__ import annotations

import errno
import os

import pytest

from app.domain import Address, InetAddress, ServerSpec, Transport, UnixAddress
from app.errors import AppError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from app.services.bind_errors import refusal, written

INET = InetAddress("127.0.0.1", 10001)
UNIX = UnixAddress("a.sock")


def spec(address: Address, transport: Transport = "tcp") -> ServerSpec:
    return ServerSpec(
        name="one",
        transport=transport,
        concurrency="single",
        handler="echo",
        address=address,
    )


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (INET, "127.0.0.1:10001"),
        (InetAddress("::1", 80), "[::1]:80"),
        (InetAddress("localhost", 0), "localhost:0"),
        (UNIX, "a.sock"),
    ],
)
def test_address_is_written_as_it_is_typed(address: Address, text: str) -> None:
    assert written(address) == text


@pytest.mark.parametrize(
    ("number", "kind", "code", "field"),
    [
        (errno.EADDRINUSE, Conflict, "port_in_use", "address.port"),
        (errno.EACCES, Forbidden, "permission_denied", "address.port"),
        (errno.EPERM, Forbidden, "permission_denied", "address.port"),
        (errno.EADDRNOTAVAIL, Invalid, "address_not_here", "address.host"),
        (errno.EMFILE, Unavailable, "out_of_descriptors", None),
        (errno.ENFILE, Unavailable, "out_of_descriptors", None),
        (errno.EAFNOSUPPORT, Unavailable, "bind_failed", None),
    ],
)
def test_errno_becomes_a_refusal(
    number: int, kind: type[AppError], code: str, field: str | None
) -> None:
    told = refusal(spec(INET), os_error(number))
    assert type(told) is kind
    assert (told.code, told.field) == (code, field)
    assert told.detail.endswith(".")


@pytest.mark.parametrize("number", [errno.EADDRINUSE, errno.EACCES, errno.EAFNOSUPPORT])
def test_refusal_names_the_address(number: int) -> None:
    assert "127.0.0.1:10001" in refusal(spec(INET), os_error(number)).detail
    assert "[::1]:80" in refusal(spec(InetAddress("::1", 80)), os_error(number)).detail


def test_port_in_use_names_the_transport() -> None:
    told = refusal(spec(INET, "udp"), os_error(errno.EADDRINUSE))
    assert "(udp)" in told.detail


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES, errno.ENOSPC])
def test_trouble_of_a_unix_server_speaks_of_no_port(number: int) -> None:
    told = refusal(spec(UNIX, "unix"), os_error(number))
    assert told.code == "bind_failed"
    assert "a.sock" in told.detail
    assert os.strerror(number) in told.detail
    assert "port" not in told.detail


def test_refusal_of_ours_stays_as_it_is() -> None:
    ours = NotFound("some_code", "A sentence.")
    assert refusal(spec(INET), ours) is ours


def test_what_is_no_system_error_is_told_too() -> None:
    told = refusal(spec(INET), RuntimeError("the handler's own doing"))
    assert (told.code, told.status) == ("start_failed", 503)
    assert "the handler's own doing" in told.detail


def test_a_socket_that_is_there_is_not_touched_and_told_of() -> None:
    told = refusal(spec(UNIX, "unix"), os_error(errno.EADDRINUSE))
    assert isinstance(told, Conflict)
    assert (told.code, told.field) == ("socket_name_taken", "address.name")
    assert "a.sock" in told.detail
