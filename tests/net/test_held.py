"""What clients make the server hold, all of them together."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from sse_server import ServerOptions
from sse_server.http.request import Request
from sse_server.http.response import Answer, Response
from sse_server.net.connection import Connection
from sse_server.net.held import HeldBytes
from sse_server.net.site import ConnectionOptions
from tests.net.conftest import StartServer
from tests.running_server import Client, RunningServer, wait_until

MIB = 1024 * 1024


class FakeConnection:
    def __init__(self, held: HeldBytes) -> None:
        self.gave_way = False
        self._held = held

    def give_way(self) -> None:
        self.gave_way = True
        self.count(0)  # as a real one does when it has dropped everything

    def count(self, size: int, *, unanswered: bool = False) -> None:
        self._held.count(cast("Connection", self), size, unanswered=unanswered)


def test_the_sum_follows_what_each_holds() -> None:
    held = HeldBytes(100)
    a, b = FakeConnection(held), FakeConnection(held)
    a.count(10)
    b.count(20)
    a.count(30)
    assert held.total == 50
    a.count(0)
    a.count(0)
    assert held.total == 20
    b.count(0)
    assert (held.total, held.cut) == (0, 0)


def test_beyond_the_sum_who_has_held_for_longest_gives_way() -> None:
    held = HeldBytes(100)
    a, b, c = (FakeConnection(held) for _ in range(3))
    a.count(10)
    b.count(80)
    a.count(20)  # it keeps its turn
    c.count(1)
    assert [connection.gave_way for connection in (a, b, c)] == [True, False, False]
    assert (held.total, held.cut) == (81, 1)


def test_as_many_give_way_as_it_takes_the_last_comer_too() -> None:
    held = HeldBytes(100)
    few = [FakeConnection(held) for _ in range(3)]
    for connection in few:
        connection.count(30)
    few[2].count(101)
    assert [connection.gave_way for connection in few] == [True] * 3
    assert held.total == 0


def test_a_request_that_is_being_answered_does_not_give_way() -> None:
    held = HeldBytes(100)
    answered, waits, comes = (FakeConnection(held) for _ in range(3))
    answered.count(60)
    answered.count(60, unanswered=True)
    waits.count(30)
    comes.count(30)
    assert (answered.gave_way, waits.gave_way, comes.gave_way) == (False, True, False)
    assert (held.total, held.unanswered) == (90, 60)
    assert [held.is_full] == [False]
    waits.count(40, unanswered=True)
    assert [held.is_full] == [True]
    assert comes.gave_way
    for connection in (answered, waits):
        connection.count(0, unanswered=True)
    assert (held.total, held.unanswered) == (0, 0)
    assert held._waiting == held._unanswered == {}


# --- on real sockets ------------------------------------------------------------------------------


def _options(max_held_bytes: int) -> ServerOptions:
    connection = ConnectionOptions(max_held_bytes=max_held_bytes)
    return ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, connection=connection)


def _held(running: RunningServer) -> HeldBytes:
    return running.server._site.held


def _begin_body(client: Client, size: int, *, chunked: bool = False) -> None:
    """All of a body but its end."""
    head = b"POST /events/news HTTP/1.1\r\nHost: localhost\r\n"
    with contextlib.suppress(ConnectionError):  # it may have been answered already
        if chunked:
            client.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
            client.send((b"%x\r\n" % size) + b"a" * size + b"\r\n")
        else:
            client.send(head + b"Content-Length: %d\r\n\r\n" % (size + 1) + b"a" * size)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_half_bodies_of_many_connections_are_bounded_together(
    start_server: StartServer, *, chunked: bool
) -> None:
    running = start_server(_options(4 * MIB - 1))
    held = _held(running)
    slow: list[Client] = []
    for count in range(1, 13):
        slow.append(running.client())
        _begin_body(slow[-1], MIB, chunked=chunked)
        # In order, so that it is known who has been at it for longest.
        expected = min(count, 3)
        wait_until(
            lambda n=expected: n * MIB <= held.total < n * MIB + 1_000,  # type: ignore[misc]
            "it has arrived, and made room",
        )
        assert running.call(lambda: held.total) <= 4 * MIB
    for client in slow[:9]:
        answer = client.read_answer()
        assert answer.status == 503
        assert answer.fields["retry-after"] == "1"
        assert answer.fields["connection"] == "close"
    with running.client() as good:
        good.post("/events/news", "small")
        assert good.read_answer().status == 200
        good.post("/events/news", "x" * 500_000)
        assert good.read_answer().status == 200
    for client in slow[9:]:
        client.send(b"\r\n0\r\n\r\n"[2:] if chunked else b"a")
        assert client.read_answer().status in {200, 413}  # 1 MiB is the most of an event
    assert running.call(lambda: held.total) == 0
    assert held.cut == 9


def test_half_heads_count_too(start_server: StartServer) -> None:
    running = start_server(_options(100_000))
    slow = [running.client() for _ in range(20)]
    for client in slow:
        client.send(b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 8_000 + b"\r\nX: " + b"a" * 8_000)
    wait_until(lambda: _held(running).cut == 14, "the oldest were refused")
    assert running.call(lambda: _held(running).total) <= 100_000
    with running.client() as good:
        good.get("/healthz")
        assert good.read_answer().status == 200


def test_answers_that_are_not_read_count_too(start_server: StartServer) -> None:
    running = start_server(_options(4 * MIB))
    running.publish("big", *["x" * 60_000] * 16)
    held = _held(running)
    greedy: list[Client] = []
    while held.cut < 3:
        assert len(greedy) < 60, held.total
        client = running.client()
        greedy.append(client)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        for _ in range(8):
            client.get("/channels/big/events")
        with running.client() as good:
            good.get("/healthz")
            assert good.read_answer().status == 200
        assert running.call(lambda: held.total) <= 4 * MIB
    assert running.call(lambda: held.total) > MIB
    # Who reads gets on: nothing of it is counted any more.
    running.close_clients()
    wait_until(lambda: held.total == 0, "what the others held is forgotten")


def test_a_stream_behind_an_answer_that_was_not_read_is_not_counted(
    start_server: StartServer,
) -> None:
    running = start_server(_options(64 * MIB))
    running.publish("big", *["x" * 60_000] * 16)
    client = running.client()
    for _ in range(12):
        client.get("/channels/big/events")
    client.get("/events/news")
    for _ in range(12):
        assert client.read_answer().status == 200
    client.read_stream_head()
    assert running.call(lambda: _held(running).total) == 0
    assert running.call(lambda: _held(running)._waiting) == {}


class Later:
    """An endpoint that answers requests with a body when it is told to."""

    def __init__(self, running: RunningServer) -> None:
        self.asked = 0
        self.go = asyncio.Event()
        running.server._site.endpoint = self

    def __call__(self, request: Request) -> Response | asyncio.Future[Answer]:
        if not request.body:
            return Response(200)
        self.asked += 1
        return asyncio.ensure_future(self._answer())

    async def _answer(self) -> Answer:
        await self.go.wait()
        return Response(204)


@pytest.fixture
def waiting(start_server: StartServer) -> Iterator[tuple[RunningServer, Later]]:
    running = start_server(_options(2_050_000))
    later = Later(running)
    yield running, later
    running.call(later.go.set)


def test_publishes_that_wait_count_and_are_answered_in_the_end(
    waiting: tuple[RunningServer, Later],
) -> None:
    running, later = waiting
    held = _held(running)
    sizes = [600_000, 600_000, 600_000, 240_000, 5_000, 5_000]
    publishers = [running.client() for _ in sizes]
    for count, (client, size) in enumerate(zip(publishers, sizes, strict=True), 1):
        client.post("/events/news", "x" * size)
        wait_until(lambda n=count: later.asked == n, "it is handed up")  # type: ignore[misc]
    assert running.call(lambda: held.unanswered) == 2_050_000
    with running.client() as another:
        another.post("/events/news", "not one more")
        answer = another.read_answer()
        assert answer.status == 503
        assert answer.fields["retry-after"] == "1"
        another.get("/healthz")  # and the connection is of use
        assert another.read_answer().status == 200
    assert later.asked == 6
    running.call(later.go.set)
    assert [client.read_answer().status for client in publishers] == [204] * 6
    assert running.call(lambda: (held.total, held.unanswered)) == (0, 0)


def test_a_publisher_that_leaves_while_it_waits_is_forgotten(
    waiting: tuple[RunningServer, Later],
) -> None:
    running, later = waiting
    held = _held(running)
    client = running.client()
    client.post("/events/news", "x" * 600_000)
    wait_until(lambda: later.asked == 1, "it is handed up")
    client.reset()
    wait_until(lambda: held.total == 0, "it is forgotten")
    assert running.call(lambda: (held.unanswered, held._waiting, held._unanswered)) == (0, {}, {})


def test_a_late_answer_that_is_not_read_counts_as_one(start_server: StartServer) -> None:
    running = start_server(_options(64 * MIB))

    async def later() -> Answer:
        await asyncio.sleep(0)
        return Response(200, (), b"x" * 4 * MIB)

    running.server._site.endpoint = lambda _request: asyncio.ensure_future(later())
    held = _held(running)
    with running.client() as client:
        client.get("/")
        wait_until(lambda: held.total > 100_000, "it is counted")
        assert running.call(lambda: held.unanswered) == 0
    wait_until(lambda: held.total == 0, "it is forgotten")
