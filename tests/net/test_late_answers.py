"""Endpoints that cannot answer at once, and what happens on their connections meanwhile."""

import asyncio
import socket
from collections.abc import Awaitable

import pytest

from sse_server.http.request import Request
from sse_server.http.response import Answer, EventStream, Response
from sse_server.net.connection import Connection
from sse_server.promise import Promise
from tests.http2_client import Http2Client
from tests.running_server import RunningServer, wait_until

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class LateEndpoint:
    """Answers when it is told to, by a coroutine or by a promise; `/healthz` at once."""

    def __init__(self, running: RunningServer, *, promises: bool) -> None:
        self.running = running
        self.promises = promises
        self.ready = running.call(asyncio.Event)
        self.cancelled = 0
        self.began = 0
        self.router = running.server._site.endpoint
        running.server._site.endpoint = self
        self._promised: list[Promise[None]] = []

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        if request.path == b"/healthz":
            return self.router(request)
        return self.promise(request) if self.promises else self.later(request)

    def promise(self, request: Request) -> Promise[Answer]:
        self.began += 1
        promise: Promise[None] = Promise()
        if self.ready.is_set():
            asyncio.get_running_loop().call_soon(promise.keep, None)
        else:
            self._promised.append(promise)
        return promise.then(lambda _ready: self.answer(request))

    async def later(self, request: Request) -> Answer:
        self.began += 1
        try:
            await self.ready.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.answer(request)

    def answer(self, request: Request) -> Answer:
        if request.path == b"/broken":
            raise ZeroDivisionError
        if request.path == b"/cancelled":
            raise asyncio.CancelledError
        if request.path.startswith(b"/events"):
            answer = self.router(request)
            assert isinstance(answer, EventStream)
            return answer
        return Response(200, (), request.path)

    def release(self) -> None:
        self.running.call(self._release)

    def _release(self) -> None:
        self.ready.set()
        for promise in self._promised:
            promise.keep(None)


@pytest.fixture(params=["a coroutine", "a promise"])
def late(request: pytest.FixtureRequest, running: RunningServer) -> LateEndpoint:
    """Each test with both kinds of answers."""
    return LateEndpoint(running, promises=request.param == "a promise")


@pytest.fixture
def coroutine(running: RunningServer) -> LateEndpoint:
    """One whose answers can be cancelled."""
    return LateEndpoint(running, promises=False)


def test_late_answers_keep_the_order_of_what_is_pipelined(
    running: RunningServer, late: LateEndpoint
) -> None:
    with running.client() as client, running.client() as other:
        for path in ("/1", "/healthz", "/2", "/3", "/healthz"):
            client.get(path)
        wait_until(lambda: late.began == 1, "the first is being answered")
        other.get("/healthz")
        assert other.read_answer().status == 200
        late.release()
        bodies = [client.read_answer().body for _ in range(5)]
        assert [bodies[0], bodies[2], bodies[3]] == [b"/1", b"/2", b"/3"]


def test_what_waits_behind_a_late_answer_is_bounded(
    running: RunningServer, late: LateEndpoint
) -> None:
    with running.client() as client:
        client.get("/1")
        wait_until(lambda: late.began == 1, "it is being answered")
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                client.send(GET * 1_000)
        (connection,) = running.call(lambda: list(running.server._site.connections))
        assert isinstance(connection, Connection)
        assert connection._machine.unread_bytes < 1_000_000
        late.release()
        client.socket.settimeout(10)
        assert [client.read_answer().status for _ in range(500)] == [200] * 500


def test_a_client_that_resets_ends_the_work_on_its_answer(
    running: RunningServer, coroutine: LateEndpoint
) -> None:
    client = running.client()
    client.get("/1")
    wait_until(lambda: coroutine.began == 1, "it is being answered")
    client.reset()
    wait_until(lambda: coroutine.cancelled == 1, "it is given up")
    running.wait_until_empty()


def test_a_late_answer_arrives_after_the_client_has_ended_its_side(
    running: RunningServer, late: LateEndpoint
) -> None:
    with running.client() as client:
        client.get("/1")
        client.socket.shutdown(1)
        wait_until(lambda: late.began == 1, "it is being answered")
        late.release()
        assert client.read_answer().body == b"/1"
        assert client.read_to_end() == b""


def test_who_leaves_without_waiting_for_its_answer_is_no_error(
    running: RunningServer, late: LateEndpoint
) -> None:
    client = running.client()
    client.get("/1")
    wait_until(lambda: late.began == 1, "it is being answered")
    client.socket.close()  # which is not told from a client that only sends no more
    with running.client() as other:
        other.get("/healthz")
        assert other.read_answer().status == 200
    late.release()
    running.wait_until_empty()


def test_a_late_answer_that_fails_is_a_500(
    running: RunningServer, late: LateEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    late.release()
    with running.client() as client:
        client.get("/broken")
        assert client.read_answer().status == 500
        client.get("/2")
        assert client.read_answer().body == b"/2"


def test_a_late_answer_that_is_cancelled_ends_the_connection(
    running: RunningServer, coroutine: LateEndpoint
) -> None:
    coroutine.release()
    with running.client() as client:
        client.get("/cancelled")
        wait_until(client.is_ended, "the connection is closed")
    running.wait_until_empty()


def test_a_stream_behind_a_large_answer_opens_when_that_has_been_read(
    running: RunningServer, late: LateEndpoint
) -> None:
    late.release()
    router = late.router
    late.router = lambda request: (
        Response(200, (), b"x" * 20_000_000) if request.path == b"/healthz" else router(request)
    )
    with running.client() as client:
        client.send(GET + b"GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert len(client.read_answer().body) == 20_000_000
        client.read_stream_head()
        running.publish("news", "a", "b")
        assert client.read_events(2) == ["a", "b"]
    running.wait_until_empty()  # it is still read from: its end is seen


def test_promises_of_a_client_that_has_left_are_kept_for_nobody(running: RunningServer) -> None:
    late = LateEndpoint(running, promises=True)
    with running.client() as client:
        leaving = running.client()
        leaving.post("/1", "x" * 100_000)
        client.get("/2")
        wait_until(lambda: late.began == 2, "both are being answered")
        leaving.reset()
        site = running.server._site
        wait_until(lambda: running.call(lambda: len(site.connections)) == 1, "it has left")
        assert running.call(lambda: site.held.total) == 0
        late.release()
        assert client.read_answer().body == b"/2"
    running.wait_until_empty()


def test_a_promise_that_is_kept_does_not_touch_reading(
    running: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateEndpoint(running, promises=True)
    turns: list[Connection] = []
    monkeypatch.setattr(Connection, "_next_turn", turns.append)
    with running.client() as client:
        client.get("/1")
        wait_until(lambda: late.began == 1, "it is being answered")
        late.release()
        assert client.read_answer().body == b"/1"
        client.get("/2")
        assert client.read_answer().body == b"/2"
    assert turns == []


def http2_client(running: RunningServer) -> Http2Client:
    sock = socket.create_connection(("127.0.0.1", running.port), 10)
    return Http2Client(running.keep(sock))


def test_late_answers_of_one_connection_of_http2_are_each_of_its_own_stream(
    running: RunningServer, late: LateEndpoint
) -> None:
    client = http2_client(running)
    streams = [client.send(f"/{number}") for number in range(20)]
    left = client.send("/left")
    broken = client.send("/broken")
    wait_until(lambda: late.began == 22, "all are being answered")
    client.h2.reset_stream(left)
    assert client.answer(client.send("/healthz")).status == 200
    late.release()
    bodies = [client.answer(stream).body for stream in streams]
    assert bodies == [b"/%d" % number for number in range(20)]
    assert client.answer(broken).status == 500
    assert late.cancelled == (not late.promises)
    assert left not in client.heads


def test_a_late_answer_may_be_an_event_stream(running: RunningServer, late: LateEndpoint) -> None:
    client = http2_client(running)
    stream = client.send("/events/news")
    with running.client() as other:
        other.get("/events/news")
        wait_until(lambda: late.began == 2, "both are being answered")
        late.release()
        client.read_until(stream, b"\n\n")
        other.read_stream_head()
        running.publish("news", "a", "b")
        assert other.read_events(2) == ["a", "b"]
        assert client.read_events(stream, 2) == ["a", "b"]


def test_a_connection_of_http2_that_has_left_is_answered_no_more(
    running: RunningServer, late: LateEndpoint
) -> None:
    client = http2_client(running)
    for number in range(5):
        client.send(f"/{number}", body=b"x" * 1_000)
    wait_until(lambda: late.began == 5, "all are being answered")
    client.socket.close()
    running.wait_until_empty()
    assert running.call(lambda: running.server._site.held.total) == 0
    late.release()
    if not late.promises:
        wait_until(lambda: late.cancelled == 5, "they are given up")
