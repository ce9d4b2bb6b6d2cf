"""Endpoints that cannot answer at once, and what happens on their connections meanwhile."""

import asyncio
from collections.abc import Awaitable

import pytest

from sse_server.http.request import Request
from sse_server.http.response import Answer, EventStream, Response
from sse_server.net.connection import Connection
from tests.running_server import RunningServer, wait_until

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class LateEndpoint:
    """Answers when it is told to; `/healthz` at once."""

    def __init__(self, running: RunningServer) -> None:
        self.running = running
        self.ready = running.call(asyncio.Event)
        self.cancelled = 0
        self.began = 0
        self.router = running.server._site.endpoint
        running.server._site.endpoint = self

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        return self.router(request) if request.path == b"/healthz" else self.later(request)

    async def later(self, request: Request) -> Answer:
        self.began += 1
        try:
            await self.ready.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
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
        self.running.call(self.ready.set)


def test_late_answers_keep_the_order_of_what_is_pipelined(running: RunningServer) -> None:
    late = LateEndpoint(running)
    with running.client() as client, running.client() as other:
        for path in ("/1", "/healthz", "/2", "/3", "/healthz"):
            client.get(path)
        wait_until(lambda: late.began == 1, "the first is being answered")
        other.get("/healthz")
        assert other.read_answer().status == 200
        late.release()
        bodies = [client.read_answer().body for _ in range(5)]
        assert [bodies[0], bodies[2], bodies[3]] == [b"/1", b"/2", b"/3"]


def test_what_waits_behind_a_late_answer_is_bounded(running: RunningServer) -> None:
    late = LateEndpoint(running)
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


def test_a_client_that_resets_ends_the_work_on_its_answer(running: RunningServer) -> None:
    late = LateEndpoint(running)
    client = running.client()
    client.get("/1")
    wait_until(lambda: late.began == 1, "it is being answered")
    client.reset()
    wait_until(lambda: late.cancelled == 1, "it is given up")
    running.wait_until_empty()


def test_a_late_answer_arrives_after_the_client_has_ended_its_side(running: RunningServer) -> None:
    late = LateEndpoint(running)
    with running.client() as client:
        client.get("/1")
        client.socket.shutdown(1)
        wait_until(lambda: late.began == 1, "it is being answered")
        late.release()
        assert client.read_answer().body == b"/1"
        assert client.read_to_end() == b""


def test_a_late_answer_that_fails_is_a_500(
    running: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    late = LateEndpoint(running)
    late.release()
    with running.client() as client:
        client.get("/broken")
        assert client.read_answer().status == 500
        client.get("/2")
        assert client.read_answer().body == b"/2"


def test_a_late_answer_that_is_cancelled_ends_the_connection(running: RunningServer) -> None:
    late = LateEndpoint(running)
    late.release()
    with running.client() as client:
        client.get("/cancelled")
        wait_until(client.is_ended, "the connection is closed")
    running.wait_until_empty()


def test_a_stream_behind_a_large_answer_opens_when_that_has_been_read(
    running: RunningServer,
) -> None:
    late = LateEndpoint(running)
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
