"""`GET /metrics`: how the server does, in numbers, for Prometheus and its like."""

from collections.abc import Callable

from sse_server.endpoints.rights import check_operate
from sse_server.endpoints.router import Router
from sse_server.http.request import Request
from sse_server.http.response import NO_STORE, Response

Page = Callable[[bytes], tuple[bytes, bytes]]
"""Content type and body, for what Accept says."""


class MetricsEndpoint:
    """Shows the metrics."""

    __slots__ = ("_page",)

    def __init__(self, page: Page) -> None:
        """`page` is asked each time."""
        self._page = page

    def add_to(self, router: Router) -> None:
        """Take `/metrics`."""
        router.add(b"GET", "/metrics", self)

    def __call__(self, request: Request) -> Response:
        """`GET /metrics`."""
        check_operate(request)
        content_type, body = self._page(b",".join(request.header_values(b"accept")))
        return Response(200, ((b"content-type", content_type), NO_STORE), body)
