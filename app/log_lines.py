"""Sockpit's own log: a message is one line, whatever strangers had a part in it.

Names, paths and errors come from others. As they are they could end a line and forge the next
one, or clear, colour and reorder the terminal that shows the log. So what controls is spelt out,
and the lines of a traceback are set in: no line that begins at the margin was made by a message.
"""

from __future__ import annotations

import logging
import sys
import threading
import unicodedata

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

#: Before each line of a traceback.
MARGIN = "    "

#: C0, DEL and C1; what turns, joins and hides characters; line ends of Unicode; halves of pairs.
_CONTROLLING = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def spelt_out(text: str) -> str:
    """`text` without anything that controls: `\\x1b`, `\\u202e` and the like in its place."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_spelt, text))


def _spelt(character: str) -> str:
    if unicodedata.category(character) not in _CONTROLLING:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class LineFormatter(logging.Formatter):
    """One line for a record, and set in below it those of its traceback. Thread: any."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        below: list[str] = []
        # Not `record.exc_text`: another formatter may have put there what it made of it.
        if record.exc_info:
            below += self.formatException(record.exc_info).split("\n")
        if record.stack_info:
            below += self.formatStack(record.stack_info).split("\n")
        lines = [spelt_out(self.formatMessage(record))]
        return "\n".join([*lines, *(MARGIN + spelt_out(line) for line in below)])


def install() -> None:
    """Let every logger of this process write such lines to stderr, from `INFO` on; warnings and
    what ends a thread too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    threading.excepthook = _thread_died


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is None or isinstance(died.exc_value, SystemExit):
        return
    name = died.thread.name if died.thread else "that is gone"
    told = (died.exc_type, died.exc_value, died.exc_traceback)
    logging.getLogger("app").critical("the thread %s died", name, exc_info=told)
