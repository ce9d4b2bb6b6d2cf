"""Requests and answers of one connection, on real sockets."""

import asyncio
import logging
from collections.abc import Awaitable

import pytest

from sse_server.http.request import Request
from sse_server.http.response import Answer, EventStream, Response
from tests.running_server import RunningServer, wait_until

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_connection_is_kept_for_the_next_request(running: RunningServer) -> None:
    with running.client() as client:
        for _ in range(3):
            client.get("/healthz")
            answer = client.read_answer()
            assert answer.status == 200
            assert "connection" not in answer.fields
            assert "date" in answer.fields


def test_connection_close_is_heeded(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/healthz", "Connection: close\r\n")
        assert client.read_answer().fields["connection"] == "close"
        assert client.read_to_end() == b""


def test_pipelined_requests_are_answered_in_order(running: RunningServer) -> None:
    with running.client() as client:
        client.send(
            b"".join(
                b"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na"
                for _ in range(100)
            )
        )
        answers = [client.read_answer().body for _ in range(100)]
        offsets = [int(body.split(b'"')[3].rpartition(b"-")[2]) for body in answers]
        assert offsets == list(range(1, 101))


def test_what_is_published_before_a_pipelined_subscribe_is_not_on_its_stream(
    running: RunningServer,
) -> None:
    with running.client() as client:
        client.send(
            b"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nbefore"
            b"GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        answer = client.read_answer()
        opening = client.read_stream_head().body
        assert answer.body.split(b'"')[3] in opening  # the stream begins where that one stands
        running.publish("news", "after")
        assert client.read_events(1) == ["after"]


def test_head_is_answered_without_a_body(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/healthz", method="HEAD")
        client.get("/healthz")
        head = client.read_answer(head_only=True)
        assert head.fields["content-length"] == str(len(client.read_answer().body))


def test_head_of_a_stream_says_what_it_would_be_and_opens_none(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/events/news", method="HEAD")
        assert client.read_answer(head_only=True).fields["content-type"] == "text/event-stream"
        client.get("/healthz")
        assert client.read_answer().status == 200
    assert running.server.hub.opened == 0


@pytest.mark.parametrize(
    ("method", "target", "fields", "status"),
    [
        ("OPTIONS", "/events/news", "", 204),
        ("GET", "/nowhere", "", 404),
        ("DELETE", "/events/news", "", 405),
        ("BREW", "/events/news", "", 501),
        ("GET", "/events/news", "Accept: application/json\r\n", 406),
        ("GET", "/events/%0d%0a", "", 400),
    ],
)
def test_refusals_keep_the_connection(
    running: RunningServer, method: str, target: str, fields: str, status: int
) -> None:
    with running.client() as client:
        client.get(target, fields, method=method)
        answer = client.read_answer()
        assert answer.status == status
        if status in {204, 405}:
            assert answer.fields["allow"] == "GET, HEAD, OPTIONS, POST"
        client.get("/healthz")
        assert client.read_answer().status == 200


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(running: RunningServer) -> None:
    with running.client() as client:
        client.send(
            b"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert client.read_answer().status == 200


def test_a_client_that_expects_100_continue_for_too_much_is_refused(running: RunningServer) -> None:
    with running.client() as client:
        client.send(
            b"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert client.read_answer().status == 413
        assert client.read_to_end() == b""


@pytest.mark.parametrize("count", [1, 100])
def test_a_client_that_has_ended_its_side_still_gets_its_answers(
    running: RunningServer, count: int
) -> None:
    with running.client() as client:
        client.send(GET * count)
        client.socket.shutdown(1)
        assert [client.read_answer().status for _ in range(count)] == [200] * count
        assert client.read_to_end() == b""
    running.wait_until_empty()


def test_a_client_that_ends_its_side_inside_a_request_is_told(running: RunningServer) -> None:
    with running.client() as client:
        client.send(GET[:-3])
        client.socket.shutdown(1)
        assert client.read_answer().status == 400
        assert client.read_to_end() == b""


def test_a_stream_pipelined_far_behind_ends_with_the_clients_side(running: RunningServer) -> None:
    with running.client() as client:
        client.send(GET * 100 + b"GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.socket.shutdown(1)
        for _ in range(100):
            client.read_answer()
        running.wait_until_empty()


def test_a_refusal_arrives_although_the_body_is_still_being_sent(running: RunningServer) -> None:
    with running.client() as client:
        client.send(
            b"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n"
        )
        for _ in range(200):  # far more than the buffers of the kernel: closing would reset
            client.send(b"a" * 65_536)
        assert client.read_answer().status == 413
        assert client.read_to_end() == b""


def test_a_client_that_never_reads_costs_bounded_memory(running: RunningServer) -> None:
    running.publish("big", *["x" * 60_000] * 10)
    with running.client() as greedy, running.client() as other:
        greedy.socket.settimeout(0.3)
        request = b"GET /channels/big/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with pytest.raises(TimeoutError):
            while True:  # until the server reads no more
                greedy.send(request * 1_000)
        other.get("/healthz")
        assert other.read_answer().status == 200
        connections = running.call(lambda: list(running.server._site.connections))
        stalled = [c for c in connections if c._stalled]
        assert len(stalled) == 1
        assert stalled[0]._transport.get_write_buffer_size() < 2_000_000
        assert stalled[0]._machine.unread_bytes < 1_000_000
        # When it reads, it gets on.
        greedy.socket.settimeout(10)
        assert [greedy.read_answer().status for _ in range(100)] == [200] * 100


def test_thousands_of_pipelined_requests_do_not_hold_up_another_client(
    running: RunningServer,
) -> None:
    with running.client() as greedy, running.client() as other:
        greedy.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                greedy.send(GET * 5_000)
                other.get("/healthz")
                assert other.read_answer().status == 200
        connections = running.call(lambda: list(running.server._site.connections))
        assert max(c._machine.unread_bytes for c in connections) < 1_000_000


def test_an_endpoint_that_raises_is_a_500_and_a_line_in_the_log(
    running: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_request: Request) -> Answer:
        raise ZeroDivisionError

    running.server._site.endpoint = broken
    with running.client() as client, caplog.at_level(logging.ERROR):
        client.get("/healthz")
        answer = client.read_answer()
        assert answer.status == 500
        assert b'"internal-error"' in answer.body
        client.get("/healthz")
        assert client.read_answer().status == 500
    assert "could not be answered" in caplog.text


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
