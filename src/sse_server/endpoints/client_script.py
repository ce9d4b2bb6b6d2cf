"""`GET /client.js`: what a page imports to follow channels over whatever happens."""

from sse_server.endpoints.file import File, read
from sse_server.endpoints.router import Router


class ClientScriptEndpoint:
    """Sends the script."""

    __slots__ = ()

    def add_to(self, router: Router) -> None:
        """Take `/client.js`."""
        router.add(b"GET", "/client.js", File(read("client.js"), b"text/javascript; charset=utf-8"))
