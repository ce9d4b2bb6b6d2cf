"""The key ring: all keys that hold now, and when a published set is asked for again.

A set is asked for when it is old, and when a token names a key that nobody knows: that is how keys
are changed. Strangers can name such keys as often as they like, so the second is done at most once
in a while. When asking fails, the keys that are known stay.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from sse_server.auth.key_source import Kind
from sse_server.auth.keys import candidates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sse_server.auth.key_source import KeySource
    from sse_server.auth.keys import Key

OLD_SECONDS = 600.0
"""A set is asked for again after this, so that a key that was taken out of it is forgotten."""
MOST_TRIED = 10
"""Keys for one token: a signature takes 70 µs to be refused, and a token that names no key may be
anybody's."""
LEAST_SECONDS = 10.0
"""Between two times that it is asked for, whatever tokens name."""


class KeySet:
    """The keys of one entry of the settings."""

    __slots__ = ("_asked_at", "_had_at", "is_asked", "keys", "source")

    def __init__(self, source: KeySource) -> None:
        """None so far, but for what stands in the entry itself."""
        self.source = source
        read_already = source.kind not in {Kind.FILE, Kind.JWKS}
        self.keys: tuple[Key, ...] = source.read(b"") if read_already else ()
        self._asked_at = -inf
        self._had_at = -inf
        self.is_asked = False
        """Whether it is being fetched now."""

    @property
    def is_published(self) -> bool:
        """Whether it has to be fetched."""
        return self.source.kind is Kind.JWKS

    def is_old(self, now: float) -> bool:
        """Whether it has to be fetched again."""
        return self.is_published and now - self._had_at >= OLD_SECONDS and self.may_ask(now)

    @property
    def is_missing(self) -> bool:
        """Whether it was never there."""
        return self.is_published and self._had_at == -inf

    def may_ask(self, now: float) -> bool:
        """Whether it may be fetched now."""
        return self.is_published and now - self._asked_at >= LEAST_SECONDS

    def asked(self, now: float) -> None:
        """It is being fetched."""
        self.is_asked = True
        self._asked_at = now

    def answered(self) -> None:
        """It has been, or not."""
        self.is_asked = False

    def take(self, content: bytes, now: float) -> None:
        """Here it is.

        Raises:
            InvalidKey: it has no keys. Those that are known stay.
        """
        self.keys = self.source.read(content)
        self._had_at = now


class KeyRing:
    """All keys."""

    __slots__ = ("sets",)

    def __init__(self, sources: Iterable[KeySource]) -> None:
        """By entry of the settings."""
        self.sets = [KeySet(source) for source in sources]

    def __bool__(self) -> bool:
        """Whether there are any entries."""
        return bool(self.sets)

    def adopt(self, others: Iterable[KeySet]) -> None:
        """Go on with what another ring has fetched, where the entry is the same."""
        known = {one.source: one for one in others if one.is_published}
        self.sets = [known.get(one.source, one) for one in self.sets]

    def find(self, algorithm: str, kid: str | None) -> list[Key]:
        """The keys that may have signed a token with this head: the first few of them."""
        found = [key for one in self.sets for key in candidates(one.keys, algorithm, kid)]
        return found[:MOST_TRIED]

    def knows(self, kid: str | None) -> bool:
        """Whether some key is called so; a token that names none asks for nobody."""
        return kid is None or any(key.kid == kid for one in self.sets for key in one.keys)

    def to_ask(self, algorithm: str, now: float) -> list[KeySet]:
        """The sets that may have a key for `algorithm` soon: they may, or are being, asked for."""
        able = [one for one in self.sets if algorithm in one.source.algorithms]
        return [one for one in able if one.is_asked or one.may_ask(now)]

    def is_missing(self, algorithm: str) -> bool:
        """Whether a set that may have a key for `algorithm` was never there."""
        return any(one.is_missing for one in self.sets if algorithm in one.source.algorithms)
