"""An event: what a publisher sends, checked when it is made."""

import re
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from sse_server.errors import InvalidEvent, LimitExceeded

# As long as a channel's name may be: room for any name, yet none that could outweigh the data it
# stands in front of on every stream. In bytes, as that is what is sent and kept.
MAX_NAME_BYTES = 200
MAX_DATA_BYTES = 1024 * 1024
"""An event is held whole, once per window and once per connection that is behind. In characters
where the data is a `str`."""
MAX_RETRY_MS = 86_400_000
"""A day. A client told to wait longer is better told not to come back."""

RESERVED_TYPES = {
    "control": "the server's own: it tells a client how its stream can be changed",
    "gap": "the server's own: it tells a client that events were lost",
    "server-shutdown": "the server's own: it tells a client that the server goes away",
    "stream-ended": "the server's own: it tells a client that an operator has ended its stream",
    "token-expired": "the server's own: it tells a client that its token has run out",
    "error": "what EventSource fires when its connection breaks: its handlers could not tell",
    "open": "what EventSource fires when it is connected: its handlers could not tell",
}
"""Types no publisher may use, and why."""

# C0, DEL and C1: line ends would let a publisher write fields of its own, the others have no
# business in a name. Surrogates cannot be encoded.
_UNFIT_FOR_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Priority(StrEnum):
    """What a policy may leave out first for a subscriber that lags."""

    NORMAL = "normal"
    LOW = "low"


_NORMAL = Priority.NORMAL  # a global is read faster than an enum's attribute


@dataclass(frozen=True, slots=True)
class Event:
    """What a publisher sends to a channel.

    Raises:
        InvalidEvent: a part that would not arrive as it was sent, or is not the publisher's to set.
        LimitExceeded: more data than 1 MiB.
    """

    data: str | bytes = ""
    """Text; as bytes, UTF-8. Line ends arrive as LF, whichever they are here."""
    _: KW_ONLY
    type: str | None = None
    """The SSE `event` field; None is EventSource's `message`. At most 200 bytes."""
    id: str | None = None
    """The publisher's idempotency key, at most 200 bytes; never on the wire: ids are positions."""
    retry_ms: int | None = None
    """How long the client is to wait before it reconnects; at most a day."""
    priority: Priority = Priority.NORMAL
    key: str | None = None
    """A later event with the same key supersedes this one where a policy conflates."""

    def __post_init__(self) -> None:
        """Check every part; the usual event passes on a few C calls."""
        data = self.data
        # Not ASCII: only encoding tells. Both kinds of data have isascii.
        plain = (data.__class__ is str or data.__class__ is bytes) and data.isascii()
        if not plain or len(data) > MAX_DATA_BYTES:
            _check_data(data)
        name = self.type
        if name is not None:
            plain = name.__class__ is str and name.isascii() and name.isprintable()
            if not plain or not 0 < len(name) <= MAX_NAME_BYTES:
                _check_name("type", name)
            if name in RESERVED_TYPES:
                raise InvalidEvent("type", f"cannot be {name!r}: that is {RESERVED_TYPES[name]}")
        if self.id is not None:
            _check_name("id", self.id)
        if self.key is not None:
            _check_name("key", self.key)
        if self.retry_ms is not None:
            _check_retry(self.retry_ms)
        if self.priority is not _NORMAL:
            _check_priority(self.priority)


def _check_data(data: object) -> None:
    """Refuse what is not text: lone surrogates, bytes that are not UTF-8, other types."""
    if not isinstance(data, str | bytes):
        raise InvalidEvent("data", "must be str or bytes")
    if len(data) > MAX_DATA_BYTES:
        raise LimitExceeded(limit="event", allowed=MAX_DATA_BYTES)
    try:
        if isinstance(data, str):
            data.encode()
        else:
            data.decode()
    except UnicodeEncodeError as error:
        raise InvalidEvent(
            "data", f"has a lone surrogate at character {error.start}, which UTF-8 cannot encode"
        ) from None
    except UnicodeDecodeError as error:
        raise InvalidEvent(
            "data", f"is not UTF-8 at byte {error.start}: send binary data as base64"
        ) from None


def _check_name(field: str, name: object) -> None:
    """Refuse a type, id or key that is empty, too long, or not one line of plain text.

    An empty one is an unset variable more often than a wish: an empty type would arrive as
    `message`, an empty id make every event a duplicate of the first, an empty key supersede all.
    """
    if not isinstance(name, str):
        raise InvalidEvent(field, "must be str")
    if not name:
        raise InvalidEvent(field, "must not be empty: leave it out instead")
    if len(name) > MAX_NAME_BYTES:
        raise InvalidEvent(field, f"must be at most {MAX_NAME_BYTES} bytes")
    unfit = _UNFIT_FOR_NAMES.search(name)
    if unfit is not None:
        raise InvalidEvent(
            field,
            f"must not have control characters or lone surrogates, as {unfit[0]!r} "
            f"at character {unfit.start()}",
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidEvent(field, f"must be at most {MAX_NAME_BYTES} bytes")


def _check_retry(retry_ms: object) -> None:
    """Refuse what is not a number of milliseconds up to a day; True is an int to Python."""
    if isinstance(retry_ms, bool) or not isinstance(retry_ms, int):
        raise InvalidEvent("retry", "must be a whole number of milliseconds")
    if not 0 <= retry_ms <= MAX_RETRY_MS:
        raise InvalidEvent("retry", f"must be 0 to {MAX_RETRY_MS} milliseconds")


def _check_priority(priority: object) -> None:
    """Refuse a bare string: policies compare by identity."""
    if not isinstance(priority, Priority):
        known = " or ".join(Priority)
        raise InvalidEvent("priority", f"must be {known}")
