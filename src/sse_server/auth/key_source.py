"""Where keys come from, as settings write it: `ALGORITHMS [kid=NAME] SOURCE:VALUE`.

- `HS256 file:/etc/sse-server/token.key`: a file, read again when it changes
- `RS256+PS256 kid=2026 file:/etc/sse-server/app.pem`
- `HS256 text:…`, `HS256 base64:…`, `ES256 pem:-----BEGIN PUBLIC KEY-----…`: the key itself
- `RS256+ES256 jwks:https://login.example/jwks.json`: a set that is fetched, and fetched again
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sse_server.auth.anonymous import is_loopback
from sse_server.auth.asked_address import asked_host
from sse_server.auth.keys import InvalidKey, check_algorithms, key_set, public_key, secret_key

if TYPE_CHECKING:
    from sse_server.auth.keys import Key

_SECRETS = frozenset(("HS256", "HS384", "HS512"))
_FORM = "write ALGORITHMS [kid=NAME] and file:PATH, text:…, base64:…, pem:… or jwks:URL"


class Kind(StrEnum):
    """Where the key itself is."""

    FILE = "file"
    TEXT = "text"
    BASE64 = "base64"
    PEM = "pem"
    JWKS = "jwks"


@dataclass(frozen=True, slots=True)
class KeySource:
    """One entry of the settings."""

    algorithms: tuple[str, ...]
    kid: str | None
    kind: Kind
    value: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> KeySource:
        """What `text` says.

        Raises:
            InvalidKey: it says nothing that can be used. Nothing of it is in the message.
        """
        words = text.split(None, 1)
        rest = words[1] if len(words) == 2 else ""  # noqa: PLR2004 (the first word, and the rest)
        kid = None
        if rest.startswith("kid="):
            kid, _, rest = rest.removeprefix("kid=").partition(" ")
            rest = rest.lstrip()
        name, colon, value = rest.partition(":")
        try:
            kind = Kind(name)
        except ValueError:
            raise InvalidKey(_FORM) from None
        if not (colon and value.strip()) or kid == "":
            raise InvalidKey(_FORM)
        algorithms = tuple(words[0].split("+"))
        check_algorithms(algorithms)
        source = cls(algorithms, kid, kind, value.strip())
        source.check()
        return source

    def check(self) -> None:
        """What can be told without reading anything.

        Raises:
            InvalidKey: it cannot be used.
        """
        if self.kind is Kind.JWKS:
            scheme, host = asked_host(self.value) or ("", "")
            if not (scheme == "https" or (scheme == "http" and is_loopback(host))):
                # Whoever can change what comes over the network could sign what they like.
                raise InvalidKey("the address of a key set begins with https://")
            if self.kid is not None:
                raise InvalidKey("the keys of a set have their own kid: leave it out")
            if _SECRETS & set(self.algorithms):
                raise InvalidKey("what is published is no secret: HS256 and its like have no set")
        elif self.kind is not Kind.FILE:
            self.read(b"")

    def read(self, content: bytes) -> tuple[Key, ...]:
        """The keys; `content` of the file or the set, where there is one.

        Raises:
            InvalidKey: there are none in it.
        """
        match self.kind:
            case Kind.FILE:
                # `openssl rand -hex 32 > file` and its like end with a newline that is not meant.
                key = content.removesuffix(b"\n").removesuffix(b"\r")
            case Kind.JWKS:
                return key_set(self.algorithms, content)
            case Kind.BASE64:
                try:
                    key = base64.b64decode(self.value.encode(), validate=True)
                except (binascii.Error, UnicodeEncodeError):
                    raise InvalidKey("this is no base64") from None
            case Kind.TEXT | Kind.PEM:
                key = self.value.encode()
        if _SECRETS & set(self.algorithms):
            return (secret_key(self.algorithms, key, self.kid),)
        return (public_key(self.algorithms, key, self.kid),)
