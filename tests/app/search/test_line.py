"""The search line by example: what each key takes, and what is said of what none takes."""

from __future__ import annotations

import pytest

from app.errors import Invalid
from app.search.line import KEYS, MOST_CHARS, MOST_WORDS, chips, parse
from app.search.line import format as format_line
from app.search.terms import Compare, Contains, Filter, Is, Moment, Since, Term, Until

#: 2026-11-23T00:00:00Z
DAY_US = 1_795_392_000_000_000


def text(written: str, negated: bool = False) -> Contains:
    return Contains(written.encode(), exact=False, negated=negated)


def ago(seconds: int) -> Moment:
    return Moment(ago_s=seconds)


def at(us: int) -> Moment:
    return Moment(us=DAY_US + us)


@pytest.mark.parametrize(
    ("line", "term", "canonical"),
    [
        ("server:clock", Is("server", "clock"), "server:clock"),
        ("SERVER:Clock", Is("server", "Clock"), "server:Clock"),
        ('server:"my server"', Is("server", "my server"), 'server:"my server"'),
        ('server:"clock"', Is("server", "clock"), "server:clock"),
        ("-server:clock", Is("server", "clock", negated=True), "-server:clock"),
        ("server://x", Is("server", "//x"), "server://x"),
        ("peer:10.0.", Is("peer", "10.0."), "peer:10.0."),
        ("peer:[::1]:5", Is("peer", "[::1]:5"), "peer:[::1]:5"),
        ('-peer:"pid 42"', Is("peer", "pid 42", negated=True), '-peer:"pid 42"'),
        ("kind:udp", Is("kind", "udp"), "kind:udp"),
        ("-kind:Unix-Datagram", Is("kind", "unix-datagram", negated=True), "-kind:unix-datagram"),
        ("outcome:error", Is("outcome", "error"), "outcome:error"),
        ("outcome:lost", Is("outcome", "lost"), "outcome:lost"),
        ("size:>1k", Compare("size", ">", 1024), "size:>1k"),
        ("size:>=1.5K", Compare("size", ">=", 1536), "size:>=1536"),
        ("size:<2kb", Compare("size", "<", 2000), "size:<2000"),
        ("size:<=3MiB", Compare("size", "<=", 3 * 1024**2), "size:<=3m"),
        ("size:1g", Compare("size", "=", 1024**3), "size:=1g"),
        ("size:=0", Compare("size", "=", 0), "size:=0"),
        ("took:>100ms", Compare("took", ">", 100_000), "took:>100ms"),
        ("took:<250us", Compare("took", "<", 250), "took:<250us"),
        ("took:<250µs", Compare("took", "<", 250), "took:<250us"),
        ("took:>=1.5s", Compare("took", ">=", 1_500_000), "took:>=1500ms"),
        ("took:>60s", Compare("took", ">", 60_000_000), "took:>1m"),
        ("took:>2h", Compare("took", ">", 7_200_000_000), "took:>2h"),
        ("took:=0s", Compare("took", "=", 0), "took:=0us"),
        ("after:-15m", Since(ago(900)), "after:-15m"),
        ("after:-60m", Since(ago(3600)), "after:-1h"),
        ("before:-7d", Until(ago(7 * 86_400)), "before:-7d"),
        ("before:-0s", Until(ago(0)), "before:-0s"),
        ("after:2026-11-23", Since(at(0)), "after:2026-11-23"),
        ("before:2026-11-23T10:00", Until(at(36_000_000_000)), "before:2026-11-23T10:00"),
        ("before:2026-11-23T10:00Z", Until(at(36_000_000_000)), "before:2026-11-23T10:00"),
        ('before:"2026-11-23 10:00"', Until(at(36_000_000_000)), "before:2026-11-23T10:00"),
        ("after:2026-11-23t00:00:30z", Since(at(30_000_000)), "after:2026-11-23T00:00:30"),
        ("after:2026-11-23T00:00:30.5", Since(at(30_500_000)), "after:2026-11-23T00:00:30.5"),
        (
            "after:2026-11-23T00:00:30.123456",
            Since(at(30_123_456)),
            "after:2026-11-23T00:00:30.123456",
        ),
        ("hex:0D0a00", Contains(b"\r\n\0", exact=True), "hex:0d0a00"),
        ('-hex:"0d 0a"', Contains(b"\r\n", exact=True, negated=True), "-hex:0d0a"),
        ("ping", text("ping"), "ping"),
        ("-ping", text("ping", negated=True), "-ping"),
        ('"PING"', text("PING"), "PING"),
        ('"two words"', text("two words"), '"two words"'),
        ('-"two words"', text("two words", negated=True), '-"two words"'),
        (r'"a \"b\" \\ c"', text(r'a "b" \ c'), r'"a \"b\" \\ c"'),
        (r"C\d", text(r"C\d"), r"C\d"),
        ('"-ping"', text("-ping"), '"-ping"'),
        ('-"-ping"', text("-ping", negated=True), '-"-ping"'),
        ('"-"', text("-"), '"-"'),
        ('"server:clock"', text("server:clock"), '"server:clock"'),
        ("http://x/?a=b", text("http://x/?a=b"), '"http://x/?a=b"'),
        ("12:30", text("12:30"), "12:30"),
        ("X-Forwarded-For:", text("X-Forwarded-For:"), "X-Forwarded-For:"),
        (":", text(":"), ":"),
        ("時鐘:x", text("時鐘:x"), "時鐘:x"),
        ("{a:1}", text("{a:1}"), "{a:1}"),
    ],
)
def test_one_word(line: str, term: Term, canonical: str) -> None:
    assert parse(line) == Filter((term,))
    assert format_line(parse(line)) == canonical
    assert parse(canonical) == Filter((term,))


def test_words_are_conditions_of_one_filter() -> None:
    line = '  server:clock dir:in\tpeer:10.0.\nkind:udp "a b"\u3000-ping hex:0d0a00 '
    assert parse(line) == Filter(
        (
            Is("server", "clock"),
            Is("peer", "10.0."),
            Is("kind", "udp"),
            text("a b"),
            text("ping", negated=True),
            Contains(b"\r\n\0", exact=True),
        ),
        "in",
    )
    # The direction goes where it is read best: before the first text.
    assert format_line(parse(line)) == (
        'server:clock peer:10.0. kind:udp dir:in "a b" -ping hex:0d0a00'
    )


@pytest.mark.parametrize("line", ["", " ", "\n\t"])
def test_nothing_asks_for_everything(line: str) -> None:
    assert parse(line) == Filter()
    assert format_line(Filter()) == ""
    assert chips(Filter()) == ()


@pytest.mark.parametrize("line", ["dir:out", "DIR:Out", "dir:out dir:out", 'dir:"out"'])
def test_direction(line: str) -> None:
    assert parse(line) == Filter(direction="out")
    assert format_line(parse(line)) == "dir:out"


def test_direction_without_a_text_comes_last() -> None:
    assert format_line(parse("dir:in server:a")) == "server:a dir:in"


def test_chips_are_the_conditions_and_the_lines_without_them() -> None:
    found = chips(parse('server:a server:b dir:in "x y" -z'))
    assert [(chip.text, chip.without) for chip in found] == [
        ("server:a", 'server:b dir:in "x y" -z'),
        ("server:b", 'server:a dir:in "x y" -z'),
        ("dir:in", 'server:a server:b "x y" -z'),
        ('"x y"', "server:a server:b dir:in -z"),
        ("-z", 'server:a server:b dir:in "x y"'),
    ]


def test_groups_of_a_filter() -> None:
    found = parse("server:a -server:b server:c size:>1 after:-1m before:-1s x -y kind:tcp")
    assert found.alternatives("server") == ("a", "c")
    assert found.excluded("server") == ("b",)
    assert found.alternatives("outcome") == ()
    assert found.comparisons == (Compare("size", ">", 1),)
    assert (found.since, found.until) == ((ago(60),), (ago(1),))
    assert found.contains == (text("x"), text("y", negated=True))


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("url:x", "unknown_key", '`"url:x"`'),
        ("-url:x", "unknown_key", '`-"url:x"`'),
        ("port:", "unknown_key", "server, peer, kind, outcome, dir, size, took"),
        ('http:"//x"', "unknown_key", "`http`"),
        ("server:", "empty", "`server:`"),
        ('server:""', "empty", '`server:""`'),
        ("server: clock", "empty", "without a space"),
        ("hex:", "empty", "`hex:`"),
        ('ping ""', "empty", "empty text"),
        ('-""', "empty", '`-""`'),
        ("-", "dash", '`"-"`'),
        ("--help", "dash", '`"--help"`'),
        ("-size:>1k", "negated", "`-size:>1k`"),
        ("-dir:in", "negated", "server, peer, kind, outcome, hex"),
        ("-after:-1m", "negated", "turn the condition round"),
        ("kind:ftp", "unknown_kind", "tcp, udp, unix, unix-datagram"),
        ("outcome:fine", "unknown_outcome", "suppressed, lost"),
        ("dir:up", "unknown_dir", "dir:in or dir:out"),
        ("dir:in x dir:out", "two_dirs", "`dir:out`"),
        ("size:big", "bad_size", "size:>1k"),
        ("size:>1t", "bad_size", "`size:>1t`"),
        ("size:-1", "bad_size", "`size:-1`"),
        ("size:>0.3k", "bad_size", "no whole number of bytes"),
        ("size:>9223372036854775808", "bad_size", "take less"),
        ("took:>100", "bad_took", "us, ms, s, m or h"),
        ("took:>1d", "bad_took", "`took:>1d`"),
        ("took:>0.5us", "bad_took", "no whole number of microseconds"),
        ("took:!5s", "bad_took", "`took:!5s`"),
        ("after:15m", "bad_time", "-15m"),
        ("after:-5ſ", "bad_time", "`after:-5ſ`"),
        ("after:-9999999d", "bad_time", "a thousand years"),
        ("after:today", "bad_time", "`after:today`"),
        ("before:2026-02-30", "bad_time", "no such time"),
        ("before:2026-11-23T25:00", "bad_time", "no such time"),
        ("before:0000-01-01", "bad_time", "no such time"),
        ("before:2026-11-23Z", "bad_time", "`before:2026-11-23Z`"),
        ("before:2026-11-23T10:00+01:00", "bad_time", "UTC"),
        ("hex:0d0", "bad_hex", "`hex:0d0`"),
        ("hex:xy", "bad_hex", "two digits"),
        ('hex:" "', "bad_hex", "two digits"),
        ('hex:"0d0 a"', "bad_hex", '`hex:"0d0 a"`'),
        ('"ping', "open_quote", '`"ping`'),
        ('server:"my server', "open_quote", "has no end"),
        (r'"ping\"', "open_quote", "has no end"),
        ('a"b', "stray_quote", '`a"b`'),
        ('"a"b c', "stray_quote", '`"a"b`'),
        ('"server":x', "stray_quote", '`"server":x`'),
        (r'"a\n"', "escape", r"`\n`"),
        ('"a\nb"', "line_break", '`"a·b"`'),
        ('"a\\\nb"', "line_break", "hex:0d0a"),
        ("a\0b", "character", "hex:00"),
        ('"\udcff"', "character", "hex:ff"),
        ("x" * (MOST_CHARS + 1), "too_long", "x…`"),
        ("x " * (MOST_WORDS + 1), "too_many", "`x`"),
    ],
)
def test_what_is_wrong_is_told_with_the_way_out(line: str, code: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(line)
    (error,) = refused.value.fields
    assert (error.code, error.field) == (f"search_{code}", "q")
    assert said in error.detail
    assert error.detail.endswith(".")
    assert len(error.detail) < 400


def test_as_long_as_it_may_be() -> None:
    assert len(parse("x " * MOST_WORDS).terms) == MOST_WORDS
    assert parse("x" * MOST_CHARS).contains == (text("x" * MOST_CHARS),)


def test_a_line_whose_canonical_form_is_too_long_is_refused_too() -> None:
    line = f"size:>9gb {'x' * (MOST_CHARS - 10)}"
    assert len(line) == MOST_CHARS
    with pytest.raises(Invalid, match="more than 1000 characters"):
        parse(line)


def test_every_key_is_read() -> None:
    for key in KEYS:
        with pytest.raises(Invalid, match="has no value"):
            parse(f"{key}:")
