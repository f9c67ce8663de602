"""What a user typed, made fit to stand in a sentence: short, and valid UTF-8."""

from __future__ import annotations

#: Characters. A field name is short; what is longer was never one.
SHOWN_LIMIT = 80


def is_text(value: str) -> bool:
    """False with a lone surrogate in it: JSON can spell one, but no database or page takes it."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def as_text(value: str) -> str:
    """`value` with lone surrogates spelled out; else unchanged."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def plain(value: str) -> str:
    """`value` as text, cut to a readable length."""
    return as_text(value if len(value) <= SHOWN_LIMIT else value[: SHOWN_LIMIT - 1] + "…")


def quoted(value: str) -> str:
    return f'"{plain(value)}"'
