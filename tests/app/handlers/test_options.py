from __future__ import annotations

import math
from typing import ClassVar

import pytest

from app.errors import Invalid
from app.handlers.info import bind, describe
from app.handlers.options import OptionInfo, declared_options, read_options
from sockcore import StreamRequestHandler


class Pump(StreamRequestHandler):
    """Pumps.

    More of it.
    """

    options: ClassVar[dict[str, str]] = {
        "on": "Runs.",
        "level": "Litres.",
        "rate": "Litres a second.",
        "label": "Shown.",
    }
    on = True
    level = 3
    rate = 1.5
    label = "p"

    def handle(self) -> None:
        self.wfile.write(f"{self.on} {self.level} {self.rate} {self.label}".encode())


OPTIONS = declared_options(Pump)

OF_ANOTHER_TYPE: dict[str, tuple[object, ...]] = {
    "on": (0, 1, "true", None, 1.0),
    "level": (True, 1.0, "1", None, 2**63, []),
    "rate": (True, "1.5", math.nan, math.inf, 10**400, {}),
    "label": (1, None, True, b"x", "\udc80"),
}


def faults(values: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        read_options(OPTIONS, values)
    assert all(error.detail for error in refused.value.fields)
    return [(error.code, error.field) for error in refused.value.fields]


def test_options_are_declared_by_a_name_a_help_and_a_class_attribute() -> None:
    assert list(OPTIONS) == [
        OptionInfo("on", "bool", True, "Runs."),
        OptionInfo("level", "int", 3, "Litres."),
        OptionInfo("rate", "float", 1.5, "Litres a second."),
        OptionInfo("label", "str", "p", "Shown."),
    ]


@pytest.mark.parametrize("options", [None, ["on"], "on", {"on": 1}, {1: "x"}])
def test_an_attribute_called_options_that_is_no_declaration_is_left_alone(options: object) -> None:
    handler = type("Own", (StreamRequestHandler,), {"options": options})
    assert declared_options(handler) == ()


@pytest.mark.parametrize("default", [None, b"x", (), len, math.nan, 2**63, "\ud800"])
def test_an_option_without_a_usable_default_makes_the_entry_broken(default: object) -> None:
    handler = type("Bad", (StreamRequestHandler,), {"options": {"size": "Big."}, "size": default})
    info = describe("bad.py:Bad", "bad.py", handler)
    assert info.broken
    assert "'size'" in (info.error or "")
    assert info.transports == ()


def test_given_values_keep_their_types() -> None:
    given: dict[str, object] = {"on": False, "level": -(2**63), "rate": 2, "label": "é\0"}
    read = read_options(OPTIONS, given)
    assert read == given
    assert type(read["rate"]) is float


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in OF_ANOTHER_TYPE.items() for value in values],
)
def test_a_value_of_another_type_is_refused(name: str, value: object) -> None:
    assert faults({name: value}) == [("wrong_option_type", f"handler_options.{name}")]


def test_every_wrong_option_is_told_and_can_be_shown() -> None:
    told = faults({"nope": 1, "level": "x", "\ud800" + "y" * 500: 1})
    assert [code for code, _ in told] == ["unknown_option", "wrong_option_type", "unknown_option"]
    for _, field in told:
        assert len(field.encode("utf-8")) < 200


def test_bound_options_are_attributes_of_a_subclass_and_the_class_stays_as_it_was() -> None:
    info = describe("pump.py:Pump", "pump.py", Pump)
    bound = bind(info, {"level": 9})
    assert issubclass(bound, Pump)
    assert (bound.level, bound.rate, Pump.level) == (9, 1.5, 3)
    assert (bound.__name__, bound.__qualname__, bound.__module__, bound.__doc__) == (
        Pump.__name__,
        Pump.__qualname__,
        Pump.__module__,
        Pump.__doc__,
    )


def test_a_handler_without_options_set_is_the_very_class() -> None:
    assert bind(describe("pump.py:Pump", "pump.py", Pump), {}) is Pump


def test_the_title_is_the_first_line_of_the_docstring_or_the_name() -> None:
    undocumented = type("Bare", (Pump,), {})
    assert describe("a", "a", Pump).title == "Pumps."
    assert describe("b", "b", undocumented).title == "Bare"
