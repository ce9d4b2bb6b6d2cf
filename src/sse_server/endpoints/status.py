"""`GET /healthz` and `GET /readyz`: for supervisors and load balancers, whoever they are.

`/healthz` is 200 as long as the process answers. `/readyz` is 200 while new streams are welcome,
and 503 with the reason while they should go elsewhere.
"""

from collections.abc import Callable

from sse_server.endpoints.router import Router
from sse_server.errors import Unavailable
from sse_server.http.request import Request
from sse_server.http.response import NO_STORE, Response, json_response

Unready = Callable[[], str | None]
"""Why the server is not ready, in a few words; None: it is."""

_HEALTHY = json_response(200, {"status": "ok"}, (NO_STORE,))
_READY = json_response(200, {"status": "ready"}, (NO_STORE,))


class StatusEndpoint:
    """Says how the server is."""

    __slots__ = ("_unready",)

    def __init__(self, unready: Unready) -> None:
        """`unready` is asked each time."""
        self._unready = unready

    def add_to(self, router: Router) -> None:
        """Take both addresses."""
        router.add(b"GET", "/healthz", self.healthy)
        router.add(b"GET", "/readyz", self.ready)

    def healthy(self, _request: Request) -> Response:
        """`GET /healthz`."""
        return _HEALTHY

    def ready(self, _request: Request) -> Response:
        """`GET /readyz`."""
        reason = self._unready()
        if reason is not None:
            raise Unavailable(f"not ready: {reason}")
        return _READY
