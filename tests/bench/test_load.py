"""The load of a benchmark: it says what it is to say, as often, and hears every wrong answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from bench.loads import WrongAnswer
from bench.log.load import Paced, line, loaded
from tests.waiting import eventually

HEARD: set[bytes] = set()


class Echo(StreamRequestHandler):
    def handle(self) -> None:
        for said in self.rfile:
            HEARD.add(said)
            self.wfile.write(said)


class Wrong(Echo):
    def handle(self) -> None:
        self.wfile.write(self.rfile.readline().upper())


class Server(ThreadingTCPServer):
    request_queue_size = 512  # more than are ever under way


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    HEARD.clear()
    with Server(("127.0.0.1", 0), request.param) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("port", [Echo], indirect=True)
def test_everything_said_is_answered_and_told(port: int) -> None:
    paced = Paced(port, 200)
    paced.run(0.2)
    count = len(paced.said.at)
    assert count > 0
    assert {line(number) for number in range(count)} == HEARD
    assert paced.said.at.keys() == set(range(count))
    assert len(paced.said.waits) == count
    assert all(wait > 0 for _, wait in paced.said.waits)
    first, last = paced.said.waits[0][0], paced.said.waits[-1][0]
    assert len(paced.said.between(first, last)) == sum(at < last for at, _ in paced.said.waits)


@pytest.mark.parametrize("port", [Echo], indirect=True)
def test_in_a_process_it_goes_on_until_it_is_ended(port: int) -> None:
    with loaded(port, 200, 60) as load:
        eventually(lambda: len(HEARD) > 10)
        said = load.said()
    assert {line(number) for number in said.at} == HEARD
    assert len(said.waits) == len(said.at)


@pytest.mark.parametrize("port", [Wrong], indirect=True)
def test_wrong_answer_ends_it(port: int) -> None:
    with pytest.raises(WrongAnswer, match="instead of"):
        Paced(port, 10).run(0.1)
