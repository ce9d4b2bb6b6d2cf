"""Requests and answers of one connection, on real sockets."""

import logging

import pytest

from sse_server.http.request import Request
from sse_server.http.response import Answer
from sse_server.net.connection import Connection
from tests.running_server import RunningServer

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
        stalled = [c for c in connections if isinstance(c, Connection) and c._stalled]
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
        assert (
            max(c._machine.unread_bytes for c in connections if isinstance(c, Connection))
            < 1_000_000
        )


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
