"""Our parser, Chromium's and npm eventsource's read the same streams the same way."""

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.peers.conftest import NodeRun
from tests.peers.event_stream_cases import CASES, Case

# Pieces are apart in time too, or the peer's kernel would join them again. Above this many the
# pauses would take longer than they are worth.
PAUSE_SECONDS = 0.001
MAX_PAUSES = 400

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n"
    b"<!doctype html>"
)

# What both kinds of client run: `collect` resolves to a stream's events once it has ended.
COLLECT = """
const collect = (url, types) => new Promise((resolve) => {
  const events = [];
  const source = new EventSource(url);
  for (const type of types) {
    source.addEventListener(type, (event) => {
      // EventSource fires `open` and `error` of its own, which are no MessageEvent.
      if (event instanceof MessageEvent) {
        events.push([event.type, event.data, event.lastEventId]);
      } else if (event.type === "error") {
        source.close();
        resolve(events);
      }
    });
  }
});
const collectAll = async (urls, types) => {
  const answers = [];
  while (urls.length > 0) {
    // A browser opens six connections to one server.
    answers.push(...await Promise.all(urls.splice(0, 6).map((url) => collect(url, types))));
  }
  return answers;
};
"""


def whole(stream: bytes) -> list[bytes]:
    return [stream] if stream else []


def byte_by_byte(stream: bytes) -> list[bytes]:
    """Single bytes; of a long stream the first and the last, and what is between in odd pieces."""
    if len(stream) <= MAX_PAUSES:
        return [stream[i : i + 1] for i in range(len(stream))]
    edge = MAX_PAUSES // 4
    return [
        *byte_by_byte(stream[:edge]),
        *odd_pieces(stream[edge:-edge]),
        *byte_by_byte(stream[-edge:]),
    ]


def odd_pieces(stream: bytes) -> list[bytes]:
    """Pieces that grow, so that the cuts fall everywhere."""
    pieces: list[bytes] = []
    begin = 0
    for size in itertools.count(1):
        if begin >= len(stream):
            break
        pieces.append(stream[begin : begin + size])
        begin += size
    return pieces


SPLITS = {split.__name__: split for split in (whole, odd_pieces, byte_by_byte)}
SUBJECTS = [(case, split) for split in SPLITS for case in CASES]
TYPES = sorted({"open", "error", "message", "e", "f"} | {e.type for c in CASES for e in c.events})


class StreamServer:
    """Serves `/{index}` as that subject's stream, in HTTP chunks, and then closes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def urls(self) -> list[str]:
        return [f"{self.origin}/{index}" for index in range(len(SUBJECTS))]

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        # A browser opens connections that it never uses, and leaves others early.
        connection.settimeout(5)
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                received = connection.recv(65_536)
                if not received:
                    return
                head += received
            target = head.split(b" ", 2)[1].decode()[1:]
            if target.isdigit():
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._stream(connection, *SUBJECTS[int(target)])
            else:
                connection.sendall(PAGE)

    @staticmethod
    def _stream(connection: socket.socket, case: Case, split: str) -> None:
        pieces = SPLITS[split](case.stream)
        connection.sendall(HEAD)
        for number, piece in enumerate(pieces):
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            if number < MAX_PAUSES:
                time.sleep(PAUSE_SECONDS)
        connection.sendall(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def server() -> Iterator[StreamServer]:
    server = StreamServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def chromium_answers(server: StreamServer, chromium: Browser) -> list[list[list[str]]]:
    page = chromium.new_page()
    page.goto(server.origin)
    script = "async ([urls, types]) => {" + COLLECT + "return await collectAll(urls, types); }"
    answers: list[list[list[str]]] = page.evaluate(script, [server.urls(), TYPES])
    page.close()
    return answers


@pytest.fixture(scope="module")
def npm_answers(server: StreamServer, node_run: NodeRun) -> list[list[list[str]]]:
    script = (
        'import { EventSource } from "eventsource";\n'
        + COLLECT
        + "const [urls, types] = process.argv.slice(1).map(JSON.parse);\n"
        + "console.log(JSON.stringify(await collectAll(urls, types)));\n"
    )
    answers: list[list[list[str]]] = json.loads(
        node_run(script, json.dumps(server.urls()), json.dumps(TYPES))
    )
    return answers


numbered = pytest.mark.parametrize(
    "index", range(len(SUBJECTS)), ids=[f"{case}, {split}" for case, split in SUBJECTS]
)


def test_each_case_has_a_name_of_its_own_and_a_deviation_deviates() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    deviations = [(case, deviation) for case in CASES for deviation in case.deviations]
    assert {deviation.peer for _, deviation in deviations} <= {"chromium", "npm eventsource"}
    assert all(deviation.events != case.events for case, deviation in deviations)


@numbered
def test_our_parser_fires_what_the_standard_says(index: int) -> None:
    case, split = SUBJECTS[index]
    parser = EventStreamParser()
    events = [event for piece in SPLITS[split](case.stream) for event in parser.feed(piece)]
    assert events == list(case.events)


@numbered
def test_chromium_fires_what_our_parser_does(
    index: int, chromium_answers: list[list[list[str]]]
) -> None:
    events = [StreamEvent(*event) for event in chromium_answers[index]]
    assert events == list(SUBJECTS[index][0].answer_of("chromium"))


@numbered
def test_npm_eventsource_fires_what_our_parser_does(
    index: int, npm_answers: list[list[list[str]]]
) -> None:
    events = [StreamEvent(*event) for event in npm_answers[index]]
    assert events == list(SUBJECTS[index][0].answer_of("npm eventsource"))
