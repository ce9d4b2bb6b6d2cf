"""A publisher that tries again.

Every event has an id, so that a second try publishes nothing if the first one did: what has become
of a request without an answer need not be known.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Sequence

    from sse_server.cli.server_url import ServerUrl

_FIRST_WAIT_SECONDS = 0.2
_UNSURE_SECONDS = 100.0
"""The server remembers ids for two minutes. Who does not know whether the first try was taken must
not try again later than that."""


class Publisher:
    """Sends requests to one server, each until it is answered or the time is up."""

    __slots__ = ("_client", "_server", "_timeout_seconds")

    def __init__(self, client: httpx.Client, server: ServerUrl, timeout_seconds: float) -> None:
        """`timeout_seconds` is for one request, with all its tries."""
        self._client = client
        self._server = server
        self._timeout_seconds = timeout_seconds

    def publish(self, channel: str, data: bytes, parameters: dict[str, str]) -> str:
        """Publish one event; returns its position. `parameters` must have an id.

        Raises:
            CommandFailed: it was refused, or not answered in time.
        """
        assert "id" in parameters
        request = self._client.build_request(
            "POST", f"/events/{channel}", content=data, params=parameters
        )
        return str(self._answer(request, "id"))

    def publish_all(self, envelopes: Sequence[dict[str, object]]) -> list[str]:
        """Publish at most 1,000 events in their order; returns their positions.

        Raises:
            CommandFailed: they were refused, or not answered in time.
        """
        body = b"\n".join(orjson.dumps(envelope) for envelope in envelopes)
        fields = {"Content-Type": "application/x-ndjson"}
        request = self._client.build_request("POST", "/events", content=body, headers=fields)
        return [str(event["id"]) for event in self._answer(request, "events")]

    def _answer(self, request: httpx.Request, member: str) -> Any:  # noqa: ANN401 (JSON)
        """This member of what a server answers, sooner or later."""
        deadline = time.monotonic() + self._timeout_seconds
        backoff = Backoff(_FIRST_WAIT_SECONDS)
        while True:
            begun = time.monotonic()
            retry_after = None
            _limit(request, deadline - begun)
            try:
                response, body = self._try(request)
            except httpx.RequestError as error:
                complaint = trouble(error, self._server)
                if not is_unsent(error):
                    deadline = min(deadline, begun + _UNSURE_SECONDS)
            else:
                if response.is_success:
                    return self._parsed(body, member)
                complaint = refusal(response, body)
                if response.status_code not in TRANSIENT:
                    raise CommandFailed(complaint)
                retry_after = retry_after_seconds(response)
            wait = backoff.next_seconds(retry_after_seconds=retry_after)
            if time.monotonic() + wait >= deadline:
                raise CommandFailed(complaint)
            time.sleep(wait)

    def _try(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        response = self._client.send(request, stream=True)
        try:
            return response, read_answer(response)
        finally:
            response.close()

    def _parsed(self, body: bytes, member: str) -> Any:  # noqa: ANN401 (JSON)
        """This member of the answer to who has published.

        Raises:
            CommandFailed: no sse_server answers so.
        """
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict) or member not in answer:
            raise CommandFailed(f"{self._server} is no sse_server: its answer has no {member}")
        return answer[member]


def _limit(request: httpx.Request, seconds: float) -> None:
    """Let no step of the next try take longer than that."""
    request.extensions = {**request.extensions, "timeout": httpx.Timeout(seconds).as_dict()}
