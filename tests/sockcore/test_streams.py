"""A connection that is one request."""

from __future__ import annotations

import os
import socket

from sockcore.limits import Limits
from sockcore.streams import Stream
from sockcore.tape import Tape
from tests.sockcore.records import stream


def test_stream_is_one_request_until_it_is_over() -> None:
    connection = stream()
    assert connection.request is connection.connection is connection
    connection.finished = True
    assert connection.request is None


def test_local_stream_is_written_as_its_process() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert Stream(1, "", Tape(Limits()), near).peer == f"pid {os.getpid()}"
