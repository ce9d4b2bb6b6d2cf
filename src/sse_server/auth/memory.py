"""What is remembered for a time: tokens that were used, tokens and users that were revoked.

Each memory is bounded. When it is full it refuses what it would have to remember, rather than to
forget something: a used token that is forgotten could be used again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from sse_server.errors import Unavailable

if TYPE_CHECKING:
    from sse_server.auth.grant import Grant

_LOOKED_AT = 100  # entries, each time that there is something to remember


class UsedTokens:
    """Which tokens were used, until they have expired."""

    __slots__ = ("_most", "_until")

    def __init__(self, most: int) -> None:
        """At most so many at once."""
        self._most = most
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._until)

    def has(self, token: bytes) -> bool:
        """Whether it was used."""
        return token in self._until

    def use(self, token: bytes, until: float, now: float) -> None:
        """It is used now, perhaps not for the first time, and would be good until `until`.

        Raises:
            Unavailable: too many were used in too short a time.
        """
        if token in self._until:
            return
        self._forget(now)
        if len(self._until) >= self._most:
            raise Unavailable(
                "too many tokens were used at once: try again", retry_after_seconds=10
            )
        self._until[token] = until

    def _forget(self, now: float) -> None:
        """Look at some, oldest first. One that lives longer than others goes to the end."""
        for _ in range(min(_LOOKED_AT, len(self._until))):
            token, until = next(iter(self._until.items()))
            if until > now:
                if len(self._until) < self._most:
                    return
                self._until.move_to_end(token)
            else:
                del self._until[token]


class Revocations:
    """Which tokens and users were revoked."""

    __slots__ = ("_most", "_seconds", "_subjects", "_tokens")

    def __init__(self, most: int, seconds: float) -> None:
        """At most so many of each, each for so long: as long as tokens can live."""
        self._most = most
        self._seconds = seconds
        self._tokens: OrderedDict[str, float] = OrderedDict()
        self._subjects: OrderedDict[str, float] = OrderedDict()

    @property
    def tokens(self) -> dict[str, float]:
        """When which were revoked."""
        return dict(self._tokens)

    @property
    def subjects(self) -> dict[str, float]:
        """When whose were revoked."""
        return dict(self._subjects)

    def check_room(self, token_id: str | None, subject: str | None, now: float) -> None:
        """Refuse both where there is no room for one: half of it would be done, and not told.

        Raises:
            Unavailable: there are too many.
        """
        for where, name in ((self._tokens, token_id), (self._subjects, subject)):
            if name is not None:
                self._make_room(where, name, now)

    def revoke_token(self, token_id: str, now: float) -> None:
        """No token with this `jti` holds any more.

        Raises:
            Unavailable: there are too many.
        """
        self._remember(self._tokens, token_id, now)

    def revoke_subject(self, subject: str, now: float) -> None:
        """No token of this `sub` that was issued until now holds any more.

        Raises:
            Unavailable: there are too many.
        """
        self._remember(self._subjects, subject, now)

    def restore(self, tokens: dict[str, float], subjects: dict[str, float]) -> None:
        """Remember what an earlier run knew."""
        self._tokens.update(tokens)
        self._subjects.update(subjects)

    def has(self, grant: Grant) -> bool:
        """Whether `grant` was revoked."""
        if any(token_id in self._tokens for token_id in grant.token_ids):
            return True
        if grant.subject is None:
            return False
        at = self._subjects.get(grant.subject)
        return at is not None and (grant.issued_at is None or grant.issued_at <= at)

    def _remember(self, where: OrderedDict[str, float], name: str, now: float) -> None:
        self._make_room(where, name, now)
        where[name] = now
        where.move_to_end(name)

    def _make_room(self, where: OrderedDict[str, float], name: str, now: float) -> None:
        while where and next(iter(where.values())) + self._seconds <= now:
            where.popitem(last=False)
        if name not in where and len(where) >= self._most:
            raise Unavailable("too many are revoked already: change the key instead")
