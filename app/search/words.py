r"""A search line cut into words, and words written so that they come out of it again.

    word   = ["-"] [key ":"] value        key: letters of ASCII, in either case
    value  = bare | '"' quoted '"'        quoted: \" is a quote and \\ a backslash
    bare   = anything but white space and quotes; a backslash is just that

White space of any script separates words, line breaks too; within quotes a line break is refused,
for a browser's field would drop it. NUL is refused everywhere.

Knows quotes and dashes; knows nothing of which keys there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.search.refusals import refusal, shown

_SPACE = re.compile(r"\s*")
_HEAD = re.compile(r"(-?)(?:([A-Za-z]+):)?")
_BARE = re.compile(r'[^\s"]*')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WORD = re.compile(r"\S+")
_KEYED = re.compile(r"[A-Za-z]+:")

_BREAK_HINT = "Line ends and NULs are looked for as hex: hex:0d0a, hex:00."


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word. `value` is without quotes and escapes."""

    text: str  # as it was typed
    negated: bool
    key: str | None  # as it was typed
    value: str
    quoted: bool


def split(line: str) -> Iterator[Word]:
    """The words of the line. Raises: Invalid, when it comes to the word at fault."""
    refuse_characters(line)
    position = _end(_SPACE, line, 0)
    while position < len(line):
        head = _HEAD.match(line, position)
        assert head is not None  # it also matches nothing
        quoted = line.startswith('"', head.end())
        end = _quoted_end(line, head.end()) if quoted else _end(_BARE, line, head.end())
        text = line[position:end]
        if end < len(line) and not line[end].isspace():
            raise _stray_quote(line, position)
        value = line[head.end() : end]
        yield Word(
            text=text,
            negated=bool(head[1]),
            key=head[2],
            value=_unescaped(value[1:-1], text) if quoted else value,
            quoted=quoted,
        )
        position = _end(_SPACE, line, end)


def refuse_characters(line: str) -> None:
    """Raises: Invalid for what is no text, or ends one in a database or a browser's field."""
    if "\0" in line:
        raise refusal("character", f"There is a NUL in the line. {_BREAK_HINT}")
    if any("\ud800" <= char <= "\udfff" for char in line):
        detail = "The line has bytes that are no UTF-8 text. Search for them as hex: hex:ff."
        raise refusal("character", detail)


def written(value: str) -> str:
    """A value after its key: in quotes only where it needs them."""
    if value and not any(char.isspace() or char == '"' for char in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def written_text(text: str) -> str:
    """A word that is text, and neither negated nor a key's."""
    bare = written(text)
    if bare == text and (text.startswith("-") or _KEYED.match(text)):
        escaped = text.replace("\\", "\\\\")
        return f'"{escaped}"'
    return bare


def _end(pattern: re.Pattern[str], line: str, position: int) -> int:
    """Where the match from there ends; the pattern also matches nothing."""
    found = pattern.match(line, position)
    assert found is not None
    return found.end()


def _quoted_end(line: str, position: int) -> int:
    found = _QUOTED.match(line, position)
    if found is None:
        detail = f'The quote that begins with {shown(line[position:])} has no end: add a ".'
        raise refusal("open_quote", detail)
    return found.end()


def _stray_quote(line: str, position: int) -> Exception:
    found = _WORD.match(line, position)
    assert found is not None
    return refusal(
        "stray_quote",
        f"There is a quote amid {shown(found[0])}: put the whole text in quotes, and write"
        r" \" for a quote within it.",
    )


def _unescaped(inner: str, text: str) -> str:
    if "\n" in inner or "\r" in inner:
        raise refusal("line_break", f"There is a line break within {shown(text)}. {_BREAK_HINT}")

    def one(escape: re.Match[str]) -> str:
        if escape[1] in '"\\':
            return escape[1]
        detail = rf"{shown(escape[0])} in {shown(text)} is no escape: write \\ for a backslash."
        raise refusal("escape", f"{detail} {_BREAK_HINT}")

    return _ESCAPE.sub(one, inner)
