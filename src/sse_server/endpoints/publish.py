"""Publish: one event by an address, or envelopes by the batch.

`POST /events/{channel}`: the body is the data, whatever its content type, also the
`application/x-www-form-urlencoded` of `curl -d`. Query: `event`, `id` (idempotency key), `retry`
(milliseconds), `priority`, `key`.

`POST /events` with `application/json` is one envelope or an array of them, with
`application/x-ndjson` one a line (see `sse_server.endpoints.envelope`). A batch is checked as a
whole before any of it is published; what is wrong is named by its array index, from 0, or its line,
from 1.

Answers are 200, not 201: an event has no address of its own, and a publisher that tries again after
a lost answer gets the status of the first try.

- One event: `{"id": position, "channel": name, "duplicate": bool}`.
- An array or lines: `{"published": n, "duplicates": m, "first": position, "last": position}`, the
  positions being those of the first and the last event that was not a duplicate, or null; with them
  `"events": [{"id", "duplicate"} …]` in the order sent while the batch has at most 1,000.
- One of which not all are known to be stored: 503, with the same beside `error` and `message`. Of
  an event that is not known to be, `events` has `{"error"}`; all before the first are `"stored"`.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from sse_server.endpoints.address import channel_in_path, number, only_parameters, text
from sse_server.endpoints.envelope import parse_json, priority_named, publication
from sse_server.endpoints.media_type import body_type, refuse_encoded_body
from sse_server.endpoints.rights import check_publish
from sse_server.endpoints.router import Router
from sse_server.engines.base import Publication, Receipt, told_of
from sse_server.errors import LimitExceeded, RequestError, UnsupportedMediaType
from sse_server.http.request import Request
from sse_server.http.response import Answer, Response, json_response
from sse_server.promise import after
from sse_server.wire.event import Event

Publish = Callable[[Sequence[Publication]], list[Receipt] | Awaitable[list[Receipt]]]
"""An engine's `publish`."""

MAX_BATCH = 10_000
"""Events in one request: about 50 ms of work, which is as long as others should wait for it."""
MAX_LINES = 2 * MAX_BATCH
"""Blank ones too: a body of nothing else is work as well."""

_PREFIX = b"/events/"
_PARAMETERS = frozenset((b"event", b"id", b"retry", b"priority", b"key"))


class PublishEndpoint:
    """Takes events from publishers."""

    __slots__ = ("_publish",)

    def __init__(self, publish: Publish) -> None:
        """`publish`: where the events go."""
        self._publish = publish

    def add_to(self, router: Router) -> None:
        """Take the two addresses for publishing."""
        router.add(b"POST", "/events/{channel}", self.one)
        router.add(b"POST", "/events", self.envelopes)

    def one(self, request: Request) -> Answer | Awaitable[Answer]:
        """`POST /events/{channel}`."""
        refuse_encoded_body(request)
        channel = channel_in_path(request.path, _PREFIX)
        if request.rights is not None:
            check_publish(request, (channel,))
        event = _event_by_query(request) if request.query else Event(request.body)
        return self._one(Publication(channel, event))

    def envelopes(self, request: Request) -> Answer | Awaitable[Answer]:
        """`POST /events`."""
        refuse_encoded_body(request)
        if request.query:
            only_parameters(request, frozenset())
        kind = body_type(request)
        if kind == b"application/x-ndjson":
            return self._many(request, _lines(request.body))
        if kind != b"application/json":
            raise UnsupportedMediaType(
                "send application/json (one envelope or an array) or application/x-ndjson (one a "
                "line) as the Content-Type, or POST /events/{channel} to send the body as the data"
            )
        value: object = parse_json(request.body, "the body")
        if isinstance(value, list):
            return self._many(request, _items(value))
        one = publication(value)
        if request.rights is not None:
            check_publish(request, (one.channel,))
        return self._one(one)

    def _one(self, one: Publication) -> Answer | Awaitable[Answer]:
        receipts = self._publish([one])
        if isinstance(receipts, list):
            return _one_answer(one.channel, receipts)
        return after(receipts, partial(_one_answer, one.channel))

    def _many(self, request: Request, batch: list[Publication]) -> Answer | Awaitable[Answer]:
        if not batch:
            return _batch_answer([])  # an engine is not asked to order nothing
        if request.rights is not None:
            check_publish(request, dict.fromkeys(one.channel for one in batch))
        receipts = self._publish(batch)
        if isinstance(receipts, list):
            return _batch_answer(receipts)
        return after(receipts, _batch_answer)


def _event_by_query(request: Request) -> Event:
    """The body as data, everything else from the query."""
    parameters = only_parameters(request, _PARAMETERS)
    priority = text(parameters, b"priority")
    return Event(
        request.body,
        type=text(parameters, b"event"),
        id=text(parameters, b"id"),
        retry_ms=number(parameters, b"retry"),
        priority=priority_named(priority),
        key=text(parameters, b"key"),
    )


def _lines(body: bytes) -> list[Publication]:
    """Check every line; blank ones are skipped."""
    lines = body.split(b"\n", MAX_LINES)
    if len(lines) > MAX_LINES:
        raise LimitExceeded(limit="batch", allowed=MAX_BATCH)
    batch: list[Publication] = []
    number_of_line = 0
    try:
        for line in lines:
            number_of_line += 1
            if line and not line.isspace():
                batch.append(publication(parse_json(line, "this")))
    except RequestError as error:
        error.message = f"line {number_of_line}: {error.message}"
        raise
    if len(batch) > MAX_BATCH:
        raise LimitExceeded(limit="batch", allowed=MAX_BATCH)
    return batch


def _items(values: list[object]) -> list[Publication]:
    """Check every item of an array."""
    if len(values) > MAX_BATCH:
        raise LimitExceeded(limit="batch", allowed=MAX_BATCH)
    batch: list[Publication] = []
    try:
        for value in values:
            batch.append(publication(value))  # noqa: PERF401 (its length is the index of what is wrong)
    except RequestError as error:
        error.message = f"array index {len(batch)}: {error.message}"
        raise
    return batch


def _one_answer(channel: str, receipts: list[Receipt]) -> Response:
    (receipt,) = receipts
    answer = {
        "id": receipt.position.decode(),
        "channel": channel,
        "duplicate": receipt.duplicate,
    }
    return json_response(200, answer)


def _batch_answer(receipts: list[Receipt]) -> Response:
    return json_response(200, told_of(receipts))
