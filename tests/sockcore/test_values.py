"""cheap(): the same dataclass, made at less cost."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle

import pytest

from sockcore import events
from sockcore.values import cheap


@cheap
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cheap:
    one: int
    two: str = "two"
    three: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    one: int
    two: str = "two"
    three: tuple[int, ...] = ()


def test_fields_and_defaults() -> None:
    made = Cheap(one=1, three=(3,))
    assert (made.one, made.two, made.three) == (1, "two", (3,))
    assert repr(made) == "Cheap(one=1, two='two', three=(3,))"
    assert made == Cheap(three=(3,), one=1, two="two")
    assert hash(made) == hash(Cheap(one=1, three=(3,)))
    assert dataclasses.replace(made, one=2) == Cheap(one=2, three=(3,))
    assert dataclasses.asdict(made) == {"one": 1, "two": "two", "three": (3,)}


def test_signature_is_that_of_dataclass() -> None:
    assert str(inspect.signature(Cheap)) == str(inspect.signature(Plain))


@pytest.mark.parametrize("given", [{}, {"one": 1, "four": 4}, {"two": "2"}])
def test_wrong_fields_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Cheap(**given)  # type: ignore[arg-type]


def test_it_is_frozen_and_has_slots() -> None:
    made = Cheap(one=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.one = 2  # type: ignore[misc]
    assert not hasattr(made, "__dict__")


def test_it_can_be_copied_and_sent() -> None:
    made = Cheap(one=1, two="2")
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == made


def test_every_event_is_cheap() -> None:
    kinds = [getattr(events, name) for name in events.__all__]
    dataclass_kinds = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    assert len(dataclass_kinds) >= 10
    for kind in dataclass_kinds:
        assert "_set_server" in vars(kind)["__init__"].__globals__, kind
