"""The server as an object: engine, hub, endpoints and listeners wired together, in any loop."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import orjson

from sse_server.auth.anonymous import AnonymousGuard, check_bind
from sse_server.core.hub import Hub, HubOptions
from sse_server.core.presence import presence_channel
from sse_server.endpoints.channels import ChannelsEndpoint
from sse_server.endpoints.cors import Cors, CorsOptions
from sse_server.endpoints.history import HistoryEndpoint
from sse_server.endpoints.page import PageEndpoint
from sse_server.endpoints.publish import PublishEndpoint
from sse_server.endpoints.router import Router
from sse_server.endpoints.send import SendEndpoint
from sse_server.endpoints.status import StatusEndpoint
from sse_server.endpoints.subscribe import SubscribeEndpoint
from sse_server.engines.base import Publication, Receipt
from sse_server.engines.gated import GatedEngine
from sse_server.engines.idempotency import IdempotencyOptions
from sse_server.engines.memory import MemoryEngine
from sse_server.errors import ServerClosed
from sse_server.http.http1 import Http1Options
from sse_server.http.http2 import Http2Options
from sse_server.net.address import parse_address
from sse_server.net.farewell import Farewell
from sse_server.net.listener import Listener, listen
from sse_server.net.site import ConnectionOptions, Site
from sse_server.net.timer import Timer
from sse_server.net.tls import Tls, TlsOptions
from sse_server.wire.channel_name import check_channel
from sse_server.wire.event import Event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from types import TracebackType

    from sse_server.http.response import Endpoint


_LEAST_RATE = 1_000  # streams a second that a server lets in, where none was busier yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Everything that can be set, by the module that it steers."""

    bind: tuple[str, ...] = ("127.0.0.1:8000",)
    """`HOST:PORT`, `[V6]:PORT` or `unix:PATH`; empty: no listener, for tests of one's own."""
    allow_anonymous: bool = False
    """Let everyone who can reach a listener do everything. For closed networks."""
    drain_seconds: float = 5.0
    """How long `close` waits for clients to take what they have been sent."""
    restart_seconds: float = 1.0
    """How long it takes until the next server listens: clients are told to come back after that."""
    hub: HubOptions = field(default_factory=HubOptions)
    http1: Http1Options = field(default_factory=Http1Options)
    http2: Http2Options = field(default_factory=Http2Options)
    tls: TlsOptions | None = None
    """None: in clear, for this machine, closed networks and proxies that speak TLS themselves."""
    cors: CorsOptions = field(default_factory=CorsOptions)
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    idempotency: IdempotencyOptions = field(default_factory=IdempotencyOptions)


class Server:
    """An event stream server in the running loop.

    async with Server(ServerOptions(bind=("127.0.0.1:8000",))) as server:
        await server.publish("news", Event("hello"))
    """

    def __init__(self, options: ServerOptions | None = None) -> None:
        """Nothing is bound before `start`.

        Raises:
            ConfigurationError: an address is malformed, or reachable by strangers who need not say
                who they are, or the certificate cannot be used.
        """
        self._options = options = options or ServerOptions()
        self._addresses = [parse_address(bind) for bind in options.bind]
        for address in self._addresses:
            check_bind(address.host, allow_anonymous=options.allow_anonymous)
        self._tls = None if options.tls is None else Tls(options.tls)
        self._listeners: list[Listener] = []
        self._background: set[asyncio.Future[list[Receipt]]] = set()
        self._unready: str | None = "the server is starting"

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as `HOST:PORT` or `unix:PATH`."""
        return [str(listener.address) for listener in self._listeners]

    @property
    def scheme(self) -> str:
        """`https` or `http`: what the addresses of TCP listeners begin with."""
        return "http" if self._tls is None else "https"

    @property
    def hub(self) -> Hub:
        """The hub, to look into. To publish, use `publish`."""
        return self._hub

    async def start(self) -> None:
        """Begin to listen. A server is started once.

        Raises:
            ConfigurationError: an address cannot be had.
        """
        self._loop = loop = asyncio.get_running_loop()
        engine = MemoryEngine(loop.time, self._options.idempotency)
        self._hub = Hub(self._options.hub, engine.positions, wake=self._wake_pump, clock=loop.time)
        self._engine = GatedEngine(engine, self._hub)
        await self._engine.start(self._hub.deliver)
        options = self._options
        self._site = Site(
            self._endpoint(), options.connection, options.http1, loop, options.http2, self._tls
        )
        try:
            for address in self._addresses:
                self._listeners.append(await listen(address, self._site))
        except BaseException:
            for listener in self._listeners:
                listener.close()
            self._site.draining = True
            self._site.abort()  # the first listener may have had its first clients
            await self._engine.close()
            raise
        self._timer = Timer(loop, (self._site.sweep, self._hub.tick, self._tell_presence))
        self._unready = None

    async def close(self) -> None:
        """End every stream cleanly, within `drain_seconds`. Idempotent."""
        if self._unready is not None:
            return
        self._unready = "the server is shutting down"
        for listener in self._listeners:
            listener.close()
        self._timer.stop()
        # Clients keep their limits: one that was answered and does not leave is not waited for.
        self._timer = Timer(self._loop, (self._site.sweep,))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.drain_seconds):
                    await self._drain()
        finally:
            self._timer.stop()
            self._site.abort()
        await self._site.wait_until_empty()
        for publishing in self._background:
            publishing.cancel()
        await self._engine.close()

    async def publish(self, channel: str, event: Event | str | bytes) -> Receipt:
        """Publish one event; answers when the engine has it.

        Raises:
            InvalidChannel: `channel` cannot be the name of one.
            InvalidEvent: the event cannot be sent; see `Event`.
            ServerClosed: the server has not been started, or is closed.
        """
        if self._unready is not None:
            raise ServerClosed(self._unready)
        event = event if isinstance(event, Event) else Event(event)
        receipts = self._engine.publish([Publication(check_channel(channel), event)])
        return (receipts if isinstance(receipts, list) else await receipts)[0]

    def reload_certificate(self) -> None:
        """Read the certificate and its key again: connections made from now on get the new one.

        Raises:
            ConfigurationError: they cannot be used; those that were there before still are.
        """
        if self._tls is not None:
            self._tls.reload()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    def _wake_pump(self) -> None:
        self._loop.call_soon(self._hub.pump.run)

    def _publish(
        self, publications: Sequence[Publication]
    ) -> list[Receipt] | Awaitable[list[Receipt]]:
        return self._engine.publish(publications)

    def _endpoint(self) -> Endpoint:
        """What answers every request."""
        origins = self._options.cors.origins
        guard = AnonymousGuard(allow_anonymous=self._options.allow_anonymous, origins=origins)
        router = Router(guard.check)
        hub, positions = self._hub, self._engine.positions
        for endpoint in (
            SubscribeEndpoint(hub),
            PublishEndpoint(self._publish),
            SendEndpoint(self._publish, hub.directory),
            ChannelsEndpoint(hub.directory, positions),
            HistoryEndpoint(hub.directory, positions),
            StatusEndpoint(lambda: self._unready),
            PageEndpoint(),
        ):
            endpoint.add_to(router)
        return Cors(router, self._options.cors) if origins else router

    def _tell_presence(self) -> None:
        """Publish how many follow the channels where that has changed."""
        for channel in self._hub.presence.take():
            clients = self._hub.directory.clients(channel)
            message = "1 client is here" if clients == 1 else f"{clients} clients are here"
            data = orjson.dumps({"message": message, "clients": clients})
            event = Event(data, type="system")
            receipts = self._publish([Publication(presence_channel(channel), event)])
            if not isinstance(receipts, list):
                publishing = asyncio.ensure_future(receipts)
                self._background.add(publishing)
                publishing.add_done_callback(self._background.discard)

    async def _drain(self) -> None:
        """Take no more in, send what was taken in, and give it the time to leave."""
        site = self._site
        site.draining = True
        until = site.loop.time() + self._options.drain_seconds
        self._engine.shut("the server is shutting down: publish to the next one")
        await self._engine.settled()
        # The loop has come round: what clients had sent by then is read, and not thrown back.
        for connection in list(site.connections):
            connection.close_when_idle()
        farewell = self._farewell(until - site.loop.time())
        for stream in site.open_streams():
            stream.finish(farewell.block())
        await site.wait_until_empty()

    def _farewell(self, left_seconds: float) -> Farewell:
        """When clients are to come back: the next server may begin only when this one has ended."""
        site = self._site
        rate = max(site.peak_rate, _LEAST_RATE)
        first = left_seconds + self._options.restart_seconds
        return Farewell(first, self._hub.subscribers / rate)
