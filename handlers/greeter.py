"""A small line protocol: the example to copy for a server of your own.

    $ nc 127.0.0.1 20000
    Welcome. HELP lists the commands.
    TIME
    2026-11-23 22:14:54
    QUIT
    Goodbye.

A handler is a class; one instance of it answers one connection. Sockpit finds every handler class
in this folder by itself and offers this one as `greeter.py:Greeter`, for TCP and Unix sockets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from sockcore import StreamRequestHandler  # or: from socketserver import StreamRequestHandler

# A client that never ends its line must not fill our memory: this many bytes are a line.
LINE_LIMIT = 4096


class Greeter(StreamRequestHandler):
    """Greets, then answers HELP, TIME and QUIT."""

    # What the form in the browser offers: the name of an option, and a line of help. The class
    # attribute of that name is the default, and its type (bool, int, float, str) is the option's.
    options: ClassVar[Mapping[str, str]] = {
        "banner": "The line that greets a client.",
        "utc": "Tell UTC instead of local time.",
    }
    banner = "Welcome. HELP lists the commands."
    utc = False

    # Without this, servers that keep silent connections without a thread wait for the client's
    # first word before they call handle().
    speaks_first = True

    def handle(self) -> None:
        """Called once a connection. When it returns, the connection is closed."""
        self.say(self.banner)
        # readline() waits for the client; it gives b"" once the client has hung up.
        while line := self.rfile.readline(LINE_LIMIT):
            # What comes in is bytes, and any bytes: decide what becomes of those that are no text.
            command = line.decode("utf-8", "replace").strip().upper()
            if command == "QUIT":
                self.say("Goodbye.")
                return
            if command:
                self.say(self.answer(command))

    def answer(self, command: str) -> str:
        if command == "HELP":
            return "Commands: HELP, TIME, QUIT."
        if command == "TIME":
            now = time.gmtime() if self.utc else time.localtime()
            return time.strftime("%Y-%m-%d %H:%M:%S", now)
        return "Unknown command. HELP lists the commands."

    def say(self, text: str) -> None:
        # One write a line: every write to wfile goes out at once.
        self.wfile.write(text.encode("utf-8") + b"\n")
