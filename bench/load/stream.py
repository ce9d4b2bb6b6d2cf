"""What one subscriber has received, decoded at the least cost that still proves it.

A server that broadcasts sends the same bytes to thousands of streams. So decoding is a pure
function from (place, bytes) to the next place: a place is everything a subscriber has received so
far, boiled down to the few values that matter, and subscribers with equal histories share one
object. A place remembers the last bytes that were read at it and where they led; when the next
subscriber at the same place reads equal bytes (one memcmp) the answer is there already, with the
proof that came with it. Bytes that differ (another split by TCP, another burst) are decoded. Every
byte of every stream is therefore checked; nothing is sampled.

A place moves through three states:

- head: the response head is not complete;
- open: the head said 200 and text/event-stream; chunked or close-delimited text follows;
- ended: the last chunk has come, the end that HTTP has for it;
- failed: the head said something else, the chunk framing broke, or the stream was cut.

Events are read from the text *after* chunk framing is removed, and count when the blank line that
ends them has arrived: neither a chunk header inside an event nor a read that ends inside one is
misread. Comments, ids, `retry:` and events of the server's own carry no number and are passed over;
that a server said farewell is noted.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

SERIAL_BASE: Final = 1_000_000_000
"""Serial numbers have ten digits, whatever their count."""

_FAREWELL = re.compile(rb"^event: server-shutdown$", re.MULTILINE)
_LAST_CHUNK: Final = -1
"""In place of the bytes left of a chunk."""

_NUMBERED = re.compile(rb'"serial":(\d{10}),"sent_ns":(\d+),')


def event_data(serial: int, sent_ns: int, size: int) -> bytes:
    """One line of JSON of `size` bytes that carries the event's number (from 1) and send time."""
    start = b'{"serial":%d,"sent_ns":%d,"text":"' % (SERIAL_BASE + serial, sent_ns)
    return start.ljust(size - 2, b"x") + b'"}'


class State(Enum):
    """Where a stream stands; see the module's docstring."""

    HEAD = "head"
    OPEN = "open"
    ENDED = "ended"
    FAILED = "failed"


class Progress(NamedTuple):
    """Everything that decides how the next bytes are understood, and what was found so far."""

    state: State = State.HEAD
    chunked: bool = False
    chunk_left: int = 0
    """Bytes of the current chunk still to come, its closing CRLF included."""
    raw: bytes = b""
    """Read but not decodable yet: an incomplete response head or chunk header."""
    text: bytes = b""
    """The start of an event that is not complete."""
    newest: int = 0
    """The highest event number received."""
    gaps: int = 0
    """Events passed over."""
    repeats: int = 0
    """Events received twice, or after a higher one."""
    advance: int = 0
    """By how many events the last read moved `newest` on."""
    oldest_ns: int = 0
    """Send time of the first event that the last read brought."""
    farewell: bool = False
    """Whether the server said that it shuts down."""


class Place:
    """A progress shared by all subscribers that have it, and the last step taken from it."""

    __slots__ = ("after", "data", "progress")

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.data: bytes | None = None
        """The bytes last read here."""
        self.after: Place = self
        """Where they led."""


class Decoder:
    """Moves places on; keeps one object per distinct progress so that subscribers meet again."""

    def __init__(self, max_places: int = 20_000) -> None:
        self._max_places = max_places
        self._places: dict[Progress, Place] = {}
        self.start = self._place(Progress())
        self.decoded = 0
        """Reads that were decoded; all others were equal to one before."""

    def step(self, place: Place, data: bytes) -> Place:
        """The place after `data`. A caller first compares `place.data`, see the module."""
        self.decoded += 1
        place.after = self._place(_decode(place.progress, data))
        place.data = data
        return place.after

    def at(self, place: Place, state: State, raw: bytes = b"") -> Place:
        """The place in another state: of streams whose head and end are not part of their text."""
        return self._place(place.progress._replace(state=state, raw=raw, advance=0, oldest_ns=0))

    def _place(self, progress: Progress) -> Place:
        place = self._places.get(progress)
        if place is None:
            if len(self._places) >= self._max_places:
                self._places.clear()  # costs only that what is known is decoded once more
            place = self._places[progress] = Place(progress)
        return place


def _decode(before: Progress, data: bytes) -> Progress:
    """Progress after `data`."""
    before = before._replace(advance=0, oldest_ns=0)
    if before.state in {State.FAILED, State.ENDED}:
        return before
    if before.state is State.HEAD:
        return _decode_head(before, before.raw + data)
    if not before.chunked:
        return _decode_text(before, data)
    try:
        left, text, rest = dechunk(before.chunk_left, before.raw + data)
    except ValueError:
        return before._replace(state=State.FAILED, raw=data[:200])
    state = State.ENDED if left == _LAST_CHUNK else State.OPEN
    return _decode_text(before._replace(state=state, chunk_left=left, raw=rest), text)


def _decode_head(before: Progress, raw: bytes) -> Progress:
    head, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return before._replace(raw=raw)
    lower = head.lower()
    if not lower.startswith(b"http/1.1 200") or b"\ncontent-type: text/event-stream" not in lower:
        return before._replace(state=State.FAILED, raw=raw[:200])
    chunked = b"\ntransfer-encoding: chunked" in lower
    opened = before._replace(state=State.OPEN, chunked=chunked, raw=b"")
    return _decode(opened, body) if body else opened


def dechunk(left: int, raw: bytes) -> tuple[int, bytes, bytes]:
    """Remove chunk framing (RFC 9112 section 7.1): (bytes left of the open chunk, text, rest).

    `left` counts the closing CRLF of the chunk, and is -1 when the last chunk has come. The rest is
    the start of a chunk header.

    Raises:
        ValueError: this is not chunk framing.
    """
    parts: list[bytes] = []
    at = 0
    end = len(raw)
    while at < end:
        if not left:
            stop = raw.find(b"\r\n", at)
            if stop < 0:
                break
            size = int(raw[at:stop].partition(b";")[0], 16)
            if size <= 0:
                if raw[at:] in {b"0\r\n", b"0\r\n\r"}:
                    break  # the end of its trailers is still to come
                if raw[at:] != b"0\r\n\r\n":
                    raise ValueError("a chunk of no length that is not the last")
                return _LAST_CHUNK, b"".join(parts), b""
            left = size + 2
            at = stop + 2
        taken = min(left, end - at)
        parts.append(raw[at : at + max(0, min(taken, left - 2))])  # without the closing CRLF
        left -= taken
        at += taken
        if not left and raw[at - 1] != 0x0A:
            raise ValueError("a chunk is longer than it said")
    return left, b"".join(parts), raw[at:]


def _decode_text(before: Progress, text: bytes) -> Progress:
    text = before.text + text
    # Whichever line end the server uses; a blank line of lone CRs is no server's.
    stop = max(text.rfind(b"\n\n") + 2, text.rfind(b"\n\r\n") + 3)
    if stop < 3:
        return before._replace(text=text)
    found = _NUMBERED.findall(text, 0, stop)
    newest, gaps, repeats = before.newest, before.gaps, before.repeats
    for digits, _ in found:
        serial = int(digits) - SERIAL_BASE
        if serial > newest:
            gaps += serial - newest - 1
            newest = serial
        else:
            repeats += 1
    return before._replace(
        text=text[stop:],
        newest=newest,
        gaps=gaps,
        repeats=repeats,
        advance=newest - before.newest,
        oldest_ns=int(found[0][1]) if found else 0,
        farewell=before.farewell or _FAREWELL.search(text, 0, stop) is not None,
    )
