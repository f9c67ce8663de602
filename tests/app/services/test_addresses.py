from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from app.crowd import IPAddress
from app.domain import InetAddress, Transport, UnixAddress
from app.errors import AppError, Conflict, Forbidden, Invalid
from app.services.addresses import SOCKET_PATH_LIMIT, AddressRules, look_up
from app.settings import Settings

#: What names mean in these tests: nothing is asked of the network.
NAMES = {
    "localhost": ("127.0.0.1", "::1"),
    "inside.test": ("10.0.0.7",),
    "both.test": ("10.0.0.7", "127.0.0.1"),
}


def look_up_here(host: str) -> tuple[IPAddress, ...]:
    if host not in NAMES:
        return look_up(host)  # literals, and what can be no name
    return tuple(ipaddress.ip_address(address) for address in NAMES[host])


RULES = AddressRules(
    listen_hosts=("127.0.0.1", "::1", "localhost"),
    listen_ports=((1024, 65535),),
    panel_host="127.0.0.1",
    panel_port=8000,
    socket_dir=Path("/run/sockets"),
    look_up=look_up_here,
)


def refusal(
    host: str = "127.0.0.1", port: int = 20000, rules: AddressRules = RULES, via: Transport = "tcp"
) -> tuple[type[AppError], str, str | None] | None:
    try:
        rules.check(via, InetAddress(host, port))
    except AppError as refused:
        return type(refused), refused.code, refused.field
    return None


def test_the_rules_are_the_settings(tmp_path: Path) -> None:
    settings = Settings(host="::1", port=9, listen_hosts=("a",), listen_ports=((5, 6),))
    rules = AddressRules.from_settings(settings, tmp_path)
    assert rules == AddressRules(
        listen_hosts=("a",),
        listen_ports=((5, 6),),
        panel_host="::1",
        panel_port=9,
        socket_dir=tmp_path,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "LOCALHOST", "0::1", "127.1"])
def test_a_listed_host_is_allowed_however_it_is_written(host: str) -> None:
    rules = replace(RULES, look_up=look_up) if host == "LOCALHOST" else RULES
    assert refusal(host, rules=rules) is None


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.7", "inside.test", "127.0.0.2", "::ffff:127.0.0.1", "167772167"],
)
def test_another_host_is_forbidden_and_the_setting_is_named(host: str) -> None:
    assert refusal(host) == (Forbidden, "host_not_allowed", "address.host")
    with pytest.raises(Forbidden, match="SOCKPIT_LISTEN_HOSTS allows 127.0.0.1, ::1, localhost"):
        RULES.place(host)


@pytest.mark.parametrize(
    ("listed", "host", "allowed"),
    [
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "10.0.0.7", True),
        ("0.0.0.0", "inside.test", True),
        ("0.0.0.0", "::1", False),
        ("::", "::1", True),
        ("::", "::", True),
        ("::", "127.0.0.1", False),
        ("::", "0.0.0.0", False),
        ("inside.test", "inside.test", True),
        ("inside.test", "10.0.0.7", False),
        ("10.0.0.7", "inside.test", True),
        ("127.0.0.1", "0.0.0.0", False),
    ],
)
def test_what_a_listed_host_allows(listed: str, host: str, allowed: bool) -> None:
    rules = replace(RULES, listen_hosts=(listed,))
    assert (refusal(host, rules=rules) is None) == allowed


def test_with_no_host_listed_none_is_allowed() -> None:
    assert refusal(rules=replace(RULES, listen_hosts=())) is not None


def test_a_name_is_bound_at_its_first_address_that_is_allowed() -> None:
    assert str(RULES.place("both.test")) == "127.0.0.1"
    assert str(RULES.place("localhost")) == "127.0.0.1"
    assert str(replace(RULES, listen_hosts=("::",)).place("localhost")) == "::1"


@pytest.mark.parametrize(
    "host",
    ["", "no such host", "256.1.1.1", "a" * 64 + ".test", "x" * 999, "\0", "\ud800", "[::1]"],
)
def test_a_host_that_cannot_be_found_is_unknown(host: str) -> None:
    assert refusal(host) == (Invalid, "unknown_host", "address.host")
    with pytest.raises(Invalid) as refused:
        RULES.place(host)
    assert len(refused.value.detail.encode("utf-8")) < 500


@pytest.mark.parametrize("port", [-1, 65536, 10**30, -(10**30)])
def test_a_port_is_from_0_to_65535(port: int) -> None:
    assert refusal(port=port) == (Invalid, "port_range", "address.port")


@pytest.mark.parametrize("port", [0, 1024, 7999, 8001, 65535])
def test_ports_that_are_allowed(port: int) -> None:
    assert refusal(port=port) is None


def test_privileged_ports_and_others_outside_the_list_are_told_apart() -> None:
    rules = replace(RULES, listen_ports=((80, 80), (20000, 20019)))
    told = {port: refusal(port=port, rules=rules) for port in (0, 80, 20000, 20019)}
    assert set(told.values()) == {None}
    for port, code in ((79, "privileged_port"), (1023, "privileged_port"), (1024, None)):
        expected = code or "port_not_allowed"
        assert refusal(port=port, rules=rules) == (Invalid, expected, "address.port")
    with pytest.raises(Invalid, match="80, 20000-20019"):
        rules.check("tcp", InetAddress("127.0.0.1", 20020))


@pytest.mark.parametrize(
    ("panel", "host", "collides"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "::", True),
        ("::", "127.0.0.1", True),
        ("no such host", "127.0.0.1", True),
        ("127.0.0.1", "::1", False),
        ("127.0.0.1", "10.0.0.7", False),
        ("0.0.0.0", "::1", False),
    ],
)
def test_the_panels_port_is_its_own_wherever_the_two_could_meet(
    panel: str, host: str, collides: bool
) -> None:
    rules = replace(RULES, panel_host=panel, listen_hosts=("0.0.0.0", "::"))
    expected = (Conflict, "panel_port", "address.port") if collides else None
    assert refusal(host, 8000, rules) == expected


def test_the_panels_port_is_told_as_such_also_where_it_is_not_listed() -> None:
    for port, listed in ((8000, (20000, 20019)), (80, (1024, 65535))):
        rules = replace(RULES, panel_port=port, listen_ports=(listed,))
        assert refusal(port=port, rules=rules) == (Conflict, "panel_port", "address.port")


def test_the_panel_speaks_tcp_so_its_number_is_free_for_datagrams() -> None:
    assert refusal(port=8000, via="udp") is None


def test_every_wrong_field_is_told_and_wrong_ones_before_forbidden_ones() -> None:
    with pytest.raises(Invalid) as refused:
        RULES.check("tcp", InetAddress("no such host", 80))
    assert [error.code for error in refused.value.fields] == ["unknown_host", "privileged_port"]
    assert refusal("10.0.0.7", 80) == (Invalid, "privileged_port", "address.port")
    assert refusal("10.0.0.7", 20000) == (Forbidden, "host_not_allowed", "address.host")


@pytest.mark.parametrize("name", ["a", "A-1_b.sock", "...", ".hidden", "x" * 64])
def test_socket_names_that_are_allowed(name: str) -> None:
    RULES.check("unix", UnixAddress(name))
    assert RULES.socket_path(name) == Path("/run/sockets") / name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "../a", "/a", "a\0", "a\n", "x" * 65, "é", "a b", "\ud800", "\\", "~/"],
)
def test_a_socket_name_is_never_a_path(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        RULES.check("unix-datagram", UnixAddress(name))
    assert (refused.value.code, refused.value.field) == ("socket_name_malformed", "address.name")


def test_the_whole_path_of_a_socket_is_limited_in_bytes() -> None:
    folder = Path("/" + "é" * 40)  # 81 bytes
    rules = replace(RULES, socket_dir=folder)
    rules.check("unix", UnixAddress("x" * (SOCKET_PATH_LIMIT - 82)))
    with pytest.raises(Invalid) as refused:
        rules.check("unix", UnixAddress("x" * (SOCKET_PATH_LIMIT - 81)))
    assert (refused.value.code, refused.value.field) == ("socket_path_too_long", "address.name")


def test_the_limit_is_the_one_of_the_system(tmp_path: Path) -> None:
    longest = f"{tmp_path}/".ljust(SOCKET_PATH_LIMIT, "x")
    with socket.socket(socket.AF_UNIX) as fits, socket.socket(socket.AF_UNIX) as too_long:
        fits.bind(longest)
        with pytest.raises(OSError, match="too long"):
            too_long.bind(longest + "x")
