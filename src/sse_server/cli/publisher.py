"""A publisher that tries again.

Every event has an id, so that a second try publishes nothing if the first one did: what has become
of a request without an answer need not be known. Of a batch only those are sent again that are not
known to be stored.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import httpx
import orjson

from sse_server.cli.backoff import Backoff
from sse_server.cli.client import (
    TRANSIENT,
    is_unsent,
    read_answer,
    refusal,
    retry_after_seconds,
    trouble,
)
from sse_server.cli.ending import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sse_server.cli.server_url import ServerUrl

_FIRST_WAIT_SECONDS = 0.2
_UNSURE_SECONDS = 100.0
"""The server remembers ids for two minutes. Who does not know whether the first try was taken must
not try again later than that."""
_UNTAKEN = frozenset((408, 429))
"""Of the statuses after which we try again, those that say that nothing was published."""


class Publisher:
    """Sends requests to one server, each until it is answered or the time is up."""

    __slots__ = ("_client", "_server", "_timeout_seconds")

    def __init__(self, client: httpx.Client, server: ServerUrl, timeout_seconds: float) -> None:
        """`timeout_seconds` is for one call, with all its tries."""
        self._client = client
        self._server = server
        self._timeout_seconds = timeout_seconds

    def publish(self, channel: str, data: bytes, parameters: dict[str, str]) -> str:
        """Publish one event; returns its position. `parameters` must have an id.

        Raises:
            CommandFailed: it was refused, or not answered in time.
        """
        assert "id" in parameters
        tries = _Tries(self._timeout_seconds)
        while True:
            request = self._client.build_request(
                "POST", f"/events/{channel}", content=data, params=parameters
            )
            answer = self._ask(request, tries)
            if not answer.problem:
                return str(self._member(answer, "id"))
            tries.wait(answer)

    def publish_all(self, envelopes: Sequence[dict[str, object]]) -> Iterator[list[str]]:
        """Publish at most 1,000 events in their order; each must have an id.

        Gives their positions in that order, as they become known.

        Raises:
            CommandFailed: what is left was refused, or not answered in time.
        """
        tries = _Tries(self._timeout_seconds)
        positions: list[str | None] = [None] * len(envelopes)
        given = 0
        while given < len(positions):
            unknown = [index for index, position in enumerate(positions) if position is None]
            body = b"\n".join(orjson.dumps(envelopes[index]) for index in unknown)
            fields = {"Content-Type": "application/x-ndjson"}
            request = self._client.build_request("POST", "/events", content=body, headers=fields)
            answer = self._ask(request, tries)
            if not answer.problem or "events" in answer.value:
                for index, position in zip(
                    unknown, self._positions(answer, len(unknown)), strict=True
                ):
                    positions[index] = position
            end = positions.index(None) if None in positions else len(positions)
            if end > given:
                yield [str(position) for position in positions[given:end]]
                given = end
            if answer.problem:
                tries.wait(answer)
            elif given < len(positions):
                raise self._strange("events")

    def _ask(self, request: httpx.Request, tries: _Tries) -> _Answer:
        """Ask once.

        Raises:
            CommandFailed: asking again is of no use.
        """
        begun = time.monotonic()
        _limit(request, tries.deadline - begun)
        try:
            response, body = self._try(request)
        except httpx.RequestError as error:
            problem = trouble(error, self._server)
            if not is_unsent(error):
                tries.unsure_since(begun)
            return _Answer({}, problem, None)
        value = _json(body)
        if response.is_success:
            return _Answer(value, "", None)
        problem = refusal(response, body)
        if response.status_code not in TRANSIENT:
            raise CommandFailed(problem)
        if response.status_code not in _UNTAKEN:
            tries.unsure_since(begun)
        return _Answer(value, problem, retry_after_seconds(response))

    def _try(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        response = self._client.send(request, stream=True)
        try:
            return response, read_answer(response)
        finally:
            response.close()

    def _positions(self, answer: _Answer, count: int) -> list[str | None]:
        """Where each of so many events stands; None: it is not known to be stored."""
        events = self._member(answer, "events")
        if not isinstance(events, list) or len(events) != count:
            raise self._strange("events")
        found = [event.get("id") if isinstance(event, dict) else None for event in events]
        return [None if position is None else str(position) for position in found]

    def _member(self, answer: _Answer, name: str) -> object:
        """What is answered to who has published.

        Raises:
            CommandFailed: no sse_server answers so.
        """
        if name not in answer.value:
            raise self._strange(name)
        return answer.value[name]

    def _strange(self, name: str) -> CommandFailed:
        return CommandFailed(f"{self._server} is no sse_server: its answer has no {name}")


class _Answer(NamedTuple):
    """What came of one request."""

    value: dict[str, object]
    """The object that its body is, or an empty one."""
    problem: str
    """Why it has to be tried again; empty: it need not be."""
    retry_after_seconds: float | None


class _Tries:
    """How long to go on trying, and how long to wait in between."""

    __slots__ = ("_backoff", "deadline")

    def __init__(self, timeout_seconds: float) -> None:
        self._backoff = Backoff(_FIRST_WAIT_SECONDS)
        self.deadline = time.monotonic() + timeout_seconds

    def unsure_since(self, begun: float) -> None:
        """What was sent then may have been taken: it is not known."""
        self.deadline = min(self.deadline, begun + _UNSURE_SECONDS)

    def wait(self, answer: _Answer) -> None:
        """Wait for the next try.

        Raises:
            CommandFailed: there is no time left for one.
        """
        wait = self._backoff.next_seconds(retry_after_seconds=answer.retry_after_seconds)
        if time.monotonic() + wait >= self.deadline:
            raise CommandFailed(answer.problem)
        time.sleep(wait)


def _json(body: bytes) -> dict[str, object]:
    """The object that an answer is; an empty one if it is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _limit(request: httpx.Request, seconds: float) -> None:
    """Let no step of a try take longer than that."""
    request.extensions = {**request.extensions, "timeout": httpx.Timeout(seconds).as_dict()}
