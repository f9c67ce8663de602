"""Reading values out of an untrusted mapping, and collecting what is wrong with them.

Knows types, ranges and the words for them; not what the fields mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from app.errors import AppError, FieldError, Invalid
from app.handlers.quote import plain, quoted

C = TypeVar("C", bound=str)


class FieldReader:
    """What is wrong is noted, and None stands in its place; `settle` raises all of it."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []
        self._refusals: list[AppError] = []

    def mapping(self, value: object, path: str) -> Mapping[str, object]:
        """`value`, if it is an object; else empty."""
        if isinstance(value, Mapping):
            return value
        self.wrong("wrong_type", f"{path or 'The body'} must be an object of named values.", path)
        return {}

    def known(self, value: object, path: str, keys: tuple[str, ...]) -> Mapping[str, object]:
        """What of `value` is named in `keys`, in their order; all else is an unknown field."""
        given = self.mapping(value, path)
        for key in given:
            if key not in keys:
                detail = f"There is no field {quoted(key)} here; there are {', '.join(keys)}."
                self.wrong("unknown_field", detail, f"{path}.{plain(key)}".lstrip("."))
        return {key: given[key] for key in keys if key in given}

    def text(self, given: Mapping[str, object], path: str) -> str | None:
        """The text at `path`, whose last part is its key in `given`."""
        value = self._value(given, path)
        if value is None or isinstance(value, str):
            return value
        self.wrong("wrong_type", f"{path} must be a text.", path)
        return None

    def whole(self, given: Mapping[str, object], path: str) -> int | None:
        """A whole number, in JSON too: 80.0 is none, and neither is true."""
        value = self._value(given, path)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self.wrong("wrong_type", f"{path} must be a whole number.", path)
        return None

    def number(self, given: Mapping[str, object], path: str) -> int | float | None:
        value = self._value(given, path)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        self.wrong("wrong_type", f"{path} must be a number.", path)
        return None

    def texts(self, given: Mapping[str, object], path: str) -> tuple[str, ...] | None:
        """A list of texts."""
        value = self._value(given, path)
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        if value is not None:
            self.wrong("wrong_type", f"{path} must be a list of texts.", path)
        return None

    def choice(self, given: Mapping[str, object], path: str, choices: tuple[C, ...]) -> C | None:
        value = self.text(given, path)
        for choice in choices:
            if choice == value:
                return choice
        if value is not None:
            word = path.rpartition(".")[2]
            detail = f"There is no {word} {quoted(value)}. Choose one of: {', '.join(choices)}."
            self.wrong(f"unknown_{word}", detail, path)
        return None

    def _value(self, given: Mapping[str, object], path: str) -> object:
        """None: it is missing, or null, and that has been told."""
        key = path.rpartition(".")[2]
        value = given.get(key)
        if key not in given:
            self.wrong("missing_field", f"{path} is needed.", path)
        elif value is None:
            self.wrong("wrong_type", f"{path} must not be null; leave it out instead.", path)
        return value

    def wrong(self, code: str, detail: str, path: str) -> None:
        self._errors.append(FieldError(code, detail, path))

    def refuse(self, *refusals: AppError) -> None:
        """Note what somebody else found."""
        for refusal in refusals:
            if isinstance(refusal, Invalid):
                self._errors += refusal.fields
            else:
                self._refusals.append(refusal)

    def settle(self) -> None:
        """Wrong fields first: what is forbidden or taken may not be what is meant in the end."""
        if self._errors:
            raise Invalid(*self._errors)
        if self._refusals:
            raise self._refusals[0]
