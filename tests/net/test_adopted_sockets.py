"""Sockets that somebody else has bound: a service manager, or a program that embeds a server."""

import asyncio
import socket
from pathlib import Path

import pytest

from sse_server import Server, ServerOptions
from sse_server.errors import ConfigurationError
from sse_server.net.site import ConnectionOptions
from sse_server.net.socket_options import SocketOptions
from tests.running_server import Client, new_loop, run_server, wait_until

OPTIONS = ServerOptions(
    bind=("127.0.0.1:1",),  # nobody but root could have it
    drain_seconds=5.0,
    connection=ConnectionOptions(socket=SocketOptions(user_timeout_seconds=17), linger_seconds=0.4),
)


def _serve_once(
    loop_name: str, *sockets: socket.socket, allow_anonymous: bool = False
) -> list[str]:
    """Serve on sockets and close again; returns the addresses."""

    async def main() -> list[str]:
        options = ServerOptions(allow_anonymous=allow_anonymous)
        async with Server(options, sockets=sockets) as server:
            return server.addresses

    with asyncio.Runner(loop_factory=lambda: new_loop(loop_name)) as runner:
        return runner.run(main())


def test_a_tcp_socket_is_tuned_as_our_own(loop_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        with run_server(loop_name, OPTIONS, sockets=[held.dup()]) as running:
            assert running.server.addresses == [f"127.0.0.1:{held.getsockname()[1]}"]
            with running.subscriber() as client:
                running.publish("news", "one")
                assert client.read_events(1) == ["one"]
        timeout = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == 17_000
        assert held.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_who_connects_between_two_servers_waits_for_the_second(loop_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        _serve_once(loop_name, held.dup())
        with Client(socket.create_connection(held.getsockname())) as client:
            client.get("/events/news")
            with run_server(loop_name, OPTIONS, sockets=[held.dup()]):
                client.read_stream_head()


@pytest.mark.parametrize("abstract", [False, True])
def test_the_path_of_a_unix_socket_stays(loop_name: str, tmp_path: Path, abstract: bool) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        held.bind(f"\0{path}" if abstract else str(path))
        with run_server(loop_name, OPTIONS, sockets=[held.dup()]) as running:
            assert running.server.addresses == [f"unix:@{path}" if abstract else f"unix:{path}"]
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(held.getsockname())
            with Client(sock) as client:
                client.get("/healthz")
                assert client.read_answer().status == 200
        assert path.is_socket() is not abstract


def test_one_that_strangers_reach_has_to_be_meant(loop_name: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as held:
        with pytest.raises(ConfigurationError) as caught:
            Server(sockets=[held])
        assert str(caught.value).startswith("sockets: '0.0.0.0' can be reached from elsewhere")
        _serve_once(loop_name, held.dup(), allow_anonymous=True)


def test_a_connection_is_no_socket_to_listen_on() -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with one, other, pytest.raises(ConfigurationError, match="is a connection"):
        Server(sockets=[one])


def test_a_socket_without_a_name_is_refused() -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unbound,
        pytest.raises(ConfigurationError, match="is not bound"),
    ):
        Server(sockets=[unbound])


def test_sockets_are_closed_when_one_of_them_cannot_be_listened_on(loop_name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as rival:
            rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            rival.bind(held.getsockname())
            rival.listen()
            sockets = [socket.create_server(("127.0.0.1", 0)), held.dup()]
            with pytest.raises(ConfigurationError, match="is taken by another process"):
                _serve_once(loop_name, *sockets)
            assert [sock.fileno() for sock in sockets] == [-1, -1]


def test_who_has_just_connected_is_answered_while_the_server_closes(loop_name: str) -> None:
    with run_server(
        loop_name, OPTIONS, sockets=[socket.create_server(("127.0.0.1", 0))]
    ) as running:
        publisher, silent = running.client(), running.client()
        wait_until(lambda: running.site_sizes == (2, 0), "both are accepted")
        closing = asyncio.run_coroutine_threadsafe(running.server.close(), running.loop)
        wait_until(lambda: running.server._site.draining, "it drains")
        publisher.post("/events/news", "late")
        answer = publisher.read_answer()
        assert (answer.status, answer.fields["connection"]) == (503, "close")
        assert silent.read_to_end() == b""
        closing.result()
