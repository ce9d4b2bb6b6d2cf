"""The server as an object: its life in a loop, and what an application does with it."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest

from sse_server import Event, Server, ServerClosed, ServerOptions
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.engines.memory import MemoryEngine
from sse_server.errors import ConfigurationError, InvalidChannel, InvalidEvent
from sse_server.http.request import Request
from sse_server.http.response import Answer
from tests.running_server import LOOPS, new_loop, run_server, wait_until

Run = Callable[[Coroutine[Any, Any, None]], None]

ANY_PORT = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2)


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def run(loop_name: str) -> Run:
    """Runs a coroutine to its end; nothing may reach the loop's exception handler."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        errors: list[object] = []
        with asyncio.Runner(loop_factory=lambda: new_loop(loop_name)) as runner:
            runner.get_loop().set_exception_handler(lambda _loop, context: errors.append(context))
            runner.run(main)
        assert errors == []

    return run


async def _open_stream(
    server: Server, target: str = "/events/news"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(server.addresses[0].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"\n\n")
    return reader, writer


def test_a_server_lives_in_a_context(run: Run) -> None:
    async def main() -> None:
        async with Server(ANY_PORT) as server:
            reader, writer = await _open_stream(server)
            receipt = await server.publish("news", Event("hello"))
            assert b"id: " + receipt.position in await reader.readuntil(b"data: hello\n")
            assert not receipt.duplicate
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()

    run(main())


def test_publishing_needs_a_running_server(run: Run) -> None:
    async def main() -> None:
        server = Server(ANY_PORT)
        with pytest.raises(ServerClosed, match="starting"):
            await server.publish("news", "early")
        await server.start()
        await server.publish("news", b"in time")
        await server.close()
        with pytest.raises(ServerClosed, match="shutting down"):
            await server.publish("news", "late")
        await server.close()  # idempotent

    run(main())


def test_publish_refuses_what_cannot_be_sent(run: Run) -> None:
    async def main() -> None:
        async with Server(ServerOptions(bind=())) as server:
            with pytest.raises(InvalidChannel):
                await server.publish("a\nb", "x")
            with pytest.raises(InvalidEvent):
                await server.publish("news", b"\xff")
            assert server.hub.published == 0

    run(main())


def test_several_servers_share_a_loop_and_nothing_else(run: Run) -> None:
    async def main() -> None:
        async with Server(ANY_PORT) as one, Server(ANY_PORT) as two:
            assert one.addresses != two.addresses
            reader, writer = await _open_stream(two)
            await one.publish("news", "of one")
            await two.publish("news", "of two")
            assert b"of one" not in await reader.readuntil(b"data: of two\n")
            writer.close()

    run(main())


def test_a_task_of_the_application_publishes_to_many(run: Run) -> None:
    async def main() -> None:
        async with Server(ANY_PORT) as server:
            streams = [await _open_stream(server) for _ in range(20)]

            async def work() -> None:
                for number in range(100):
                    await server.publish("news", Event(str(number), type="tick"))
                    await asyncio.sleep(0)

            task = asyncio.create_task(work())
            for reader, writer in streams:
                for number in range(100):
                    await reader.readuntil(b"event: tick\ndata: %d\n" % number)
                writer.close()
            await task

    run(main())


def test_what_was_published_before_close_is_sent_before_the_end(run: Run) -> None:
    async def main() -> None:
        async with Server(ServerOptions(bind=("127.0.0.1:0",))) as server:
            streams = [await _open_stream(server) for _ in range(10)]
            for number in range(200):
                await server.publish("news", f"{number} " + "x" * 1_000)
        for reader, writer in streams:
            received = await reader.read()
            assert received.count(b"\nid: ") == 200
            assert received.count(b"event: server-shutdown\n") == 1
            assert received.endswith(b"\r\n0\r\n\r\n")
            writer.close()

    run(main())


def test_close_waits_no_longer_than_told_for_who_does_not_read(loop_name: str) -> None:
    with run_server(loop_name, ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.3)) as running:
        reading, stuck = running.subscriber(), running.subscriber()
        idle = running.client()
        idle.get("/healthz")
        idle.read_answer()
        for _ in range(100):
            running.publish("news", "x" * 40_000)
            reading.read_events(1)
        begun = time.monotonic()
        running.run(running.server.close())
        assert 0.25 < time.monotonic() - begun < 1.5
        assert reading.read_to_end().endswith(b"0\r\n\r\n")
        assert idle.read_to_end() == b""
        assert running.site_sizes == (0, 0)
        assert not stuck.is_ended()  # it has not even looked at what came first


def test_close_is_at_once_when_everybody_reads(loop_name: str) -> None:
    with run_server(loop_name, ServerOptions(bind=("127.0.0.1:0",), drain_seconds=5)) as running:
        clients = [running.subscriber() for _ in range(200)]
        begun = time.monotonic()
        running.run(running.server.close())
        assert time.monotonic() - begun < 1.0
        assert all(client.read_to_end().endswith(b"0\r\n\r\n") for client in clients)


@pytest.mark.parametrize("target", ["/late", "/events/news"])
def test_a_late_answer_is_the_last_of_its_connection_while_the_server_closes(
    loop_name: str, target: str
) -> None:
    with run_server(loop_name, ServerOptions(bind=("127.0.0.1:0",), drain_seconds=5)) as running:
        site = running.server._site
        router = site.endpoint
        ready = running.call(asyncio.Event)
        asked = []

        async def later(request: Request) -> Answer:
            asked.append(request)
            await ready.wait()
            answer = router(request)
            assert not isinstance(answer, Coroutine)
            return answer  # type: ignore[return-value] # memory's answers are never awaited

        site.endpoint = later
        client = running.client()
        client.get(target)
        wait_until(lambda: len(asked) == 1, "it is being answered")
        closing = asyncio.run_coroutine_threadsafe(running.server.close(), running.loop)
        time.sleep(0.05)
        assert not closing.done()
        running.call(ready.set)
        if target == "/late":
            assert client.read_answer().fields["connection"] == "close"
            assert client.read_to_end() == b""
        else:
            client.read_stream_head()
            assert client.read_to_end().endswith(b"0\r\n\r\n")
        client.socket.close()
        closing.result(2.0)


def test_close_that_is_cancelled_cuts_what_is_left(run: Run) -> None:
    async def main() -> None:
        server = Server(ServerOptions(bind=("127.0.0.1:0",), drain_seconds=60))
        await server.start()
        _reader, writer = await _open_stream(server)
        for _ in range(500):
            await server.publish("news", "x" * 40_000)
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0.2)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        async with asyncio.timeout(2):
            await server._site.wait_until_empty()
        writer.transport.abort()

    run(main())


def test_a_server_that_cannot_start_leaves_nothing_behind(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    async def close(engine: MemoryEngine) -> None:
        closed.append(engine)

    monkeypatch.setattr(MemoryEngine, "close", close)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = Server(ServerOptions(bind=("127.0.0.1:0", f"127.0.0.1:{port}")))
            with pytest.raises(ConfigurationError):
                await server.start()
            (first,) = server.addresses
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", int(first.rpartition(":")[2]))
            with pytest.raises(ServerClosed):
                await server.publish("news", "x")
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert not tasks
        assert len(closed) == 1

    run(main())


def test_presence_is_told_on_the_streams_of_its_channel(
    loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.02)
    log = LogOptions(patterns=(("room/*", ChannelOptions(presence=True)),))
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, hub=HubOptions(log=log))
    with run_server(loop_name, options) as running:
        first = running.subscriber("/events/room/1")
        assert orjson.loads(first.read_events(1)[0]) == {
            "message": "1 client is here",
            "clients": 1,
        }
        other = running.subscriber("/events/hall")
        second = running.subscriber("/events/room/1")
        for client in (first, second):
            while orjson.loads(client.read_events(1)[0])["clients"] != 2:
                pass
        second.socket.close()
        assert orjson.loads(first.read_events(1)[0])["clients"] == 1
        running.publish("hall", "plain")
        assert other.read_events(1) == ["plain"]


def test_an_idempotency_key_is_heeded_over_http(loop_name: str) -> None:
    with run_server(loop_name) as running, running.client() as client:
        stream = running.subscriber()
        answers = []
        for body in ("one", "again"):
            client.post("/events/news?id=k1", body)
            answers.append(orjson.loads(client.read_answer().body))
        assert [answer["duplicate"] for answer in answers] == [False, True]
        assert answers[0]["id"] == answers[1]["id"]
        client.post("/events/news?id=k2", "two")
        assert client.read_answer().status == 200
        assert stream.read_events(2) == ["one", "two"]
