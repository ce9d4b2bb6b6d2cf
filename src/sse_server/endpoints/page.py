"""`GET /`: one small page to see events on and publish from. It loads nothing from elsewhere.

Its policy names its own script and style by their hashes and forbids the rest, so that whatever an
event brings stays text.
"""

import base64
import hashlib
import re

from sse_server.endpoints.file import File, read
from sse_server.endpoints.router import Router

_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class PageEndpoint:
    """Shows the page."""

    __slots__ = ()

    def add_to(self, router: Router) -> None:
        """Take `/`."""
        html = read("page.html")
        headers = (
            (b"content-security-policy", _policy(html)),
            (b"referrer-policy", b"no-referrer"),
        )
        router.add(b"GET", "/", File(html, b"text/html; charset=utf-8", headers))


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
