"""Requests as the machines make them, and an engine that only remembers."""

import asyncio
from collections.abc import Awaitable, Sequence

import orjson

from sse_server.engines.base import Publication, Receipt
from sse_server.http.request import Headers, Request
from sse_server.http.response import Answer, Endpoint, Response

CURL: Headers = (
    (b"host", b"localhost:8000"),
    (b"user-agent", b"curl/8.0"),
    (b"accept", b"*/*"),
)
JSON: Headers = ((b"content-type", b"application/json"),)
NDJSON: Headers = ((b"content-type", b"application/x-ndjson"),)


def get(target: bytes, headers: Headers = CURL, method: bytes = b"GET") -> Request:
    path, _, query = target.partition(b"?")
    return Request(method, path, query, headers)


def post(target: bytes, body: bytes = b"", headers: Headers = CURL) -> Request:
    path, _, query = target.partition(b"?")
    return Request(b"POST", path, query, headers, body)


def call(endpoint: Endpoint, request: Request) -> Answer:
    """The answer, waited for if need be."""
    answer = endpoint(request)
    if isinstance(answer, Awaitable):
        return asyncio.run(_result(answer))
    return answer


async def _result(answer: Awaitable[Answer]) -> Answer:
    return await answer


def respond(endpoint: Endpoint, request: Request) -> Response:
    answer = call(endpoint, request)
    assert isinstance(answer, Response)
    return answer


def value_of(response: Response) -> dict[str, object]:
    value = orjson.loads(response.body)
    assert isinstance(value, dict)
    return value


def header_of(response: Response, name: bytes) -> bytes | None:
    return dict(response.headers).get(name)


class Recorder:
    """An engine's `publish`: keeps what it is given; `slow` answers later."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow = slow
        self.calls: list[list[Publication]] = []
        self._ids: dict[tuple[str, str], bytes] = {}
        self._offset = 0

    @property
    def published(self) -> list[Publication]:
        return [publication for batch in self.calls for publication in batch]

    def publish(
        self, publications: Sequence[Publication]
    ) -> list[Receipt] | Awaitable[list[Receipt]]:
        self.calls.append(list(publications))
        receipts = [self._receipt(publication) for publication in publications]
        return self._later(receipts) if self.slow else receipts

    def _receipt(self, publication: Publication) -> Receipt:
        key = publication.event.id
        if key is not None and (publication.channel, key) in self._ids:
            return Receipt(self._ids[publication.channel, key], duplicate=True)
        self._offset += 1
        position = b"epoch-%d" % self._offset
        if key is not None:
            self._ids[publication.channel, key] = position
        return Receipt(position, duplicate=False)

    async def _later(self, receipts: list[Receipt]) -> list[Receipt]:
        await asyncio.sleep(0)
        return receipts
