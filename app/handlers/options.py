"""The options of a handler: how a class declares them, and how values for them are read.

A handler declares `options`, a mapping of name to one line of help; the class attribute of that
name is the default, and its type (bool, int, float, str) is the option's type. Knows nothing of
requests or of where the values are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.domain import OptionValue
from app.errors import FieldError, Invalid
from app.handlers.quote import as_text, is_text, plain, quoted

OptionType = Literal["bool", "int", "float", "str"]

_IN_WORDS: dict[OptionType, str] = {
    "bool": "true or false",
    "int": "a whole number of at most 64 bits",
    "float": "a finite number",
    "str": "a text",
}
_INT64 = range(-(2**63), 2**63)  # what the control database and every JSON reader can hold


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """One option; `default` is what counts when it is not given."""

    name: str
    type: OptionType
    default: OptionValue
    help: str


def declared_options(handler: type) -> tuple[OptionInfo, ...]:
    """The options of `handler`, in its order.

    An `options` of any other shape is an attribute of the handler's own and no declaration:
    handlers written for something else run unchanged.

    Raises: ValueError naming the option that has no usable default.
    """
    declared = getattr(handler, "options", None)
    if not isinstance(declared, Mapping):
        return ()
    pairs = list(declared.items())
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in pairs):
        return ()
    return tuple(_option(handler, name, text) for name, text in pairs)


def _option(handler: type, name: str, text: str) -> OptionInfo:
    default = getattr(handler, name, None)
    kind = _type_of(default)
    if kind is None or (kept := _coerce(kind, default)) is None:
        raise ValueError(
            f"{handler.__name__}.options names {name!r}, but there is no class attribute of that"
            " name holding its default: a bool, a whole number, a finite float or a text"
        )
    return OptionInfo(name, kind, kept, as_text(text))


def _type_of(default: object) -> OptionType | None:
    if isinstance(default, bool):  # first: bool is a subclass of int
        return "bool"
    if isinstance(default, int):
        return "int"
    if isinstance(default, float):
        return "float"
    return "str" if isinstance(default, str) else None


def read_options(
    options: Iterable[OptionInfo], values: Mapping[str, object]
) -> dict[str, OptionValue]:
    """The values that were given, each in its option's type.

    Raises: Invalid (unknown_option, wrong_option_type), one error for each wrong value.
    """
    known = {option.name: option for option in options}
    read: dict[str, OptionValue] = {}
    errors: list[FieldError] = []
    for name, value in values.items():
        field = f"handler_options.{plain(name)}"
        option = known.get(name)
        if option is None:
            errors.append(FieldError("unknown_option", _unknown(name, known), field))
            continue
        coerced = _coerce(option.type, value)
        if coerced is None:
            detail = f"The option {quoted(name)} takes {_IN_WORDS[option.type]}."
            errors.append(FieldError("wrong_option_type", detail, field))
            continue
        read[name] = coerced
    if errors:
        raise Invalid(*errors)
    return read


def _unknown(name: str, known: Mapping[str, OptionInfo]) -> str:
    there_are = f"its options are {', '.join(known)}" if known else "it has none"
    return f"The handler has no option {quoted(name)}; {there_are}."


def _coerce(kind: OptionType, value: object) -> OptionValue | None:
    """None: not of this type. Strict, but that a whole number is fine for a float."""
    if isinstance(value, bool):  # first: it is an int too, and must not pass for one
        return value if kind == "bool" else None
    if isinstance(value, str):
        return value if kind == "str" and is_text(value) else None
    if kind == "int":
        return value if isinstance(value, int) and value in _INT64 else None
    if kind == "float":
        return _finite(value)
    return None


def _finite(value: object) -> float | None:
    if isinstance(value, int) and value in _INT64:
        return float(value)
    return value if isinstance(value, float) and math.isfinite(value) else None
