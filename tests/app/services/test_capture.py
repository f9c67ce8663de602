from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Capture, CapturePolicy
from app.services.capture import BEYOND, MOST_BYTES, Keeper, without_words
from app.services.masks import Masks
from sockcore import ConnectionInfo
from sockcore.events import Bytes, RequestFinished
from tests.app.services.test_definitions import TCP, defined, faults
from tests.app.store.samples import content, finished, progressed

SECRET = b"hunter2"
MASK = ("text:hunter2",)


def keeper(**capture: Any) -> Keeper:
    return Keeper("echo", Capture(**capture))


def seen(data: bytes, keeper: Keeper) -> Bytes:
    """One direction as the tape of a server has it."""
    return content(data, kept=keeper.tape_bytes)


# -- read ---------------------------------------------------------------------------------


def test_a_definition_without_one_keeps_64_kib_unmasked() -> None:
    assert defined(TCP).capture == Capture(policy="full", bytes=65_536, mask=())


@pytest.mark.parametrize(
    ("capture", "fault"),
    [
        ({"policy": "half"}, ("unknown_policy", "capture.policy")),
        ({"policy": None}, ("wrong_type", "capture.policy")),
        ({"bytes": -1}, ("capture_range", "capture.bytes")),
        ({"bytes": MOST_BYTES + 1}, ("capture_range", "capture.bytes")),
        ({"bytes": "many"}, ("wrong_type", "capture.bytes")),
        ({"bytes": 1.5}, ("wrong_type", "capture.bytes")),
        ({"mask": "text:a"}, ("wrong_type", "capture.mask")),
        ({"mask": [1]}, ("wrong_type", "capture.mask")),
        ({"mask": ["text:a"] * 17}, ("too_many_masks", "capture.mask")),
        ({"mask": ["text:a", "re:("]}, ("bad_mask", "capture.mask")),
        ({"masks": []}, ("unknown_field", "capture.masks")),
        ([], ("wrong_type", "capture")),
    ],
)
def test_a_wrong_one_is_refused_at_its_field(capture: object, fault: tuple[str, str]) -> None:
    assert faults(capture=capture) == [fault]


@pytest.mark.parametrize("edge", [0, 1, MOST_BYTES])
def test_the_number_of_bytes_has_a_range(edge: int) -> None:
    assert defined({**TCP, "capture": {"bytes": edge}}).capture.bytes == edge


# -- how much -----------------------------------------------------------------------------


def test_what_is_whole_and_unmasked_is_not_touched() -> None:
    for event in (finished(1), progressed(1)):
        assert keeper().kept(event) is event


@pytest.mark.parametrize(("policy", "most"), [("full", 300), ("preview", 256), ("sizes", 0)])
def test_a_policy_keeps_so_many_bytes_and_the_rest_is_true(
    policy: CapturePolicy, most: int
) -> None:
    keeping = keeper(policy=policy, bytes=300)
    assert keeping.tape_bytes == most
    data = bytes(range(256)) * 2
    for kept in (keeping.kept(finished(1, data)), keeping.kept(progressed(1, data))):
        assert kept.received == content(data, kept=most)
        assert kept.chunks[0].size == 512


# -- masks --------------------------------------------------------------------------------


def test_a_match_over_two_chunks_is_masked_and_sizes_stay() -> None:
    event = keeper(mask=MASK).kept(finished(1, b"my hunter2!"))
    assert event.received == Bytes(b"my *******!", 11, b"")
    assert event.sent == Bytes(b"my *******!", 11, b"")
    assert event.chunks == finished(1, b"my hunter2!").chunks


def test_a_digest_is_kept_of_a_direction_seen_whole_without_a_match() -> None:
    event = finished(1, b"nothing", sent=content(b"hunter2"))
    kept = keeper(mask=MASK).kept(event)
    assert kept.received.sha256 == hashlib.sha256(b"nothing").digest()
    assert kept.sent.sha256 == b""


@given(st.integers(0, 3 * BEYOND), st.integers(0, BEYOND), st.sampled_from([0, 1, 255, 256, 4000]))
def test_no_part_of_a_text_is_kept_wherever_it_stands(before: int, after: int, most: int) -> None:
    keeping = keeper(bytes=most, mask=MASK)
    data = b"." * before + SECRET + b"." * after
    kept = keeping.kept(finished(1, received=seen(data, keeping))).received
    assert set(kept.prefix) <= set(b".*")
    assert (len(kept.prefix), kept.total) == (min(most, len(data)), len(data))
    assert not kept.sha256 or kept.sha256 != hashlib.sha256(data).digest()


def test_a_tape_begun_before_the_mask_loses_the_end_that_may_be_half_a_match() -> None:
    data = b"." * 5000 + SECRET
    kept = keeper(mask=MASK).kept(finished(1, received=content(data, kept=5003))).received
    assert kept == Bytes(b"." * (5003 - BEYOND), len(data), b"")


def test_sizes_with_a_mask_have_no_digest() -> None:
    keeping = keeper(policy="sizes", mask=MASK)
    assert keeping.tape_bytes == 0
    assert keeping.kept(finished(1, received=seen(SECRET, keeping))).received == Bytes(b"", 7, b"")


def test_an_open_request_under_a_mask_has_sizes_only() -> None:
    event = keeper(mask=MASK).kept(progressed(1, b"hunt"))
    assert event == replace(progressed(1, b"hunt"), received=content(b"hunt", kept=0))


def test_a_mask_that_fails_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Masks, data: bytes) -> bytes:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Masks, "over", fail)
    event = keeper(mask=MASK).kept(finished(1, SECRET, outcome="error", error="hunter2"))
    assert event.received == event.sent == Bytes(b"", 7, b"")
    assert "hunter2" not in repr(event)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_stored_mask_that_is_none_any_more_masks_all(caplog: pytest.LogCaptureFixture) -> None:
    assert keeper(mask=("re:(",)).kept(finished(1, SECRET)).received == Bytes(b"*" * 7, 7, b"")
    assert "all is masked" in caplog.text


@pytest.mark.parametrize(
    ("capture", "shown"),
    [({}, b"hunt"), ({"policy": "preview"}, b"hunt")]
    + [(hides, b"") for hides in ({"policy": "sizes"}, {"bytes": 0}, {"mask": MASK})],
)
def test_last_bytes_are_shown_where_the_policy_lets_them(
    capture: dict[str, Any], shown: bytes
) -> None:
    connection = ConnectionInfo(
        id=1, peer="p", opened_us=1, idle_s=0.0, bytes_in=4, bytes_out=0, fileno=3, thread=None,
        last_bytes=b"hunt",
    )  # fmt: skip
    assert keeper(**capture).shown(connection) == replace(connection, last_bytes=shown)


# -- what an error says -------------------------------------------------------------------

TRACEBACK = """Traceback (most recent call last):
  File "/h/a.py", line 7, in handle
    raise ValueError(data)
    ^^^^^^^^^^^^^^^^^^^^^^
  File "/h/b.py", line 9, in <module>
    hunter2()
ValueError: b'hunter2
  File "hunter2", line 1, in hunter2
hunter2: x'
"""


def test_a_traceback_keeps_places_and_type_alone() -> None:
    assert without_words(TRACEBACK) == (
        "Traceback (most recent call last):\n"
        '  File "/h/a.py", line 7, in handle\n'
        '  File "/h/b.py", line 9, in <module>\n'
        "ValueError (its words are not kept: they may quote what was sent)\n"
    )


@pytest.mark.parametrize(
    "error",
    [
        "hunter2\nhunter2: hunter2\n",  # the end of a long one
        f"{TRACEBACK}{'.' * 16_384}",  # this too may be such an end
        "hunter2 its process left with exit status 3",
        "  + Exception Group Traceback (most recent call last):\n  | hunter2\n",
        'Traceback (most recent call last):\n  File "<hunter2>", line 1\n    hunter2\n',
        "ValueError: hunter2\n",
        "its host process exited with status 1: hunter2",
        "",
    ],
)
def test_no_other_text_gets_through(error: str) -> None:
    assert without_words(error.replace("hunter2: ", "ValueError: ")).count("hunter2") == 0


@pytest.mark.parametrize(
    "words",
    [
        "its process left with exit status 3, amid the request",
        "its process was killed by SIGKILL",
        "its host process died of signal 9 (SIGKILL)",
    ],
)
def test_what_we_say_of_a_process_stays(words: str) -> None:
    assert without_words(words) == words


@pytest.mark.parametrize("capture", [{"policy": "sizes"}, {"mask": MASK}])
def test_errors_lose_their_words_with_the_bytes(capture: dict[str, Any]) -> None:
    event = keeper(**capture).kept(finished(1, outcome="error", error=TRACEBACK))
    assert "hunter2" not in repr(event)
    told = "TLS handshake: http request"
    handshake = finished(1, outcome="handshake", error=told)
    kept = keeper(**capture).kept(handshake)
    assert getattr(kept, "error", None) == told
    plain = keeper(policy="preview").kept(finished(1, outcome="error", error=TRACEBACK))
    assert getattr(plain, "error", None) == TRACEBACK


# -- the panel's own cookie -------------------------------------------------------------------

COOKIE = b"GET / HTTP/1.1\r\nCookie: sockpit-session=AqtJ-x3_Zk90bTq1Ew7RrYh2\r\n\r\n"
HIDDEN = COOKIE.replace(b"AqtJ-x3_Zk90bTq1Ew7RrYh2", b"*" * 24)


@pytest.mark.parametrize("capture", [{}, {"mask": ("text:sockpit-session",)}, {"bytes": 50}])
def test_the_cookie_of_the_panel_is_never_kept(capture: dict[str, Any]) -> None:
    keep = keeper(**capture)
    event = finished(1, received=seen(COOKIE, keep), sent=seen(COOKIE, keep))
    for way in (keep.kept(event).received, keep.kept(event).sent):
        assert b"Aqt" not in way.prefix
        assert (way.total, way.sha256) == (len(COOKIE), b"")
    if not capture:
        assert keep.kept(event).received.prefix == HIDDEN
    open_one = progressed(1, received=seen(COOKIE[:50], keep), sent=seen(b"", keep))
    assert b"Aqt" not in keep.kept(open_one).received.prefix


def told_by(keep: Keeper, event: RequestFinished) -> str | None:
    kept = keep.kept(event)
    assert isinstance(kept, RequestFinished)
    return kept.error


def test_an_error_does_not_quote_the_cookie_of_the_panel() -> None:
    keep = keeper()
    error = f"Traceback (most recent call last):\nValueError: {COOKIE!r}\n"
    told = told_by(keep, finished(1, outcome="error", error=error))
    assert told is not None
    assert "Aqt" not in told
    assert "ValueError" in told
    bare = error.replace(repr(COOKIE), "'AqtJ-x3_Zk90bTq1Ew7RrYh2'")
    with_it = finished(1, received=seen(COOKIE, keep), outcome="error", error=bare)
    assert "Aqt" not in str(told_by(keep, with_it))
