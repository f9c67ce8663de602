"""The search line of anything at all: what comes out of it goes back into it."""

from __future__ import annotations

import sys

from hypothesis import example, given

from app.errors import Invalid
from app.search.line import Chip, chips, parse
from app.search.line import format as format_line
from app.search.terms import Filter
from tests.app.search.filters import filters, lines


@given(filters)
def test_a_filter_survives_its_line(found: Filter) -> None:
    assert parse(format_line(found)) == found


def told_well(refused: Invalid) -> None:
    assert [error.field for error in refused.fields] == ["q"]
    assert refused.code.startswith("search_")
    assert "\n" not in refused.detail
    assert refused.detail.encode("utf-8")


@given(lines)
@example("-5ſ")
@example("http://")
def test_a_line_is_understood_or_refused_and_its_canonical_form_stays(line: str) -> None:
    try:
        found = parse(line)
    except Invalid as refused:
        told_well(refused)
        return
    assert parse(format_line(found)) == found
    assert format_line(parse(format_line(found))) == format_line(found)


@given(filters)
def test_a_chip_is_one_condition_and_the_line_without_it(found: Filter) -> None:
    rest = [chip for chip in chips(found) if not chip.text.startswith("dir:")]
    assert len(rest) == len(found.terms)
    for index, (term, chip) in enumerate(zip(found.terms, rest, strict=True)):
        others = found.terms[:index] + found.terms[index + 1 :]
        assert parse(chip.text) == Filter((term,))
        assert parse(chip.without) == Filter(others, found.direction)
    if found.direction:
        chip = Chip(f"dir:{found.direction}", format_line(Filter(found.terms)))
        assert chip in chips(found)


def test_what_separates_words_is_what_makes_quotes_needed() -> None:
    for code in range(sys.maxunicode + 1):
        if chr(code).isspace():
            assert len(parse(f"a{chr(code)}b").terms) == 2, hex(code)
