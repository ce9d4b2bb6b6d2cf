"""`GET /`: one small page to see events on and publish from. It loads nothing from elsewhere.

Its policy names its own script and style by their hashes and forbids the rest, so that whatever an
event brings stays text.
"""

import base64
import hashlib
import re
from importlib import resources

from sse_server.endpoints.router import Router
from sse_server.http.request import Request
from sse_server.http.response import Response

_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class PageEndpoint:
    """Shows the page."""

    __slots__ = ("_response",)

    def __init__(self) -> None:
        """Read the page once."""
        html = resources.files("sse_server.endpoints").joinpath("page.html").read_bytes()
        headers = (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"content-security-policy", _policy(html)),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
        )
        self._response = Response(200, headers, html)

    def add_to(self, router: Router) -> None:
        """Take `/`."""
        router.add(b"GET", "/", self)

    def __call__(self, _request: Request) -> Response:
        """`GET /`."""
        return self._response


def _policy(html: bytes) -> bytes:
    """The Content-Security-Policy: the inline script and style of `html`, and this server."""
    return b"; ".join(
        (
            b"default-src 'none'",
            b"script-src " + b" ".join(map(_hash, _SCRIPT.findall(html))),
            b"style-src " + b" ".join(map(_hash, _STYLE.findall(html))),
            b"connect-src 'self'",
            b"img-src data:",  # the empty icon, without which browsers ask for /favicon.ico
            b"base-uri 'none'",
            b"form-action 'none'",
            b"frame-ancestors 'none'",
        )
    )


def _hash(text: bytes) -> bytes:
    """A source expression for the inline `text` (CSP level 3 section 2.3.1)."""
    return b"'sha256-%b'" % base64.b64encode(hashlib.sha256(text).digest())
