"""The worked examples do what they say, as the panel would run them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.domain import CONCURRENCIES, DATAGRAMS, STREAMS, Concurrency, OptionValue, Transport
from app.handlers.registry import HandlerRegistry
from tests.app.handlers.serving import (
    answers,
    connected,
    converse,
    datagram_client,
    server_at,
    serving,
)

EXAMPLES = Path(__file__).resolve().parents[3] / "handlers"


def example(key: str, transport: Transport, **options: OptionValue) -> type:
    return HandlerRegistry(EXAMPLES).handler_class(key, transport, options)


def test_the_folder_offers_them_and_nothing_is_broken() -> None:
    entries = HandlerRegistry(EXAMPLES).entries()
    assert [entry.key for entry in entries if entry.source != "built-in"] == [
        "greeter.py:Greeter",
        "meter.py:Meter",
        "upper.py:UpperTCP",
        "upper.py:UpperUDP",
    ]
    assert [entry.error for entry in entries if entry.broken] == []


@pytest.mark.parametrize("transport", STREAMS)
def test_the_greeter_greets_and_answers_until_told_to_quit(
    transport: Transport, tmp_path: Path
) -> None:
    said = b"help\r\n\nTIME\nwhat\n\xff\nQUIT\nHELP\n"
    with serving(transport, example("greeter.py:Greeter", transport), tmp_path) as where:
        lines = converse(where, said).decode().splitlines()
    assert lines[0] == "Welcome. HELP lists the commands."
    assert lines[1] == "Commands: HELP, TIME, QUIT."
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lines[2])
    assert lines[3:] == ["Unknown command. HELP lists the commands."] * 2 + ["Goodbye."]


def test_the_greeter_speaks_first_also_where_silence_costs_no_thread(tmp_path: Path) -> None:
    greeter = example("greeter.py:Greeter", "tcp")
    with serving("tcp", greeter, tmp_path, "event") as where, connected(where) as client:
        assert client.recv(100).startswith(b"Welcome.")


def test_the_greeter_greets_with_the_banner_it_was_given(tmp_path: Path) -> None:
    handler = example("greeter.py:Greeter", "tcp", banner="你好")
    with serving("tcp", handler, tmp_path) as where:
        assert converse(where, b"") == "你好\n".encode()


@pytest.mark.parametrize("concurrency", [c for c in CONCURRENCIES if c != "forking"])
@pytest.mark.parametrize("transport", STREAMS)
def test_the_meter_answers_frames(
    transport: Transport, concurrency: Concurrency, tmp_path: Path
) -> None:
    meter = example("meter.py:Meter", transport, version="2")
    with serving(transport, meter, tmp_path, concurrency) as where:
        assert converse(where, b"\0\1V\0\3Rab\0\0") == b"\0\2V2\0\3Rab\0\1?"


@pytest.mark.parametrize("transport", STREAMS)
def test_a_stdlib_stream_handler_runs_unchanged(transport: Transport, tmp_path: Path) -> None:
    with serving(transport, example("upper.py:UpperTCP", transport), tmp_path) as where:
        assert converse(where, b"one\ntwo") == b"ONE\nTWO"


@pytest.mark.parametrize("transport", DATAGRAMS)
def test_a_stdlib_datagram_handler_runs_unchanged(transport: Transport, tmp_path: Path) -> None:
    with (
        server_at(transport, example("upper.py:UpperUDP", transport), tmp_path) as server,
        datagram_client(server, tmp_path) as client,
    ):
        assert answers(server, client, b"one", b"two") == [b"ONE", b"TWO"]
