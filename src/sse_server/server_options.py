"""Options of a server: those of all its parts, and where it listens."""

from dataclasses import dataclass, field
from typing import Annotated

from sse_server.auth.anonymous import check_bind
from sse_server.auth.options import AuthOptions
from sse_server.core.hub_options import HubOptions
from sse_server.endpoints.cors import CorsOptions
from sse_server.engines.idempotency import IdempotencyOptions
from sse_server.engines.schemes import EngineSettings, make_engine
from sse_server.engines.sqlite.options import SqliteOptions
from sse_server.errors import ConfigurationError
from sse_server.http.h2_options import Http2Options
from sse_server.http.http1 import Http1Options
from sse_server.net.address import parse_address
from sse_server.net.site import ConnectionOptions
from sse_server.net.tls import TlsOptions
from sse_server.observe.journal import JournalOptions
from sse_server.options import RELOADABLE, Bounds, Options, SecretInUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(Options):
    """Everything that can be set, by the module that it steers."""

    bind: tuple[str, ...] = ("127.0.0.1:8000",)
    """`HOST:PORT`, `[V6]:PORT` or `unix:PATH`; empty: no listener, for tests of one's own."""
    engine: Annotated[str, SecretInUrl()] = "memory:"
    """What orders events and keeps them, as a URL. `memory:` keeps what the log of the hub has room
    for, and it is gone with the process. `sqlite:///PATH` keeps them in a file (`sqlite:PATH` in
    one below the working directory); `docs/durability.md` says what survives what."""
    allow_anonymous: bool = False
    """Let everyone who can reach a listener do everything. For closed networks."""
    drain_seconds: Annotated[float, Bounds(0, 3_600), RELOADABLE] = 5.0
    """How long `close` waits for clients to take what they have been sent."""
    restart_seconds: Annotated[float, Bounds(0, 3_600), RELOADABLE] = 1.0
    """How long it takes until the next server listens: clients are told to come back after that."""
    hub: HubOptions = field(default_factory=HubOptions)
    tls: TlsOptions = field(default_factory=TlsOptions)
    http1: Http1Options = field(default_factory=Http1Options)
    http2: Http2Options = field(default_factory=Http2Options)
    cors: CorsOptions = field(default_factory=CorsOptions)
    auth: AuthOptions = field(default_factory=AuthOptions)
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    idempotency: IdempotencyOptions = field(default_factory=IdempotencyOptions)
    sqlite: SqliteOptions = field(default_factory=SqliteOptions)
    journal: JournalOptions = field(default_factory=JournalOptions)

    @property
    def lets_strangers_in(self) -> bool:
        """Whether it may listen where everyone can reach it."""
        return self.allow_anonymous or self.auth.is_configured

    def __post_init__(self) -> None:
        """Refuse what cannot be served with.

        Raises:
            ConfigurationError: an address is malformed, or reachable by strangers who need not say
                who they are; or there is no such engine.
        """
        Options.__post_init__(self)
        if self.allow_anonymous and self.auth.is_configured:
            raise ConfigurationError(
                setting="ServerOptions.allow_anonymous",
                problem="auth says who may do what, and this that everybody may do everything",
                mend="take one of them out",
            )
        for bind in self.bind:
            check_bind(parse_address(bind).host, allow_anonymous=self.lets_strangers_in)
        make_engine(self.engine, self.engine_settings())

    def engine_settings(self) -> EngineSettings:
        """What its engine is made with."""
        return EngineSettings(idempotency=self.idempotency, log=self.hub.log, sqlite=self.sqlite)
