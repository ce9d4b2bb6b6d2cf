"""Events as `tail` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from sse_server.cli.printable import printable, printable_json

if TYPE_CHECKING:
    from sse_server.wire.parser import StreamEvent

OWN_TYPES = frozenset(("gap", "server-shutdown", "stream-ended", "token-expired"))
"""Events of the server itself, which say something of the stream."""


def as_data(event: StreamEvent, *, for_terminal: bool) -> bytes:
    """The data, as lines. For a terminal without control characters but tabs."""
    data = printable(event.data) if for_terminal else event.data
    return f"{data}\n".encode()


def as_json(event: StreamEvent, channel: str | None) -> bytes:
    """One line: `channel` if it is known, `id`, `event`, `data`.

    The data is a string, as it was published; that of the server's own events is an object.
    """
    fields: dict[str, object] = {} if channel is None else {"channel": channel}
    fields |= {"id": event.last_event_id, "event": event.type, "data": event.data}
    if event.type in OWN_TYPES:
        fields["data"] = own_data(event) or event.data
    return printable_json(orjson.dumps(fields).decode()).encode() + b"\n"


def as_raw(event: StreamEvent) -> bytes:
    """A block of an event stream, whole, for another program to read."""
    lines = [f"id: {event.last_event_id}"] if event.last_event_id else []
    if event.type != "message":
        lines.append(f"event: {event.type}")
    lines += [f"data: {line}" for line in event.data.split("\n")]
    return ("\n".join(lines) + "\n\n").encode()


def notice(event: StreamEvent) -> str:
    """What one of the server's own events says, in a sentence."""
    data = own_data(event)
    if event.type != "gap":
        message = data.get("message")
        return message if isinstance(message, str) else event.type
    channels = data.get("channels")
    names = ", ".join(map(str, channels)) if isinstance(channels, list) else "the stream"
    lost = data.get("lost")
    number = "an unknown number of" if lost is None else str(lost)
    return f"gap: {number} events of {names} are missing before this ({data.get('reason')})"


def is_final(event: StreamEvent) -> bool:
    """Whether the server has said that the client is to stay away."""
    return event.type == "stream-ended" and own_data(event).get("comes_back") is False


def own_data(event: StreamEvent) -> dict[str, Any]:
    """What stands in one of the server's own events; empty if that is no object."""
    try:
        data: object = orjson.loads(event.data)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}
