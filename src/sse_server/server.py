"""The server as an object: engine, hub, endpoints and listeners wired together, in any loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Self

from sse_server.auth.anonymous import check_bind
from sse_server.core.histogram import SECONDS, Histogram
from sse_server.core.hub import Hub
from sse_server.engines.announcer import Announcer
from sse_server.engines.base import Publication, Receipt
from sse_server.engines.gated import GatedEngine
from sse_server.engines.reader import HistoryReader
from sse_server.engines.reported import ReportedPublishing
from sse_server.engines.schemes import make_engine
from sse_server.errors import ServerClosed
from sse_server.net.address import bound_address, parse_address
from sse_server.net.farewell import Farewell
from sse_server.net.listener import Listener, adopt, listen
from sse_server.net.site import Site
from sse_server.net.timer import Timer
from sse_server.net.tls import NO_HANDSHAKES, Tls
from sse_server.observe.collector import Observed
from sse_server.observe.journal import Journal
from sse_server.observe.metrics import Metrics
from sse_server.options import take_over
from sse_server.outbound.gate import Gate
from sse_server.server_options import ServerOptions
from sse_server.surface import Surface
from sse_server.wire.channel_name import check_channel
from sse_server.wire.event import Event

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from types import TracebackType


class Server:
    """An event stream server in the running loop.

    async with Server(ServerOptions(bind=("127.0.0.1:8000",))) as server:
        await server.publish("news", Event("hello"))
    """

    def __init__(
        self, options: ServerOptions | None = None, *, sockets: Sequence[socket.socket] = ()
    ) -> None:
        """Nothing is bound before `start`.

        `sockets`: bound stream sockets, listened on instead of `options.bind`; from `start` on they
        are the server's, and closed with it. Keep a `dup` of one, and who connects after that waits
        for the next server; the path of a Unix socket stays.

        Raises:
            ConfigurationError: a socket cannot be listened on, or is reachable by strangers who
                need not say who they are; or the certificate cannot be used.
        """
        self._options = options = options or ServerOptions()
        self._sockets = sockets
        for sock in sockets:
            host = bound_address(sock).host
            check_bind(host, allow_anonymous=options.lets_strangers_in, setting="sockets")
        self._tls = None if options.tls.cert is None else Tls(options.tls)
        self._listeners: list[Listener] = []
        self._lag = Histogram(SECONDS)
        self._unready: str | None = "the server is starting"

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as `HOST:PORT` or `unix:PATH`."""
        return [str(listener.address) for listener in self._listeners]

    @property
    def options(self) -> ServerOptions:
        """What it serves with now."""
        return self._options

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
        engine = make_engine(self._options.engine, self._options.engine_settings())
        try:
            await engine.open()
        except BaseException:
            for sock in self._sockets:
                sock.close()
            raise
        self._hub = Hub(
            self._options.hub,
            engine.positions,
            self._wake_pump,
            time.monotonic,  # not the loop's, which with uvloop stands still while a callback runs
            newest=engine.newest,
            history=HistoryReader(engine) if engine.keeps_history else None,
            watcher=engine if engine.selective else None,
        )
        engine.start(self._hub)
        self._engine = GatedEngine(engine, self._hub)
        self._journal = journal = Journal(self._options.journal, time.monotonic)
        self._publish = ReportedPublishing(self._engine, journal).publish
        metrics = Metrics(
            Observed(
                hub=self._hub,
                connections=lambda: self._site.size,
                delayed=lambda: self._engine.delayed,
                refusals=journal.refusals,
                breaks=journal.breaks,
                handshakes=NO_HANDSHAKES if self._tls is None else self._tls.counts,
                loop_lag=self._lag,
                tenants=lambda: self._gate.tenants,
                engine=engine.counters,
                trouble=lambda: engine.trouble,
            )
        )
        options = self._options
        self._gate = Gate(self._hub, journal.origin_refused, is_tls=self._tls is not None)
        try:
            self._gate.take(options.auth, options.cors.origins)
        except BaseException:
            await self._engine.close()
            raise
        self._surface = Surface(
            self._hub,
            engine.positions,
            self._gate,
            self._publish,
            journal,
            metrics,
            lambda: self._unready or engine.trouble,
            engine.history if engine.keeps_history else None,
        )
        endpoint = self._surface.endpoint(options)
        self._site = Site(endpoint, options.connection, options.http1, loop, journal, options.http2)
        self._site.tls = self._tls
        try:
            for sock in self._sockets:
                self._listeners.append(await adopt(sock, self._site))
            for bind in () if self._sockets else self._options.bind:
                self._listeners.append(await listen(parse_address(bind), self._site))
        except BaseException:
            for listener in self._listeners:
                listener.close()
            for sock in self._sockets:
                sock.close()
            self._site.draining = True
            self._site.abort()  # the first listener may have had its first clients
            await self._engine.close()
            await self._gate.close()
            raise
        site, gate = self._site, self._gate
        self._announcer = announcer = Announcer(self._hub, self._publish)
        chores = (site.sweep, self._hub.tick, gate.tick, announcer.announce, self._tell_journal)
        self._timer = Timer(loop, chores, self._lag)
        self._unready = None
        journal.started(self.addresses)

    async def close(self) -> None:
        """End every stream cleanly, within `drain_seconds`. Idempotent."""
        if self._unready is not None:
            return
        self._unready = "the server is shutting down"
        streams = self._hub.subscribers
        for listener in self._listeners:
            listener.close()
        self._timer.stop()
        # Clients keep their limits: who was answered and does not leave is not waited for.
        self._timer = Timer(self._loop, (self._site.sweep, self._tell_journal), self._lag)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.drain_seconds):
                    await self._drain()
        finally:
            self._timer.stop()
            self._site.abort()
        await self._site.wait_until_empty()
        self._announcer.cancel()
        await self._engine.close()
        await self._gate.close()
        self._tell_journal()
        self._journal.stopped(streams)

    def reload(self, options: ServerOptions) -> list[str]:
        """Go on with other options, as far as a running server can. Streams stay open.

        Returns the fields that differ and need a new server, such as `hub.log.max_bytes`: they stay
        as they are. `docs/configuration.md` says which do not. To be called in the server's loop.

        Raises:
            ServerClosed: the server has not been started, or is closed.
            ConfigurationError: what is new does not go together with what has to stay, or the
                certificate, which is read again, cannot be used. Then nothing has changed.
        """
        if self._unready is not None:
            raise ServerClosed(self._unready)
        new, left = take_over(self._options, options)
        if self._tls is not None:
            self._tls.reload(new.tls)
        self._gate.take(new.auth, new.cors.origins)
        self._options = new
        self._hub.reload(new.hub)
        self._site.reload(new.connection, new.http1, new.http2)
        self._site.endpoint = self._surface.endpoint(new)
        return [".".join(path) for path in left]

    async def publish(self, channel: str, event: Event | str | bytes) -> Receipt:
        """Publish one event; answers when the engine has it.

        Raises:
            InvalidChannel: `channel` cannot be the name of one.
            InvalidEvent: the event cannot be sent; see `Event`.
            ServerClosed: the server has not been started, or is closed.
            Unavailable: the engine cannot store it. It is not known to be stored: publishing it
                again with the same `id` is safe.
        """
        if self._unready is not None:
            raise ServerClosed(self._unready)
        event = event if isinstance(event, Event) else Event(event)
        receipts = self._publish([Publication(check_channel(channel), event)])
        return (receipts if isinstance(receipts, list) else await receipts)[0]

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

    def _tell_journal(self) -> None:
        """Tell of gaps, and of what was left out in the second that has passed."""
        self._journal.gaps(self._hub.pump)
        self._journal.engine(self._engine.trouble, self._engine.counters)
        self._journal.tick()

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
        left_seconds = until - site.loop.time()
        # The next server may begin only when this one has ended.
        first_seconds = left_seconds + self._options.restart_seconds
        farewell = Farewell.of(first_seconds, site.stream_count, site.peak_rate)
        for stream in site.open_streams():
            stream.finish(farewell.block())
        await site.wait_until_empty()
