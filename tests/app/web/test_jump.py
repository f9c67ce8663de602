"""Going to a byte: which one is meant, why one is none, and where it stands on the tape."""

from __future__ import annotations

import html as html_module
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Payload, RequestDetail, TapeChunk, played
from app.web.jump import Byte, jump
from app.web.tape import LINE_LIMIT, TapeLine, tape
from tests.app.web.conftest import Panel, told
from tests.app.web.test_tape import NOTHING, detail


def of_chunks(*chunks: tuple[bool, bytes], kept: int | None = None) -> RequestDetail:
    both = [b"".join(data for inbound, data in chunks if inbound is way) for way in (True, False)]
    received, sent = (Payload(data[:kept], len(data), "ab") for data in both)
    sizes = ((inbound, at, len(data)) for at, (inbound, data) in enumerate(chunks))
    return detail(*played(sizes, received.prefix, sent.prefix), received=received, sent=sent)


TALK = of_chunks((True, b"a" * 20), (False, b"b" * 5), (True, b"c" * 20))


@pytest.mark.parametrize(
    ("of", "at", "byte"),
    [
        ("received", "0", Byte(True, 0)),
        ("received", " 0x27 ", Byte(True, 39)),
        ("received", "0X1F", Byte(True, 31)),
        ("received", "39", Byte(True, 39)),
        ("sent", "4", Byte(False, 4)),
        ("1", "19", Byte(True, 19)),
        ("2", "0x4", Byte(False, 4)),
        ("3", "0", Byte(True, 20)),
    ],
)
def test_a_byte_of_a_direction_or_of_a_chunk(of: str, at: str, byte: Byte) -> None:
    found = jump(TALK, of, at)
    assert (found.byte, found.error, found.of, found.at) == (byte, None, of, at)


@pytest.mark.parametrize(
    ("of", "at", "words"),
    [
        ("received", "x", "A byte is a number from 0 on: 500, or 0x1f4."),
        ("received", "-1", "A byte is a number from 0 on: 500, or 0x1f4."),
        ("received", "0x", "A byte is a number from 0 on: 500, or 0x1f4."),
        ("received", "9" * 99, "A byte is a number from 0 on: 500, or 0x1f4."),
        ("received", "40", "40 bytes were received: 0 to 39 (0x27)."),
        ("sent", "0xffff", "5 bytes were sent: 0 to 4 (0x4)."),
        ("2", "5", "5 bytes were in chunk 2: 0 to 4 (0x4)."),
        ("0", "0", "Chunks have numbers from 1 to 3."),
        ("4", "0", "Chunks have numbers from 1 to 3."),
        ("<b>", "0", "Chunks have numbers from 1 to 3."),
    ],
)
def test_what_is_no_byte_is_told(of: str, at: str, words: str) -> None:
    found = jump(TALK, of, at)
    assert (found.byte, found.error) == (None, words)


def test_what_was_not_kept_cannot_be_gone_to() -> None:
    some = of_chunks((True, b"a" * 20), (True, b"b" * 20), kept=25)
    assert jump(some, "received", "24").byte == Byte(True, 24)
    words = "Of 40 bytes that were received the first 25 were kept."
    assert jump(some, "received", "25").error == words
    assert jump(some, "2", "5").error == "That byte was not kept."
    none = of_chunks((True, b"a"), kept=0)
    assert jump(none, "received", "0").error == "Of 1 byte that was received none was kept."
    assert jump(none, "sent", "0").error == "No byte was sent."
    untaped = detail(TapeChunk(True, 0, 1, b"a"), received=Payload(b"ab", 2, ""), sent=NOTHING)
    assert "crossed after the end of this tape" in str(jump(untaped, "received", "1").error)


def test_an_empty_form_is_not_wrong() -> None:
    assert jump(TALK, "received", " ").error is None
    assert tape(TALK, marked=jump(TALK, "received", "").byte) == tape(TALK)


@given(
    st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=70)), min_size=1, max_size=6),
    st.data(),
)
def test_the_marked_byte_is_the_byte(
    pieces: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    talk = of_chunks(*pieces)
    number = data.draw(st.integers(1, len(pieces)))
    inbound, chunk = pieces[number - 1]
    offset = data.draw(st.integers(0, len(chunk) - 1))
    byte = jump(talk, str(number), hex(offset)).byte
    assert byte is not None
    payload = talk.received if inbound else talk.sent
    assert payload.prefix[byte.offset] == chunk[offset]
    marked = [
        line
        for line in tape(talk, marked=byte).lines
        if isinstance(line, TapeLine) and line.marked is not None
    ]
    assert len(marked) == 1
    assert marked[0].marked is not None
    shown = bytes.fromhex(" ".join(marked[0].hex))
    assert shown[marked[0].marked] == chunk[offset]


def test_of_a_long_tape_the_part_about_it_is_shown() -> None:
    lines = LINE_LIMIT * 2
    talk = of_chunks((True, bytes(16 * lines)))
    near = tape(talk, marked=Byte(True, 5))
    assert (near.earlier, len(near.lines), near.hidden) == (0, LINE_LIMIT, LINE_LIMIT)
    far = tape(talk, marked=Byte(True, 16 * lines - 1))
    assert (far.earlier, len(far.lines), far.hidden) == (lines - 1 - LINE_LIMIT // 2, 1001, 0)
    last = far.lines[-1]
    assert isinstance(last, TapeLine)
    assert last.marked == 15
    assert tape(talk, None, Byte(True, 16 * lines - 1)).earlier == 0


def test_the_page_marks_it_in_both_columns_and_says_what_is_wrong(panel: Panel) -> None:
    panel.define("echo")
    path = f"/requests/{panel.talk('echo', b'hello, <b>bold</b> world')}"
    html = panel.html(f"{path}?of=received&at=0x7")
    assert re.findall(r'<mark id="at">(.*?)</mark>', html) == ["3C"]
    assert [html_module.unescape(m) for m in re.findall(r"<mark>(.*?)</mark>", html)] == ["<"]
    assert 'value="0x7"' in html
    assert "<mark" not in panel.html(path)
    wrong = panel.html(f"{path}?of=sent&at=24", 422)
    assert told(wrong, "at") == "24 bytes were sent: 0 to 23 (0x17)."
    assert '<option value="sent" selected>' in wrong
    hostile = panel.html(f"{path}?of=%22%3E%3Cimg%3E&at=%22%3E%3Cimg%3E", 422)
    assert "<img" not in hostile
    assert 'class="jump"' in hostile
