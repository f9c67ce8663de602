"""maker(): the same dataclass, made at less cost."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from sockcore.values import maker


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    one: int
    two: str = "two"
    three: tuple[int, ...] = ()


make = maker(Value)


def test_it_is_the_same_value() -> None:
    made = make(1, "2", (3,))
    assert type(made) is Value
    assert made == Value(one=1, two="2", three=(3,))
    assert hash(made) == hash(Value(one=1, two="2", three=(3,)))
    assert repr(made) == "Value(one=1, two='2', three=(3,))"
    assert dataclasses.replace(made, one=2) == Value(one=2, two="2", three=(3,))


@pytest.mark.parametrize("given", [(), (1, "2"), (1, "2", (), 4)])
def test_every_field_is_to_be_given(given: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        make(*given)


def test_it_is_frozen_and_has_slots() -> None:
    made = make(1, "2", ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.one = 2  # type: ignore[misc]
    assert not hasattr(made, "__dict__")


def test_it_can_be_copied_and_sent() -> None:
    made = make(1, "2", ())
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == made
