"""Crowds that connect and send no request: they give way to those who do."""

import resource
import time
from typing import cast

import pytest

from sse_server import ServerOptions
from sse_server.net.connection import Connection
from sse_server.net.handshakes import Handshakes
from sse_server.net.site import ConnectionOptions
from tests.net.conftest import StartServer
from tests.running_server import Client, RunningServer, wait_until

SILENT = 6_000


class FakeConnection:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def _begin(handshakes: Handshakes, count: int) -> list[FakeConnection]:
    connections = [FakeConnection() for _ in range(count)]
    for connection in connections:
        handshakes.begin(cast("Connection", connection))
    return connections


def _aborted(connections: list[FakeConnection]) -> list[bool]:
    return [connection.aborted for connection in connections]


def _age(handshakes: Handshakes) -> None:
    for _ in range(2):
        handshakes.sweep(crowded=False)


def test_up_to_the_bound_nobody_is_cut_however_old() -> None:
    handshakes = Handshakes(3)
    connections = _begin(handshakes, 3)
    _age(handshakes)
    _age(handshakes)
    assert _aborted(connections) == [False] * 3
    assert len(handshakes) == 3


def test_beyond_the_bound_the_oldest_goes_for_each_that_comes() -> None:
    handshakes = Handshakes(3)
    old = _begin(handshakes, 3)
    _age(handshakes)
    new = _begin(handshakes, 2)
    assert _aborted(old) == [True, True, False]
    assert _aborted(new) == [False, False]
    assert handshakes.cut == 2
    assert len(handshakes) == 3


def test_a_crowd_that_has_just_come_is_spared_and_cut_to_the_bound_a_second_later() -> None:
    handshakes = Handshakes(3)
    crowd = _begin(handshakes, 10)
    handshakes.sweep(crowded=False)  # may be a moment after they came
    assert not any(_aborted(crowd))
    handshakes.sweep(crowded=False)
    assert _aborted(crowd) == [True] * 7 + [False] * 3


def test_who_has_sent_its_request_is_not_counted() -> None:
    handshakes = Handshakes(3)
    crowd = _begin(handshakes, 10)
    for connection in crowd:
        handshakes.end(cast("Connection", connection))
    _age(handshakes)
    assert not any(_aborted(crowd))
    assert len(handshakes) == 0
    handshakes.end(cast("Connection", crowd[0]))  # and leaves, later


def test_where_every_place_counts_all_the_old_go() -> None:
    handshakes = Handshakes(100)
    old = _begin(handshakes, 3)
    handshakes.sweep(crowded=False)
    young = _begin(handshakes, 2)
    handshakes.sweep(crowded=True)
    assert all(_aborted(old))
    assert not any(_aborted(young))


# --- on real sockets ------------------------------------------------------------------------------


def _options(connection: ConnectionOptions) -> ServerOptions:
    return ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, connection=connection)


def _handshakes(running: RunningServer) -> Handshakes:
    return running.server._site.handshakes


def _ended(clients: list[Client]) -> list[bool]:
    ended = []
    for client in clients:
        client.socket.settimeout(0)
        try:
            ended.append(client.is_ended())
        except BlockingIOError:
            ended.append(False)
    return ended


@pytest.mark.usefixtures("fast_timer")
@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\n"])
def test_slow_clients_beyond_the_bound_are_cut_and_a_good_one_is_served(
    start_server: StartServer, begun: bytes
) -> None:
    running = start_server(_options(ConnectionOptions(max_handshaking=5)))
    stream = running.subscriber()
    slow = [running.client() for _ in range(20)]
    for client in slow:
        client.send(begun)
    wait_until(lambda: _handshakes(running).cut == 15, "the crowd is cut to its bound")
    wait_until(lambda: sum(_ended(slow)) == 15, "and is told so")
    with running.client() as good:
        good.get("/healthz")
        assert good.read_answer().status == 200
    running.publish("news", "one")
    assert stream.read_events(1) == ["one"]


@pytest.mark.usefixtures("fast_timer")
def test_who_was_answered_once_is_no_longer_in_its_handshake(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(max_handshaking=2)))
    clients = [running.client() for _ in range(10)]
    for client in clients:
        client.get("/healthz")
        assert client.read_answer().status == 200
    assert running.call(lambda: len(_handshakes(running))) == 0
    sweeps = _handshakes(running)._sweeps
    wait_until(lambda: _handshakes(running)._sweeps > sweeps + 3, "time goes by")
    for client in clients:
        client.get("/healthz")
        assert client.read_answer().status == 200
    assert _handshakes(running).cut == 0


@pytest.mark.usefixtures("fast_timer")
def test_when_all_places_are_taken_the_silent_make_room(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(max_connections=10)))
    stream = running.subscriber()
    for _ in range(20):  # half of them wait in the kernel
        running.client()
    with running.client() as good:
        good.get("/healthz")
        assert good.read_answer().status == 200  # and not after ten seconds
    running.publish("news", "one")
    assert stream.read_events(1) == ["one"]


@pytest.mark.usefixtures("fast_timer")
def test_a_connection_that_left_is_forgotten(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(max_handshaking=5)))
    clients = [running.client() for _ in range(5)]
    handshakes = _handshakes(running)
    wait_until(lambda: len(handshakes) == 5, "all are accepted")
    clients[0].reset()
    for client in clients[1:]:
        client.socket.close()
    wait_until(lambda: len(handshakes) == 0, "they are forgotten")
    assert handshakes.cut == 0


@pytest.mark.usefixtures("fast_timer")
def test_an_empty_line_does_not_make_a_connection_idle(start_server: StartServer) -> None:
    """It would have the time between two requests, which is longer."""
    running = start_server(_options(ConnectionOptions(head_timeout_seconds=0.3)))
    with running.client() as client:
        client.send(b"\r\n")
        assert client.read_to_end() == b""


@pytest.mark.slow
def test_six_thousand_silent_connections_do_not_keep_a_good_client_waiting(
    start_server: StartServer,
) -> None:
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * SILENT + 200
    if hard not in {-1, resource.RLIM_INFINITY} and hard < needed:
        pytest.skip(f"needs {needed} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, needed), hard))
    try:
        running = start_server(_options(ConnectionOptions()))
        for _ in range(SILENT):
            running.client()
        assert _time_of_an_answer(running) < 1.0
        handshakes = _handshakes(running)
        wait_until(lambda: len(handshakes) <= 4_096, "the crowd is cut to its bound")
        assert handshakes.cut >= SILENT - 4_096
        assert _time_of_an_answer(running) < 1.0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _time_of_an_answer(running: RunningServer) -> float:
    begun = time.monotonic()
    with running.client() as good:
        good.get("/healthz")
        assert good.read_answer().status == 200
    return time.monotonic() - begun
