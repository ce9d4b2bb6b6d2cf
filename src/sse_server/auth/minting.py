"""Our own secret, what is made of it, and the tokens that we make ourselves.

One secret, from which a key is derived for each purpose (RFC 5869, one step): who has a key for one
has none for another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from sse_server.auth.keys import MISSING, InvalidKey, secret_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sse_server.auth.grant import Grant

SECRET_BYTES = 32
OWN_KID = "sse-server"
"""The `kid` of our own tokens. Another key may be called so, too: each is tried."""


def new_secret() -> bytes:
    """A secret for a server."""
    return secrets.token_bytes(SECRET_BYTES)


def derived(secret: bytes, purpose: bytes) -> bytes:
    """A key of `secret` for one purpose."""
    return hmac.digest(secret, b"sse-server " + purpose, hashlib.sha256)


class Mint:
    """Makes stream tokens: short-lived, for one stream, good for nothing but to subscribe."""

    __slots__ = ("_audience", "_secret", "key")

    def __init__(self, secret: bytes, audience: str) -> None:
        """`secret` is the server's."""
        self._secret = derived(secret, b"token")
        self._audience = audience
        self.key = secret_key(("HS256",), self._secret, OWN_KID)

    def stream_token(
        self, grant: Grant, subscribe: Sequence[str], now: float, seconds: float
    ) -> str:
        """A token for who has `grant`, to follow `subscribe` of it, to be used once."""
        claims: dict[str, object] = {
            "aud": self._audience,
            "iat": int(now),
            "exp": int(now + seconds),
            "jti": secrets.token_urlsafe(16),
            "channels": {"subscribe": list(subscribe)},
        }
        if grant.ends_at < now + 1e9:  # an API key has no end
            claims["until"] = int(grant.ends_at)
        session_id = grant.session_id or grant.token_id
        if session_id is not None:
            claims["session"] = session_id
        if grant.subject is not None:
            claims["sub"] = grant.subject
        if grant.tenant is not None:
            claims["tenant"] = grant.tenant
        return compact(claims, self._secret, OWN_KID)


def compact(
    claims: dict[str, object], secret: bytes, kid: str | None = None, algorithm: str = "HS256"
) -> str:
    """A token with `claims`, signed by a secret.

    Raises:
        InvalidKey: PyJWT is not installed.
    """
    try:
        import jwt  # noqa: PLC0415 (it need not be there)
    except ImportError:
        raise InvalidKey(MISSING) from None
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims, secret, algorithm, headers)
