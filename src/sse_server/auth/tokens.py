"""Tokens: JSON Web Tokens in their compact form (RFC 7515, RFC 7519).

They are taken apart here, once and strictly, and verified by PyJWT's algorithms with keys that were
prepared when they were read: PyJWT would prepare them for every token, which for a secret takes ten
times as long as verifying (52 µs of 57, measured). `tests/auth/test_tokens.py` compares the two.

What a token says is believed only after its signature. Nothing of it is ever in a message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import orjson

from sse_server.auth.grant import (
    Grant,
    InvalidGrant,
    granted_channels,
    name_claim,
    time_claim,
)
from sse_server.auth.patterns import Patterns
from sse_server.errors import Unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sse_server.auth.keys import Key

MAX_TOKEN_BYTES = 8_192
"""As long as a header field may be; whatever way it comes."""

_COMPACT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_DIGEST_BYTES = 16
# A head that brings its own key, or wants something understood that nobody here does (RFC 7515
# section 4.1.11). Certificates as such (x5c, x5t) are common and are not looked at.
_REFUSED_MEMBERS = ("crit", "b64", "jwk", "jku", "x5u")


@dataclass(frozen=True, slots=True)
class Parts:
    """A token taken apart, nothing of which is believed yet."""

    algorithm: str
    kid: str | None
    signed: bytes
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature holds, and which is for us; perhaps not now."""

    grant: Grant
    digest: bytes
    """Of what was signed: two signatures of it are still one token."""
    not_before: float
    expires_at: float
    leeway: float
    single_id: bytes | None
    """What it is known by where it can be used once; None: it has no `jti`."""
    until: float | None
    """When what it grants is to end, if it says so."""
    own: bool = False
    """We have made it ourselves."""

    def has_expired(self, now: float) -> bool:
        """Whether its time is over."""
        return now >= self.expires_at + self.leeway

    def check_begun(self, now: float) -> None:
        """Refuse one whose time has not come.

        Raises:
            Unauthorized: it has not.
        """
        if now < self.not_before - self.leeway:
            raise Unauthorized("the token is not valid yet: do the clocks agree?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token for us says."""

    audience: str
    issuer: str | None = None
    leeway: float = 0.0


def take_apart(text: bytes) -> Parts:
    """The parts of a token, which may be anything.

    Raises:
        Unauthorized: it is none, or its head asks for what is not done here.
    """
    if len(text) > MAX_TOKEN_BYTES:
        raise Unauthorized(f"the token has more than {MAX_TOKEN_BYTES} bytes")
    match = _COMPACT.fullmatch(text)
    if match is None:
        raise Unauthorized("the token is no JSON Web Token in its compact form")
    head, payload, signature = (_decoded(part) for part in match.groups())
    header = _object(head, "head")
    for member in _REFUSED_MEMBERS:
        if member in header:
            raise Unauthorized(f"the token's head has {member}, which is not taken")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise Unauthorized("the token's head names no algorithm")
    if not (kid is None or isinstance(kid, str)):
        raise Unauthorized("the token's kid has to be a string")
    signed = text[: match.end(2)]
    return Parts(algorithm, kid, signed, payload, signature)


def is_signed_by(parts: Parts, keys: Sequence[Key]) -> bool:
    """Whether one of `keys` has made the signature."""
    return any(key.verify(parts.algorithm, parts.signed, parts.signature) for key in keys)


def token_of(parts: Parts, expected: Expected, *, own: bool = False) -> Token:
    """What a token says, once its signature holds.

    Raises:
        Unauthorized: it is not for us, or says what cannot be understood.
    """
    claims = _object(parts.payload, "payload")
    try:
        return _token(claims, parts, expected, own=own)
    except InvalidGrant as error:
        raise Unauthorized(f"the token's claim {error}") from None


def _token(claims: Mapping[str, object], parts: Parts, expected: Expected, *, own: bool) -> Token:
    _check_audience(claims.get("aud"), expected.audience)
    if expected.issuer is not None and not own and claims.get("iss") != expected.issuer:
        raise Unauthorized("the token was not issued by whom this server trusts (iss)")
    expires_at = time_claim(claims, "exp")
    if expires_at is None:
        raise Unauthorized("the token has no end: it has to have exp")
    begins = [time for time in (time_claim(claims, "nbf"), time_claim(claims, "iat")) if time]
    until = time_claim(claims, "until")
    ends_at = expires_at + expected.leeway
    subscribe, publish = granted_channels(claims.get("channels"))
    if own:  # who has stolen our secret makes no publisher with it
        publish = Patterns()
    token_id = name_claim(claims, "jti")
    grant = Grant(
        subject=name_claim(claims, "sub"),
        tenant=name_claim(claims, "tenant"),
        subscribe=subscribe,
        publish=publish,
        ends_at=ends_at if until is None else min(ends_at, until),
        issued_at=time_claim(claims, "iat"),
        token_id=token_id,
        session_id=name_claim(claims, "session") if own else None,
    )
    single_id = None
    if token_id is not None:
        issuer = claims.get("iss")
        single_id = digest(orjson.dumps([issuer if isinstance(issuer, str) else None, token_id]))
    return Token(
        grant,
        digest(parts.signed),
        max(begins, default=0.0),
        expires_at,
        expected.leeway,
        single_id,
        until,
        own,
    )


def digest(text: bytes) -> bytes:
    """What is kept in place of `text`."""
    return hashlib.sha256(text).digest()[:_DIGEST_BYTES]


def _check_audience(claim: object, audience: str) -> None:
    named = claim if isinstance(claim, list) else [claim]
    if audience not in named:
        raise Unauthorized("the token is not for this server (aud)")


def _decoded(part: bytes) -> bytes:
    """Base64url without padding, which is how it stands in a token."""
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), b"-_", validate=True)
    except binascii.Error:
        raise Unauthorized("the token is not in base64") from None


def _object(text: bytes, what: str) -> dict[str, object]:
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unauthorized(f"the token's {what} is not JSON") from None
    if not isinstance(value, dict):
        raise Unauthorized(f"the token's {what} is no JSON object")
    return cast("dict[str, object]", value)
