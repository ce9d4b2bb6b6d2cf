"""API keys: secrets of programs that publish or operate, as settings have them.

A key is `sse_NAME_SECRET`. Settings have its hash and what it is for:

    deploy sha256:… publish=news:*|alerts subscribe=news:* operate

A hash without salt or effort will do: the secret is 256 random bits, which nobody guesses. It is
compared in constant time. The name is no secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sse_server.auth.grant import Grant
from sse_server.auth.keys import InvalidKey
from sse_server.auth.patterns import InvalidPatterns, Patterns

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "sse_"
_KEY = re.compile(rb"sse_([a-z0-9-]{1,40})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_FORM = "write NAME sha256:HASH and publish=…, subscribe=… or operate, as sse-server key new does"
_NOBODY = b"\0" * 32  # compared with where there is no such name


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One entry of the settings."""

    name: str
    hash: bytes = field(repr=False)
    grant: Grant

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """What `text` says.

        Raises:
            InvalidKey: it says nothing that can be used. Nothing of it is in the message.
        """
        name, *words = text.split() or [""]
        if not words or not _NAME.fullmatch(name):
            raise InvalidKey(_FORM)
        match = _HASH.fullmatch(words[0])
        if match is None:
            raise InvalidKey(_FORM)
        return cls(name, bytes.fromhex(match[1]), _grant(name, words[1:]))


class ApiKeys:
    """All that there are."""

    __slots__ = ("_by_name",)

    def __init__(self, texts: Iterable[str]) -> None:
        """`texts` as settings have them.

        Raises:
            InvalidKey: one cannot be used, or two have one name.
        """
        keys = [ApiKey.parse(text) for text in texts]
        self._by_name = {key.name.encode(): key for key in keys}
        if len(self._by_name) < len(keys):
            raise InvalidKey("two keys have one name")

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self._by_name)

    def without(self, others: ApiKeys) -> set[str]:
        """The names of those that `others` have not, or with another secret or other rights."""
        names, known = self._by_name, others._by_name
        return {key.name for name, key in names.items() if known.get(name) != key}

    def grant(self, text: bytes) -> Grant | None:
        """What may be done by who has `text`; None: it is no key of ours."""
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        key = self._by_name.get(match[1])
        known = _NOBODY if key is None else key.hash
        holds = hmac.compare_digest(hashlib.sha256(text).digest(), known)
        return key.grant if key is not None and holds else None


def is_api_key(text: bytes) -> bool:
    """Whether `text` is meant to be one, and no token."""
    return text.startswith(PREFIX.encode())


def new_api_key(name: str, rights: Iterable[str]) -> tuple[str, str]:
    """A new key, and the entry for the settings.

    Raises:
        InvalidKey: the name or the rights cannot be written.
    """
    key = f"{PREFIX}{name}_{secrets.token_urlsafe(32)}"
    entry = f"{name} sha256:{hashlib.sha256(key.encode()).hexdigest()} {' '.join(rights)}".strip()
    ApiKey.parse(entry)
    return key, entry


def _grant(name: str, words: list[str]) -> Grant:
    """What the words behind a hash allow."""
    rights: dict[str, str] = {}
    for word in words:
        right, _, value = word.partition("=")
        if right in rights or right not in {"publish", "subscribe", "operate"}:
            raise InvalidKey(_FORM)
        if (right == "operate") == bool(value):
            raise InvalidKey(_FORM)
        rights[right] = value
    if not rights:
        raise InvalidKey(f"the key {name} is for nothing: {_FORM}")
    try:
        return Grant(
            key=name,
            may_operate="operate" in rights,
            subscribe=_patterns(rights, "subscribe"),
            publish=_patterns(rights, "publish"),
        )
    except InvalidPatterns as error:
        raise InvalidKey(f"the key {name}: {error}") from None


def _patterns(rights: dict[str, str], right: str) -> Patterns:
    return Patterns(rights[right].split("|")) if right in rights else Patterns()
