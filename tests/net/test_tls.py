"""TLS: what is spoken, whose certificate it is, and what a handshake may cost."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from sse_server import Server, ServerOptions
from sse_server.errors import ConfigurationError
from sse_server.net.site import ConnectionOptions
from sse_server.net.tls import TlsOptions
from tests.conftest import write_certificate
from tests.net.conftest import StartServer
from tests.running_server import Client, RunningServer, wait_until

Connect = Callable[..., ssl.SSLSocket]


@pytest.fixture
def running(start_server: StartServer, certificate: TlsOptions) -> RunningServer:
    return start(start_server, certificate)


def start(start_server: StartServer, tls: TlsOptions, **options: object) -> RunningServer:
    return start_server(
        ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.5, tls=tls, **options)  # type: ignore[arg-type]
    )


def context_for(tls: TlsOptions, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.cert)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def connect(
    running: RunningServer, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", running.port), 10)
    running.keep(sock)
    secured = context.wrap_socket(sock, server_hostname="localhost", session=session)
    running.keep(secured)
    return secured


def healthy(sock: socket.socket) -> bool:
    client = Client(sock)
    client.get("/healthz")
    return client.read_answer().status == 200


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (("h2", "http/1.1"), "h2"),
        (("http/1.1",), "http/1.1"),
        ((), None),
        (("http/1.1", "h2"), "h2"),
    ],
)
def test_the_protocol_is_chosen_from_what_is_offered(
    running: RunningServer, certificate: TlsOptions, offered: tuple[str, ...], chosen: str | None
) -> None:
    sock = connect(running, context_for(certificate, *offered))
    assert sock.selected_alpn_protocol() == chosen
    assert chosen == "h2" or healthy(sock)


def test_who_offers_nothing_that_is_spoken_gets_http_1(
    running: RunningServer, certificate: TlsOptions
) -> None:
    sock = connect(running, context_for(certificate, "spdy/3"))
    assert sock.selected_alpn_protocol() is None
    assert healthy(sock)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(
    running: RunningServer, certificate: TlsOptions, version: ssl.TLSVersion
) -> None:
    context = context_for(certificate)
    context.maximum_version = version
    first = connect(running, context)
    assert healthy(first)
    second = connect(running, context, first.session)
    assert second.session_reused
    assert healthy(second)
    tls = running.server._tls
    assert tls is not None
    assert tls.counts == {"full": 1, "resumed": 1, "failed": 0}


def test_tls_1_1_is_refused(running: RunningServer, certificate: TlsOptions) -> None:
    context = context_for(certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        connect(running, context)


def test_who_speaks_no_tls_is_gone_and_others_are_served(
    running: RunningServer, certificate: TlsOptions
) -> None:
    with running.client() as client:
        client.get("/healthz")
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in client.read_to_end()
    tls = running.server._tls
    assert tls is not None
    wait_until(lambda: tls.counts["failed"] == 1, "the handshake has failed")
    running.wait_until_empty()
    assert healthy(connect(running, context_for(certificate)))


def test_a_handshake_that_takes_too_long_is_ended(
    start_server: StartServer, certificate: TlsOptions
) -> None:
    running = start(start_server, replace(certificate, handshake_timeout_seconds=0.2))
    with running.client() as client:
        wait_until(lambda: running.site_sizes == (1, 0), "it is counted")
        with contextlib.suppress(ConnectionError):
            assert client.read_to_end() == b""
    running.wait_until_empty()


@pytest.mark.usefixtures("fast_timer")
def test_of_too_many_handshakes_the_oldest_give_way(
    start_server: StartServer, certificate: TlsOptions
) -> None:
    running = start(start_server, certificate, connection=ConnectionOptions(max_handshaking=3))
    clients = [running.client() for _ in range(8)]
    handshakes = running.server._site.handshakes
    wait_until(lambda: len(handshakes) == 3 and handshakes.cut == 5, "the oldest are cut")
    with contextlib.suppress(ConnectionError):
        assert clients[0].read_to_end() == b""
    wait_until(lambda: running.site_sizes == (3, 0), "only the others are left")
    assert healthy(connect(running, context_for(certificate)))


def test_handshakes_take_places_of_connections(
    start_server: StartServer, certificate: TlsOptions
) -> None:
    running = start(start_server, certificate, connection=ConnectionOptions(max_connections=2))
    silent = [running.client() for _ in range(2)]
    wait_until(lambda: running.site_sizes == (2, 0), "they are counted")
    waiting = socket.create_connection(("127.0.0.1", running.port), 10)
    running.keep(waiting)
    silent[0].socket.close()
    secured = context_for(certificate).wrap_socket(waiting, server_hostname="localhost")
    assert healthy(running.keep(secured))


def test_handshakes_are_ended_at_shutdown(
    start_server: StartServer, certificate: TlsOptions
) -> None:
    running = start(start_server, certificate)
    with running.client() as client:
        wait_until(lambda: running.site_sizes == (1, 0), "it is counted")
        closing = asyncio.run_coroutine_threadsafe(running.server.close(), running.loop)
        with contextlib.suppress(ConnectionError):
            assert client.read_to_end() == b""
        closing.result(5)


def test_a_new_certificate_is_taken_by_a_reload_and_streams_stay(
    start_server: StartServer, tmp_path: Path
) -> None:
    tls = write_certificate(tmp_path)
    running = start(start_server, tls)
    before = context_for(tls)
    stream = Client(connect(running, before))
    stream.get("/events/news")
    stream.read_stream_head()
    write_certificate(tmp_path)
    assert running.call(lambda: running.server.reload(running.server.options)) == []
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(running, before)
    assert healthy(connect(running, context_for(tls)))
    running.publish("news", "still here")
    assert stream.read_events(1) == ["still here"]


def test_a_certificate_that_cannot_be_used_changes_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    tls = write_certificate(tmp_path)
    running = start(start_server, tls)
    assert tls.key is not None
    kept = Path(tls.key).read_bytes()
    Path(tls.key).write_text("no key")
    options = replace(running.server.options, drain_seconds=0.1)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        running.call(lambda: running.server.reload(options))
    assert running.server.options.drain_seconds == 0.5
    Path(tls.key).write_bytes(kept)
    assert healthy(connect(running, context_for(tls)))


def test_tls_cannot_be_switched_off_or_on_while_it_serves(
    running: RunningServer, certificate: TlsOptions
) -> None:
    options = replace(running.server.options, tls=TlsOptions())
    assert running.call(lambda: running.server.reload(options)) == ["tls.cert", "tls.key"]
    assert healthy(connect(running, context_for(certificate)))


def test_certificate_and_key_may_be_one_file(start_server: StartServer, tmp_path: Path) -> None:
    tls = write_certificate(tmp_path)
    assert tls.cert is not None
    assert tls.key is not None
    both = tmp_path / "both.pem"
    both.write_bytes(Path(tls.cert).read_bytes() + Path(tls.key).read_bytes())
    running = start(start_server, TlsOptions(cert=str(both)))
    assert healthy(connect(running, context_for(tls)))


def test_unix_sockets_stay_in_clear(
    start_server: StartServer, certificate: TlsOptions, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    start_server(ServerOptions(bind=(f"unix:{path}",), tls=certificate))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        assert healthy(sock)


def test_a_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without a certificate"):
        TlsOptions(key="key.pem")


@pytest.mark.parametrize("broken", ["missing", "passphrase", "another key"])
def test_what_cannot_be_used_is_told_at_once(tmp_path: Path, broken: str) -> None:
    tls = write_certificate(tmp_path)
    assert tls.key is not None
    key = Path(tls.key)
    match broken:
        case "missing":
            key.unlink()
        case "passphrase":
            key.write_bytes(_ENCRYPTED)
        case _:
            trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(str(key))
    with pytest.raises(ConfigurationError) as caught:
        Server(ServerOptions(tls=tls))
    assert caught.value.setting == "TlsOptions.cert"
    assert str(caught.value).count("\n") == 0


_ENCRYPTED = b"""-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00000000000000000000000000000000

AAAA
-----END EC PRIVATE KEY-----
"""
