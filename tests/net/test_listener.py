"""Addresses that can be had, and those that cannot."""

import asyncio
import errno
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from sse_server import Server, ServerOptions
from sse_server.errors import ConfigurationError
from sse_server.net.site import ConnectionOptions
from tests.conftest import require_command
from tests.net.conftest import StartServer
from tests.running_server import Client, RunningServer, new_loop, wait_until


def _refused(loop_name: str, *bind: str) -> str:
    """What a server says that cannot be started; it must leave nothing behind."""
    new_loop(loop_name).close()  # the first of a process opens what it keeps
    before = len(list(Path("/dev/fd").iterdir()))
    with (
        asyncio.Runner(loop_factory=lambda: new_loop(loop_name)) as runner,
        pytest.raises(ConfigurationError) as caught,
    ):
        runner.run(Server(ServerOptions(bind=bind, allow_anonymous=True)).start())
    assert len(list(Path("/dev/fd").iterdir())) == before
    return str(caught.value)


def _client(path: Path) -> Client:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(path))
    return Client(sock)


def test_a_taken_port_is_told_with_the_way_out(loop_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = _refused(loop_name, f"127.0.0.1:{port}")
    assert "is taken by another process" in message
    assert "--bind 127.0.0.1:0" in message


def test_when_one_address_cannot_be_had_the_others_are_given_back(loop_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _refused(loop_name, "127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("192.0.2.1:0", "is no address of this machine"),
        ("no-such-host.invalid:0", "cannot be listened on"),
        ("a..b:0", "cannot be listened on"),
        (f"{'a' * 64}.example:0", "cannot be listened on"),
        ("unix:/nonexistent/folder/socket", "cannot be listened on"),
        (f"unix:/tmp/{'a' * 200}", "cannot be listened on"),
    ],
)
def test_an_address_that_cannot_be_had_is_explained(
    loop_name: str, bind: str, expected: str
) -> None:
    assert expected in _refused(loop_name, bind)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may listen anywhere")
def test_a_privileged_port_is_explained(loop_name: str) -> None:
    assert "1024" in _refused(loop_name, "127.0.0.1:1")


def test_ipv6(start_server: StartServer) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    running = start_server(ServerOptions(bind=("[::1]:0",)))
    (address,) = running.server.addresses
    assert address.startswith("[::1]:")
    with Client(socket.create_connection(("::1", running.port))) as client:
        client.send(b"GET /channels HTTP/1.1\r\nHost: [::1]:80\r\n\r\n")
        assert client.read_answer().status == 200


def test_several_addresses_serve_one_hub(start_server: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    running = start_server(ServerOptions(bind=("127.0.0.1:0", f"unix:{path}"), drain_seconds=0.2))
    with running.subscriber() as tcp, _client(path) as unix:
        unix.get("/events/news")
        unix.read_stream_head()
        running.publish("news", "one")
        assert tcp.read_events(1) == unix.read_events(1) == ["one"]


def test_a_dead_socket_is_replaced_and_ours_removed_in_the_end(
    loop_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
        dead.listen()

    async def serve_once() -> None:
        async with Server(ServerOptions(bind=(f"unix:{path}",))) as server:
            assert server.addresses == [f"unix:{path}"]
            _client(path).socket.close()

    with asyncio.Runner(loop_factory=lambda: new_loop(loop_name)) as runner:
        runner.run(serve_once())
    assert not path.exists()


def test_a_live_socket_is_not_taken_over(start_server: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    start_server(ServerOptions(bind=(f"unix:{path}",)))
    message = _in_a_thread("asyncio", f"unix:{path}")
    assert "is taken by another process" in message
    with _client(path) as client:
        client.get("/healthz")
        assert client.read_answer().status == 200


def test_a_file_in_the_way_is_not_deleted(loop_name: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("precious")
    assert "a file of another kind is in the way" in _refused(loop_name, f"unix:{path}")
    assert path.read_text() == "precious"


def test_a_socket_that_took_our_place_is_not_deleted(loop_name: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"

    async def be_replaced() -> None:
        async with Server(ServerOptions(bind=(f"unix:{path}",))):
            path.rename(tmp_path / "old")  # its inode stays taken
            path.write_text("the next server's")

    with asyncio.Runner(loop_factory=lambda: new_loop(loop_name)) as runner:
        runner.run(be_replaced())
    assert path.exists()


@pytest.mark.peer
def test_curl_reads_a_unix_socket(start_server: StartServer, tmp_path: Path) -> None:
    curl = require_command("curl", package="curl")
    path = tmp_path / "socket"
    running = start_server(ServerOptions(bind=(f"unix:{path}",), drain_seconds=0.2))
    process = subprocess.Popen(
        [curl, "-sSN", "--unix-socket", str(path), "http://localhost/events/news"],
        stdout=subprocess.PIPE,
    )
    try:
        wait_until(lambda: running.server.hub.subscribers == 1, "curl is there")
        running.publish("news", "one")
        running.run(running.server.close())
        output, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert b"data: one\n" in output
    assert process.returncode == 0  # the last chunk has come


def _in_a_thread(loop_name: str, bind: str) -> str:
    """Like `_refused`, beside a running server, whose descriptors come and go."""
    messages: list[str] = []

    def start() -> None:
        with asyncio.Runner(loop_factory=lambda: new_loop(loop_name)) as runner:
            try:
                runner.run(Server(ServerOptions(bind=(bind,))).start())
            except ConfigurationError as error:
                messages.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    return messages[0]


@pytest.fixture
def small(start_server: StartServer) -> RunningServer:
    """A server with room for four."""
    return start_server(
        ServerOptions(
            bind=("127.0.0.1:0",),
            drain_seconds=0.2,
            connection=ConnectionOptions(max_connections=4),
        )
    )


def test_beyond_its_connections_a_server_lets_clients_wait_until_there_is_room(
    small: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    taken = [small.subscriber() for _ in range(4)]
    waiting = []
    for _ in range(4):
        client = small.client()
        client.get("/events/news")
        waiting.append(client)
    wait_until(lambda: "listener full" in caplog.text, "it is told")
    small.publish("news", "one")
    assert [client.read_events(1) for client in taken] == [["one"]] * 4
    held = small.site_sizes[1]
    assert 4 <= held <= 7  # with who was being accepted when the fourth was counted
    for client in taken:
        client.socket.close()
    for client in waiting:
        client.read_stream_head()
    small.publish("news", "two")
    for client in waiting:
        assert b"data: two\n" in client.read_until(b"two\n")
    for client in waiting:
        client.socket.close()
    small.wait_until_empty()
    with small.subscriber():
        pass


def test_a_full_server_closes_cleanly(small: RunningServer) -> None:
    clients = [small.subscriber() for _ in range(4)]
    waiting = small.client()
    waiting.get("/events/news")
    small.run(small.server.close())
    for client in clients:
        rest = client.read_to_end()
        assert rest.startswith(b"\r\n")  # the end of the opening chunk
        assert rest.count(b"event: server-shutdown\n") == 1
        assert rest.endswith(b"\n\n\r\n0\r\n\r\n")
        client.socket.close()
    waiting.socket.close()


def test_a_full_server_is_closed_while_there_is_room_again(start_server: StartServer) -> None:
    running = start_server(
        ServerOptions(
            bind=("127.0.0.1:0",),
            drain_seconds=0.2,
            connection=ConnectionOptions(max_connections=1),
        )
    )
    with running.client() as first, running.client():
        first.get("/healthz")
        assert first.read_answer().status == 200
    # The end of the fixture closes it, and holds that nothing went wrong in the loop.


def test_without_a_descriptor_to_go_on_with_it_tries_again(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.net.listener._RETRY_SECONDS", 0.02)
    running = start_server(
        ServerOptions(
            bind=("127.0.0.1:0",),
            drain_seconds=0.2,
            connection=ConnectionOptions(max_connections=1),
        )
    )
    duplicate = socket.socket.dup
    refusals = [OSError(errno.EMFILE, os.strerror(errno.EMFILE))] * 3

    def refuse(sock: socket.socket) -> socket.socket:
        if refusals:
            raise refusals.pop()
        return duplicate(sock)

    with running.client() as first:
        first.get("/healthz")
        assert first.read_answer().status == 200
        monkeypatch.setattr(socket.socket, "dup", refuse)
    for _ in range(3):
        with running.client() as later:
            later.get("/healthz")
            assert later.read_answer().status == 200
