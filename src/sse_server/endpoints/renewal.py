"""`POST /subscribers/{id}/token`: lets an open stream go on by the grant of who asks.

A grant ends its stream. Whoever has opened it with `control=1` knows what it is called, and renews
it with a session or a newer token of the same user, in the header or a cookie. There is no body.
The grant has to have all channels that the stream follows, and holds for it from now on. The answer
is `{"subscriber": id, "expires_in": seconds or null}`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sse_server.endpoints.address import only_parameters
from sse_server.endpoints.rights import check_subscribe, holder
from sse_server.endpoints.router import Router
from sse_server.endpoints.subscribers import StreamGone, name_in_path
from sse_server.http.request import Headers, Request
from sse_server.http.response import NO_STORE, Response, json_response

if TYPE_CHECKING:
    from sse_server.core.registry import Registry
    from sse_server.core.subscriber import Subscriber

Renew = Callable[["Subscriber", Request], tuple[int | None, Headers]]
"""Gives a stream the grant of who asks; returns its seconds, and what is to be sent with them."""

_SUFFIX = b"/token"


class RenewalEndpoint:
    """Renews the grants of open streams."""

    __slots__ = ("_registry", "_renew")

    def __init__(self, registry: "Registry", renew: Renew) -> None:
        """`renew` refuses where there are no grants."""
        self._registry = registry
        self._renew = renew

    def add_to(self, router: Router) -> None:
        """Take the address."""
        router.add(b"POST", "/subscribers/{id}/token", self)

    def __call__(self, request: Request) -> Response:
        """`POST /subscribers/{id}/token`."""
        only_parameters(request, frozenset())
        name = name_in_path(request.path, _SUFFIX)
        subscriber = self._registry.find(name)
        if subscriber is None or self._registry.holder(subscriber) != holder(request):
            raise StreamGone
        check_subscribe(request, subscriber.chosen)
        seconds, headers = self._renew(subscriber, request)
        answer = {"subscriber": name, "expires_in": seconds}
        return json_response(200, answer, (NO_STORE, *headers))
