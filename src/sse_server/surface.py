"""What a server answers: every endpoint, behind the guard and CORS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sse_server.auth.anonymous import AnonymousGuard
from sse_server.endpoints.channels import ChannelsEndpoint
from sse_server.endpoints.client_script import ClientScriptEndpoint
from sse_server.endpoints.control import ControlEndpoint
from sse_server.endpoints.cors import Cors
from sse_server.endpoints.history import HistoryEndpoint, ReadHistory
from sse_server.endpoints.metrics import MetricsEndpoint
from sse_server.endpoints.page import PageEndpoint
from sse_server.endpoints.publish import PublishEndpoint
from sse_server.endpoints.renewal import RenewalEndpoint
from sse_server.endpoints.revocations import RevocationsEndpoint
from sse_server.endpoints.rights import holder
from sse_server.endpoints.router import Router
from sse_server.endpoints.send import SendEndpoint
from sse_server.endpoints.status import StatusEndpoint
from sse_server.endpoints.subscribe import SubscribeEndpoint
from sse_server.endpoints.subscribers import SubscribersEndpoint
from sse_server.endpoints.token import TokenEndpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sse_server.core.hub import Hub
    from sse_server.engines.base import Publication, Receipt
    from sse_server.http.response import Endpoint
    from sse_server.observe.journal import Journal
    from sse_server.observe.metrics import Metrics
    from sse_server.outbound.gate import Gate
    from sse_server.server_options import ServerOptions
    from sse_server.wire.position import Positions


@dataclass(frozen=True, slots=True)
class Surface:
    """What lies behind the endpoints."""

    hub: Hub
    positions: Positions
    gate: Gate
    publish: Callable[[Sequence[Publication]], list[Receipt] | Awaitable[list[Receipt]]]
    journal: Journal
    metrics: Metrics
    unready: Callable[[], str | None]
    read_history: ReadHistory | None

    def endpoint(self, options: ServerOptions) -> Endpoint:
        """What answers every request, as `options` have it."""
        origins = options.cors.origins
        journal, gate = self.journal, self.gate
        guard = gate.guard or AnonymousGuard(
            allow_anonymous=options.allow_anonymous,
            origins=origins,
            foreign=journal.origin_refused,
        )
        router = Router(guard.check, journal.refused)
        hub, positions = self.hub, self.positions
        for endpoint in (
            SubscribeEndpoint(hub, holder),
            PublishEndpoint(self.publish),
            SendEndpoint(self.publish, hub.directory),
            ChannelsEndpoint(hub.directory, positions),
            HistoryEndpoint(hub.directory, positions, self.read_history),
            ControlEndpoint(hub, positions, holder, gate.allow),
            RenewalEndpoint(hub.registry, gate.renew),
            SubscribersEndpoint(hub.registry, positions),
            StatusEndpoint(self.unready),
            MetricsEndpoint(self.metrics.page),
            TokenEndpoint(gate.issue),
            RevocationsEndpoint(gate.revoke),
            PageEndpoint(),
            ClientScriptEndpoint(),
        ):
            endpoint.add_to(router)
        return Cors(router, options.cors, journal.origin_refused) if origins else router
