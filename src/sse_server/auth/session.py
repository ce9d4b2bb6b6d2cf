"""Sessions that an application knows: what it says of one, and how long that is believed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, cast

import orjson

from sse_server.auth.grant import Grant, InvalidGrant, granted_channels, name_claim, time_claim
from sse_server.auth.tokens import digest

if TYPE_CHECKING:
    from sse_server.http.request import Request


def session_grant(body: bytes, now: float, seconds: float) -> Grant:
    """The grant that an application has answered with: `sub`, `tenant`, `channels`, `exp`.

    Without `exp` it ends after `seconds`.

    Raises:
        InvalidGrant: it is none.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidGrant("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidGrant("the answer is no JSON object")
    claims = cast("dict[str, object]", value)
    subscribe, publish = granted_channels(claims.get("channels"))
    ends_at = time_claim(claims, "exp")
    return Grant(
        subject=name_claim(claims, "sub"),
        tenant=name_claim(claims, "tenant"),
        subscribe=subscribe,
        publish=publish,
        ends_at=now + seconds if ends_at is None else ends_at,
    )


def session_of(request: Request) -> bytes:
    """What a session is remembered by: all that the application is told of it."""
    fields = [
        b"%b:%b" % (name, value)
        for name, value in request.headers
        if name in {b"cookie", b"authorization"}
    ]
    return digest(b"\n".join(fields))


class SessionCache:
    """Grants of sessions, for a short time. When it is full the oldest is forgotten."""

    __slots__ = ("_grants",)

    def __init__(self) -> None:
        """Empty."""
        self._grants: OrderedDict[bytes, tuple[float, Grant]] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._grants)

    def get(self, session: bytes, now: float) -> Grant | None:
        """What is known of a session now."""
        until, grant = self._grants.get(session, (0.0, None))
        return grant if now < until else None

    def put(self, session: bytes, grant: Grant, until: float, most: int) -> None:
        """Believe this until then, or until the grant ends; remember at most `most`."""
        self._grants.pop(session, None)
        if most <= 0:
            return
        while len(self._grants) >= most:
            self._grants.popitem(last=False)
        self._grants[session] = (min(until, grant.ends_at), grant)

    def clear(self) -> None:
        """Believe nothing any more."""
        self._grants.clear()
