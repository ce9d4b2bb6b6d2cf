import socket

import pytest

from sse_server.net.socket_options import SocketOptions, tune


def test_a_connection_inherits_what_its_listener_was_given() -> None:
    options = SocketOptions(not_sent_low_water_bytes=30_000, user_timeout_seconds=7)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tune(listening, options)
        with (
            socket.create_connection(listening.getsockname()[:2]),
            listening.accept()[0] as accepted,
        ):
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            for name, value in (
                ("TCP_NOTSENT_LOWAT", 30_000),
                ("TCP_KEEPIDLE", options.keepalive_idle_seconds),
                ("TCP_USER_TIMEOUT", 7_000),
            ):
                if hasattr(socket, name):
                    option = getattr(socket, name)
                    assert accepted.getsockopt(socket.IPPROTO_TCP, option) == value


def test_what_a_platform_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TCP_NOTSENT_LOWAT", "TCP_USER_TIMEOUT"):
        monkeypatch.delattr(socket, name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tune(listening, SocketOptions())
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
