"""What has to outlive a restart: our secret, and what was revoked. One small JSON document."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import cast

import orjson

from sse_server.auth.minting import SECRET_BYTES, new_secret


class InvalidState(ValueError):  # noqa: N818 (named as the classes of sse_server.errors are)
    """A document that is none of ours. Nothing of it is in the message."""


@dataclass(frozen=True, slots=True)
class State:
    """All of it."""

    secret: bytes = field(repr=False)
    tokens: dict[str, float] = field(default_factory=dict)
    """When which were revoked, by `jti`."""
    subjects: dict[str, float] = field(default_factory=dict)
    """When whose were revoked, by `sub`."""

    @classmethod
    def new(cls) -> State:
        """Of a server that is started for the first time."""
        return cls(new_secret())

    @classmethod
    def read(cls, document: bytes) -> State:
        """What was written.

        Raises:
            InvalidState: it is something else.
        """
        try:
            value: object = orjson.loads(document)
            if not isinstance(value, dict):
                raise InvalidState("it is no JSON object")
            secret = base64.b64decode(str(value.get("secret")), validate=True)
            revoked = (_times(value.get("tokens")), _times(value.get("subjects")))
        except (orjson.JSONDecodeError, binascii.Error, UnicodeEncodeError):
            raise InvalidState("it is none of ours") from None
        if len(secret) != SECRET_BYTES:
            raise InvalidState("it has no secret of 32 bytes")
        return cls(secret, *revoked)

    def write(self) -> bytes:
        """As a document."""
        value = {
            "secret": base64.b64encode(self.secret).decode(),
            "tokens": self.tokens,
            "subjects": self.subjects,
        }
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _times(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise InvalidState("it is none of ours")
    times = cast("dict[str, object]", value)
    if not all(isinstance(time, int | float) for time in times.values()):
        raise InvalidState("it is none of ours")
    return cast("dict[str, float]", times)
