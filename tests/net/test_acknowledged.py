"""What is known of what a client has acknowledged."""

import socket

from sse_server.net.socket_options import acknowledged
from tests.running_server import wait_until


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        return server, client


def test_what_the_kernel_of_the_client_has_is_acknowledged() -> None:
    server, client = pair()
    with server, client:
        before = acknowledged(server, 0)
        assert before is not None
        assert before[1] == 0
        server.sendall(b"x" * 1000)
        wait_until(lambda: acknowledged(server, 0) == (before[0] + 1000, 0), "all is acknowledged")
        assert acknowledged(server, 5) == (before[0] + 1000, 5)


def test_what_it_does_not_take_is_not() -> None:
    server, client = pair()
    with server, client:
        server.setblocking(False)
        sent = 0
        try:
            while True:
                sent += server.send(b"x" * 65_536)
        except BlockingIOError:
            pass
        known = acknowledged(server, 0)
        assert known is not None
        assert known[1] > 0
        assert known[0] + known[1] >= sent


def test_of_unix_sockets_nobody_knows() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert acknowledged(one, 0) is None


def test_of_a_connection_that_is_gone_nobody_knows() -> None:
    server, client = pair()
    client.close()
    server.close()
    assert acknowledged(server, 0) is None
