"""HTTP/2 in clear: what a connection does that carries many streams."""

import asyncio
import socket
import time
from contextlib import ExitStack, suppress

import pytest
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingAckReceived, PingReceived
from h2.settings import SettingCodes

from sse_server import (
    ChannelOptions,
    ConnectionOptions,
    Http2Options,
    HubOptions,
    LogOptions,
    ServerOptions,
)
from sse_server.http.h2_frames import (
    ANY_STREAM,
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PREFACE,
    SETTINGS,
    frame,
    goaway,
    ping,
)
from sse_server.http.http1 import Http1Options
from sse_server.wire.flow import CloseReason
from tests.http2_client import Http2Client
from tests.net.conftest import StartServer
from tests.running_server import RunningServer, wait_until

LARGE = LogOptions(channel=ChannelOptions(max_bytes=1 << 30))


def start(start_server: StartServer, **options: object) -> RunningServer:
    settings = {"bind": ("127.0.0.1:0",), "drain_seconds": 2.0, **options}
    return start_server(ServerOptions(**settings))  # type: ignore[arg-type] # what a test names


def connect(running: RunningServer, **windows: int) -> Http2Client:
    sock = socket.create_connection(("127.0.0.1", running.port), 10)
    return Http2Client(running.keep(sock), **windows)


# --- how it begins --------------------------------------------------------------------------------


def test_the_preface_may_come_in_pieces(running: RunningServer) -> None:
    client = connect(running)
    first = PREFACE + frame(SETTINGS, 0, 0)
    with running.client() as slow:
        for at in range(len(first)):
            slow.send(first[at : at + 1])
        slow.send(ping(b"12345678"))
        assert ping(b"12345678", ack=True) in slow.read_until(b"12345678")
    assert client.answer(client.send("/healthz")).status == 200


def test_an_upgrade_is_not_made(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/healthz", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                   "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n")  # fmt: skip
        answer = client.read_answer()
    assert (answer.status, "upgrade" in answer.fields) == (200, False)


@pytest.mark.parametrize("begins", [b"PRI * HTTP/2.0\r\n\r\nXX", b"PRI * HTTP/1.1\r\n\r\n"])
def test_what_only_looks_like_the_preface_is_read_as_http_1(
    running: RunningServer, begins: bytes
) -> None:
    with running.client() as client:
        client.send(begins)
        assert client.read_answer().status in {400, 505}


@pytest.mark.usefixtures("fast_timer")
@pytest.mark.parametrize("begins", [PREFACE[:10], PREFACE, PREFACE + b"\0\0\0", PREFACE[:-1]])
def test_who_does_not_go_on_is_cut_off(start_server: StartServer, begins: bytes) -> None:
    running = start(start_server, connection=ConnectionOptions(head_timeout_seconds=0.2))
    with running.client() as client:
        client.send(begins)
        client.read_to_end()
    running.wait_until_empty()


@pytest.mark.usefixtures("fast_timer")
def test_a_head_without_an_end_is_cut_off_however_it_drips(start_server: StartServer) -> None:
    running = start(start_server, connection=ConnectionOptions(head_timeout_seconds=0.3))
    client = connect(running)
    assert client.answer(client.send("/healthz")).status == 200
    begun = time.monotonic()
    head = frame(HEADERS, END_HEADERS, 3, b"\x82" * 1_000)
    with pytest.raises((EOFError, ConnectionError)):
        for at in range(len(head)):
            client.socket.sendall(head[at : at + 1])
            client.socket.settimeout(0.02)
            with suppress(TimeoutError):
                client.read()
    assert 0.2 < time.monotonic() - begun < 5


def test_connections_without_a_request_give_way(start_server: StartServer) -> None:
    running = start(start_server, connection=ConnectionOptions(max_handshaking=2))
    handshakes = running.server._site.handshakes
    with ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(running.client())
            client.send(PREFACE + frame(SETTINGS, 0, 0))
            client.read_until(b"\0")
        wait_until(lambda: handshakes.cut >= 3, "the oldest are cut", 5)
        other = stack.enter_context(connect(running))
        assert other.answer(other.send("/healthz")).status == 200


# --- many streams ---------------------------------------------------------------------------------


def test_one_connection_carries_a_hundred_streams_and_requests(running: RunningServer) -> None:
    client = connect(running)
    streams = [client.subscribe() for _ in range(100)]
    assert running.site_sizes == (1, 0)
    assert client.answer(client.send("/events/news", method="POST", body=b"hello")).status == 200
    for stream in streams:
        assert client.read_events(stream, 1) == ["hello"]
    shown = client.answer(client.send("/subscribers?limit=1")).body
    assert b'"address":"127.0.0.1:' in shown
    assert b'"sent_events":1' in shown


def test_a_stream_too_many_is_refused_and_the_others_go_on(start_server: StartServer) -> None:
    running = start(start_server, http2=Http2Options(max_concurrent_streams=3))
    client = connect(running)
    streams = [client.subscribe() for _ in range(3)]
    client.h2.remote_settings.update({SettingCodes.MAX_CONCURRENT_STREAMS: 100})
    client.h2.remote_settings.acknowledge()
    refused = client.send("/events/news")
    while refused not in client.resets:
        client.read()
    assert client.resets[refused] == ErrorCodes.REFUSED_STREAM
    running.publish("news", "hello")
    assert [client.read_events(stream, 1) for stream in streams] == [["hello"]] * 3
    client.h2.reset_stream(streams[0])
    client.flush()
    assert client.subscribe()


def test_a_thousand_streams_by_setting(start_server: StartServer) -> None:
    running = start(start_server, http2=Http2Options(max_concurrent_streams=1_000))
    client = connect(running)
    streams = [client.subscribe() for _ in range(1_000)]
    running.publish("news", "hello")
    assert all(client.read_events(stream, 1) == ["hello"] for stream in streams)


def test_a_stream_that_is_reset_is_gone_and_the_others_go_on(running: RunningServer) -> None:
    client = connect(running)
    left, stays = client.subscribe(), client.subscribe()
    client.h2.reset_stream(left, ErrorCodes.CANCEL)
    client.flush()
    wait_until(lambda: running.server.hub.subscribers == 1, "it is gone")
    running.publish("news", "hello")
    assert client.read_events(stays, 1) == ["hello"]
    assert running.server.hub.closed == {CloseReason.LOST: 1}


def test_a_stream_that_an_operator_ends_ends_alone(running: RunningServer) -> None:
    client = connect(running)
    ended, stays = client.subscribe(), client.subscribe()
    shown = client.answer(client.send("/subscribers?limit=1")).body
    name = shown.split(b'"subscriber":"')[1].split(b'"')[0].decode()
    assert client.answer(client.send(f"/subscribers/{name}", method="DELETE")).status == 200
    assert b"event: stream-ended" in client.answer(ended).body
    running.publish("news", "hello")
    assert client.read_events(stays, 1) == ["hello"]


# --- windows --------------------------------------------------------------------------------------


def test_a_shut_window_holds_up_nobody_else_and_ends_its_stream(start_server: StartServer) -> None:
    hub = HubOptions(stall_timeout_seconds=1.0, log=LARGE)
    running = start(start_server, hub=hub)
    client = connect(running, stream_window=20_000)
    shut, live = client.subscribe("/events/news"), client.subscribe("/events/news")
    client.acknowledges = False
    number = 0
    while shut not in client.resets:
        running.publish("news", *[f"{number + n} " + "x" * 1_000 for n in range(10)])
        while f"data: {number + 9} ".encode() not in client.data[live]:
            for event in client.read():
                if isinstance(event, DataReceived) and event.stream_id == live:
                    client.h2.increment_flow_control_window(event.flow_controlled_length, live)
                    client.flush()
        number += 10
    assert client.resets[shut] == ErrorCodes.CANCEL
    assert running.server.hub.closed == {CloseReason.SLOW: 1}
    assert [event.split()[0] for event in client.read_events(live, number)] == [
        str(n) for n in range(number)
    ]


def test_windows_of_zero_wait_for_settings(running: RunningServer) -> None:
    client = connect(running, stream_window=1)
    client.set_window(0)
    stream = client.send("/events/news")
    while stream not in client.heads:
        client.read()
    assert not client.data[stream]
    client.set_window(65_535)
    assert client.read_until(stream, b"\n\n").startswith(b": stream is open\n")


@pytest.mark.usefixtures("fast_timer")
def test_an_answer_that_is_not_read_is_ended(start_server: StartServer) -> None:
    options = ConnectionOptions(body_timeout_seconds=0.2, idle_timeout_seconds=0.5)
    running = start(start_server, connection=options, http2=Http2Options(keepalive_seconds=1.0))
    client = connect(running, stream_window=100)
    client.acknowledges = False
    stream = client.send("/")
    while stream not in client.resets:
        client.read()
    assert client.resets[stream] == ErrorCodes.CANCEL


def test_a_body_of_many_windows_arrives(running: RunningServer) -> None:
    client = connect(running)
    body = b"x" * 1_000_000
    streams = [client.send("/events/big", method="POST", body=body) for _ in range(5)]
    assert [client.answer(stream).status for stream in streams] == [200] * 5


def test_bodies_of_one_connection_are_bounded_together(start_server: StartServer) -> None:
    running = start(start_server, http1=Http1Options(max_body_bytes=100_000))
    client = connect(running)
    client.answer(client.send("/healthz"))
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost")]
    streams = []
    for _ in range(3):
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, [*head, (":path", "/events/news")])
        for _ in range(4):
            client.h2.send_data(stream, b"x" * 10_000)
        client.flush()
        streams.append(stream)
    while streams[2] not in client.resets:
        client.read()
    assert client.resets[streams[2]] == ErrorCodes.REFUSED_STREAM
    for stream in streams[:2]:
        client.h2.send_data(stream, b"", end_stream=True)
    client.flush()
    assert [client.answer(stream).status for stream in streams[:2]] == [200, 200]


@pytest.mark.usefixtures("fast_timer")
def test_a_slow_body_gets_408_and_the_streams_beside_it_go_on(start_server: StartServer) -> None:
    running = start(start_server, connection=ConnectionOptions(body_timeout_seconds=0.2))
    client = connect(running)
    stream = client.subscribe()
    slow = client.h2.get_next_available_stream_id()
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost")]
    client.h2.send_headers(slow, [*head, (":path", "/events/news")])
    client.flush()
    assert client.answer(slow).status == 408
    running.publish("news", "hello")
    assert client.read_events(stream, 1) == ["hello"]


def test_who_holds_too_much_gives_way(start_server: StartServer) -> None:
    options = ConnectionOptions(max_held_bytes=50_000)
    running = start(start_server, connection=options)
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost")]
    clients = [connect(running) for _ in range(2)]
    streams = []
    for client in clients:
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, [*head, (":path", "/events/news")])
        for _ in range(3):
            client.h2.send_data(stream, b"x" * 10_000)
        client.flush()
        client.answer(client.send("/healthz"))
        streams.append(stream)
    first = clients[0].answer(streams[0])
    assert (first.status, first.fields["retry-after"]) == (503, "1")
    clients[1].h2.send_data(streams[1], b"", end_stream=True)
    clients[1].flush()
    assert clients[1].answer(streams[1]).status == 200
    wait_until(lambda: running.server._site.held.total == 0, "nothing is held")


def test_who_holds_an_open_header_block_gives_way_altogether(start_server: StartServer) -> None:
    running = start(start_server, connection=ConnectionOptions(max_held_bytes=50_000))
    block = frame(HEADERS, 0, 1, b"\x82" * 15_000) + frame(CONTINUATION, 0, 1, b"\x82" * 15_000)
    first, second = running.client(), running.client()
    first.send(PREFACE + frame(SETTINGS, 0, 0) + block)
    wait_until(lambda: running.server._site.held.total == 30_000, "the first is held")
    second.send(PREFACE + frame(SETTINGS, 0, 0) + block)
    assert first.read_to_end().endswith(goaway(0, ErrorCodes.ENHANCE_YOUR_CALM))
    assert running.server._journal.breaks == {"unfinished-heads": 1}
    wait_until(lambda: running.server._site.held.total == 30_000, "the second is held")


# --- how it ends ----------------------------------------------------------------------------------


def test_a_drain_says_twice_that_it_ends(running: RunningServer) -> None:
    client = connect(running)
    client.subscribe()
    closing = asyncio.run_coroutine_threadsafe(running.server.close(), running.loop)
    client.read_to_end()
    closing.result(5)
    assert [goaway.last_stream_id for goaway in client.goaways] == [ANY_STREAM, 1]
    assert [goaway.error_code for goaway in client.goaways] == [ErrorCodes.NO_ERROR] * 2
    assert client.ended == {1}


def test_what_is_on_its_way_at_a_drain_is_answered(running: RunningServer) -> None:
    with running.client() as client:
        client.send(PREFACE + frame(SETTINGS, 0, 0) + ping(b"12345678"))
        client.read_until(b"12345678")
        closing = asyncio.run_coroutine_threadsafe(running.server.close(), running.loop)
        client.read_until(b"rtt-ping")
        block = b"\x82\x86\x04\x08/healthz\x01\x09localhost"
        client.send(frame(HEADERS, END_HEADERS | 1, 1, block))
        client.read_until(b'"status"')
        client.send(ping(b"rtt-ping", ack=True))
        client.read_to_end()
    closing.result(5)


def test_streams_that_are_opened_while_others_drain_are_ended(start_server: StartServer) -> None:
    running = start(start_server, hub=HubOptions(log=LARGE))
    client = connect(running)
    client.acknowledges = False
    client.set_window(100)
    held = client.send("/events/news")
    while held not in client.heads:
        client.read()
    running.publish("news", "x" * 500)
    closing = asyncio.run_coroutine_threadsafe(running.server.close(), running.loop)
    wait_until(lambda: running.server._site.draining, "it drains")
    client.set_window(1_000_000)
    assert b"server-shutdown" in client.answer(held).body
    client.read_to_end()
    closing.result(5)


def test_pings_are_answered_while_streams_are_open(running: RunningServer) -> None:
    client = connect(running)
    client.subscribe()
    client.h2.ping(b"are you?")
    client.flush()
    while not any(isinstance(event, PingAckReceived) for event in client.read()):
        pass


@pytest.mark.usefixtures("fast_timer")
def test_a_dead_client_is_found_and_one_that_answers_stays(start_server: StartServer) -> None:
    http2 = Http2Options(keepalive_seconds=1.0, keepalive_timeout_seconds=0.3)
    running = start(start_server, http2=http2)
    alive, dead = connect(running), connect(running)
    stream = alive.subscribe()
    dead.subscribe()
    pings = 0
    begun = time.monotonic()
    while running.server.hub.subscribers == 2:  # its kernel answers, the client does not
        alive.socket.settimeout(0.1)
        with suppress(TimeoutError):
            pings += sum(isinstance(event, PingReceived) for event in alive.read())
        assert time.monotonic() - begun < 10
    assert pings >= 1
    alive.socket.settimeout(10)
    running.publish("news", "hello")
    assert alive.read_events(stream, 1) == ["hello"]
    assert running.server.hub.closed == {CloseReason.LOST: 1}


def test_a_client_that_says_goodbye_is_closed_when_its_streams_end(running: RunningServer) -> None:
    client = connect(running)
    stream = client.subscribe()
    client.socket.sendall(goaway(0))
    running.publish("news", "hello")
    assert client.read_events(stream, 1) == ["hello"]
    client.socket.sendall(frame(3, 0, stream, b"\0\0\0\x08"))
    client.read_to_end()
    running.wait_until_empty()


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(DATA, 0, 0, b"x"), ErrorCodes.PROTOCOL_ERROR),
        (b"\xff\xff\xff\0\0\0\0\0\1", ErrorCodes.FRAME_SIZE_ERROR),
        (frame(HEADERS, END_HEADERS | 1, 1, b"\xff\xff\xff"), ErrorCodes.COMPRESSION_ERROR),
        (frame(8, 0, 0, b"\0\0\0\0"), ErrorCodes.PROTOCOL_ERROR),
        (frame(8, 0, 0, b"\x7f\xff\xff\xff"), ErrorCodes.FLOW_CONTROL_ERROR),
        (frame(5, END_HEADERS, 1, b"\0\0\0\2"), ErrorCodes.PROTOCOL_ERROR),
    ],
)
@pytest.mark.usefixtures("fast_timer")
def test_an_error_is_told_and_ends_the_connection(
    start_server: StartServer, sent: bytes, code: ErrorCodes
) -> None:
    running = start(start_server, connection=ConnectionOptions(linger_seconds=0.1))
    client = connect(running)
    if sent[3] != HEADERS:
        client.answer(client.send("/healthz"))
    client.socket.sendall(sent)
    client.read_to_end()
    assert [goaway.error_code for goaway in client.goaways] == [code]
    running.wait_until_empty()


def test_a_malformed_request_ends_its_stream_alone(running: RunningServer) -> None:
    client = connect(running)
    stream = client.subscribe()
    client.h2.config.validate_outbound_headers = False
    client.h2.config.normalize_outbound_headers = False
    bad = client.send("/healthz", fields=(("Upper", "x"),))
    while bad not in client.resets:
        client.read()
    assert client.resets[bad] == ErrorCodes.PROTOCOL_ERROR
    running.publish("news", "hello")
    assert client.read_events(stream, 1) == ["hello"]


def test_http_1_and_2_are_spoken_side_by_side(running: RunningServer) -> None:
    one = running.subscriber()
    two = connect(running)
    stream = two.subscribe()
    running.publish("news", "hello")
    assert one.read_events(1) == two.read_events(stream, 1) == ["hello"]
