"""Events are values: frozen, by name only, comparable, and able to cross a process boundary."""

from __future__ import annotations

import dataclasses
import pickle
import typing
from typing import Any

import pytest

from sockcore import events
from sockcore.events import Bytes, Chunk, ClosedBy, Outcome

KINDS: tuple[type[Any], ...] = typing.get_args(events.Event)

BYTES = Bytes(b"\x00\xff", 2, b"d" * 32)

SAMPLES: dict[str, object] = {
    "server": "hall",
    "run_id": "run",
    "address": ("127.0.0.1", 1),
    "peer": "127.0.0.1:2",
    "reason": "full",
    "cause": None,
    "error": "Traceback",
    "outcome": "error",
    "closed_by": "handler",
    "received": BYTES,
    "sent": Bytes(),
    "chunks": (Chunk(True, 5, 2),),
}


def sample(kind: type[Any]) -> Any:
    return kind(**{field.name: SAMPLES.get(field.name, 1) for field in dataclasses.fields(kind)})


each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@each_kind
def test_event_is_frozen(kind: type[Any]) -> None:
    event = sample(kind)
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, field.name, None)
    assert not hasattr(event, "__dict__")


@each_kind
def test_event_is_made_by_name_only(kind: type[Any]) -> None:
    assert all(field.kw_only for field in dataclasses.fields(kind))
    with pytest.raises(TypeError):
        kind("hall", 1, 1)


@each_kind
def test_event_crosses_a_process_boundary_as_it_is(kind: type[Any]) -> None:
    event = sample(kind)
    assert pickle.loads(pickle.dumps(event)) == event
    assert hash(event) == hash(sample(kind))


@each_kind
def test_event_names_its_server_and_is_a_past_participle(kind: type[Any]) -> None:
    assert dataclasses.fields(kind)[0].name == "server"
    # Overdue is what a handler is, as it goes on.
    assert kind.__name__.endswith(("ed", "Overdue"))
    assert kind.__doc__ or kind.__name__.startswith("Connection")


def test_every_event_of_the_module_is_in_the_union() -> None:
    declared = {
        value
        for name in events.__all__
        if dataclasses.is_dataclass(value := getattr(events, name)) and isinstance(value, type)
    }
    assert declared == set(KINDS)


def test_bytes_and_chunks_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        BYTES.total = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Chunk(True, 0, 1).size = 3  # type: ignore[misc]
    assert Bytes() == (b"", 0, b"")


def test_outcomes_and_who_closed_are_plain_words() -> None:
    words = (*typing.get_args(Outcome), *typing.get_args(ClosedBy))
    assert all(word.isalpha() and word.islower() for word in words)
    assert len(set(typing.get_args(Outcome))) == len(typing.get_args(Outcome))
