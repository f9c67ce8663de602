"""How a search line is refused: a code, and a sentence that quotes the word at fault.

Knows `q`, the field of every face that takes the line; knows nothing of the line itself.
"""

from __future__ import annotations

from app.errors import FieldError, Invalid

FIELD = "q"

#: Characters of a word that are shown; a key or a value is rarely longer.
SHOWN_LIMIT = 80


def refusal(code: str, detail: str) -> Invalid:
    """To be raised. `code` without its prefix, `search_`."""
    return Invalid(FieldError(f"search_{code}", detail, FIELD))


def shown(word: str) -> str:
    """`word` as it may stand in a sentence: one line, valid UTF-8, cut to a readable length."""
    cut = word if len(word) <= SHOWN_LIMIT else word[: SHOWN_LIMIT - 1] + "…"
    plain = "".join(char if char.isprintable() else "·" for char in cut)
    return f"`{plain}`"
