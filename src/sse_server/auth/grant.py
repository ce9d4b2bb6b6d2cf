"""Grants: what somebody may do, and until when.

Whoever has a name (`sub`) may follow `user:{sub}`. That is a name and never a pattern: it is
compared whole with the channel that is asked for, so that nobody's name lets them hear others, be
it `*` or `a:*`. A tenant is a label. It does not make two channels of one name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import cast

from sse_server.auth.patterns import InvalidPatterns, Patterns, pattern_list

MAX_NAME_CHARACTERS = 200
"""Of a subject, a tenant, the id of a token. They are kept for as long as a stream is open."""

_NOTHING = Patterns()
_MEMBERS = frozenset(("subscribe", "publish"))


class InvalidGrant(ValueError):  # noqa: N818 (named as the classes of sse_server.errors are)
    """Claims that grant nothing, as nobody can tell what. The message may be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one may do."""

    subject: str | None = None
    """Who."""
    tenant: str | None = None
    """Whose."""
    subscribe: Patterns = _NOTHING
    publish: Patterns = _NOTHING
    may_operate: bool = False
    """Whether it may see and end what is others'."""
    ends_at: float = inf
    """In seconds since 1970."""
    issued_at: float | None = None
    token_id: str | None = None
    """The token's `jti`."""
    session_id: str | None = None
    """The `jti` of the token that this one was exchanged for."""
    key: str | None = None
    """The name of the API key."""

    @property
    def token_ids(self) -> list[str]:
        """By which it can be taken back."""
        return [name for name in (self.token_id, self.session_id) if name is not None]

    def may_subscribe(self, channel: str) -> bool:
        """Whether `channel`, a checked name, may be followed."""
        return self.subscribe.match(channel) or (
            self.subject is not None and channel == f"user:{self.subject}"
        )

    def includes(self, other: "Grant") -> bool:
        """Whether all that `other` lets follow may be followed by this."""
        return self.subject == other.subject and all(
            map(self.subscribe.cover, other.subscribe.texts)
        )

    def may_publish(self, channel: str) -> bool:
        """Whether `channel`, a checked name, may be published to."""
        return self.publish.match(channel)


def granted_channels(claim: object) -> tuple[Patterns, Patterns]:
    """The patterns to subscribe and to publish of a claim `channels`.

    Raises:
        InvalidGrant: it is none.
    """
    if claim is None:
        return _NOTHING, _NOTHING
    if not isinstance(claim, dict):
        raise InvalidGrant("channels has to be an object with subscribe and publish")
    if not _MEMBERS.issuperset(claim):
        raise InvalidGrant("channels has other members than subscribe and publish")
    claim = cast("dict[str, object]", claim)
    try:
        return pattern_list(claim.get("subscribe")), pattern_list(claim.get("publish"))
    except InvalidPatterns as error:
        raise InvalidGrant(f"channels: {error}") from None


def name_claim(claims: Mapping[str, object], name: str) -> str | None:
    """A claim that names somebody or something.

    Raises:
        InvalidGrant: it is no string, empty, too long, or has control characters.
    """
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidGrant(f"{name} has to be a string")
    if not 1 <= len(value) <= MAX_NAME_CHARACTERS or not value.isprintable():
        raise InvalidGrant(f"{name} has to have 1 to {MAX_NAME_CHARACTERS} printable characters")
    return value


def time_claim(claims: Mapping[str, object], name: str) -> float | None:
    """A claim that is a time, in seconds since 1970 (RFC 7519 section 2, NumericDate).

    Raises:
        InvalidGrant: it is no number, or no time.
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidGrant(f"{name} has to be a number of seconds since 1970")
    if not 0 <= value <= _LAST_SECOND:  # NaN is neither
        raise InvalidGrant(f"{name} is no time")
    return float(value)


_LAST_SECOND = 253_402_300_800  # the year 10,000
