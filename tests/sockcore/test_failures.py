"""Tracebacks: the text is that of the stdlib, made and kept once for the same failure."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

import sockcore
from sockcore import RequestFinished
from sockcore.failures import Tracebacks
from tests.sockcore.serving import ask
from tests.sockcore.watching import LOOPBACK, watched


def deeper(message: object) -> None:
    raise ValueError(message)


def fails(message: object = "no") -> None:
    deeper(message)


def noted() -> None:
    error = ValueError("no")
    error.add_note("a note")
    raise error


def chained() -> None:
    try:
        fails()
    except ValueError as error:
        raise KeyError("outer") from error


def within() -> None:
    try:
        fails()
    finally:
        fails("again")


def grouped() -> None:
    raise ExceptionGroup("all", [ValueError(1), KeyError(2)])


def no_syntax() -> None:
    compile("a b", "there", "exec")


def too_deep() -> None:
    too_deep()


def caught(call: Callable[[], object]) -> tuple[BaseException, str]:
    try:
        call()
    except BaseException as error:
        return error, traceback.format_exc()
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    "call", [fails, noted, chained, within, grouped, no_syntax, too_deep], ids=lambda f: f.__name__
)
def test_text_is_that_of_the_stdlib_at_first_and_again(call: Callable[[], object]) -> None:
    tracebacks = Tracebacks()
    for _ in range(2):
        error, expected = caught(call)
        assert tracebacks.text(error) == expected[-16 * 1024 :]


def test_same_failure_is_the_same_text() -> None:
    tracebacks = Tracebacks()
    first, second = (tracebacks.text(caught(fails)[0]) for _ in range(2))
    assert first is second


def test_other_message_at_the_same_place_is_told() -> None:
    tracebacks = Tracebacks()
    for message in ("one", "two", "one"):
        text = tracebacks.text(caught(lambda m=message: fails(m))[0])  # type: ignore[misc]
        assert text.endswith(f"ValueError: {message}\n")


def test_other_way_to_the_same_place_is_told() -> None:
    tracebacks = Tracebacks()
    assert "in fails\n" in tracebacks.text(caught(fails)[0])
    assert "in fails\n" not in tracebacks.text(caught(lambda: deeper("no"))[0])


def test_it_does_not_grow_without_end() -> None:
    tracebacks = Tracebacks()
    kinds = [type(f"Error{n}", (Exception,), {}) for n in range(500)]

    def fail_by(kind: type[Exception]) -> None:
        raise kind("no")

    for kind in kinds:
        assert kind.__name__ in tracebacks.text(caught(lambda k=kind: fail_by(k))[0])  # type: ignore[misc]
    assert len(tracebacks._texts) <= 64


def test_r25_a_thousand_failures_share_one_text(capfd: pytest.CaptureFixture[str]) -> None:
    class Failing(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            fails()

    with watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Failing)) as w:
        for _ in range(1000):
            assert ask(w.server.address) == b""
        texts = [event.error for event in w.heard.wait_for(RequestFinished, 1000)]
        assert w.server.totals().errors_total == 1000
        assert ask(w.server.address) == b""
    # Threads that fail for the first time at one moment may make it twice.
    assert len({id(text) for text in texts}) <= 3
    assert len(set(texts)) == 1
    assert (texts[0] or "").endswith("ValueError: no\n")
    assert capfd.readouterr().err.count("ValueError: no") == 1001
