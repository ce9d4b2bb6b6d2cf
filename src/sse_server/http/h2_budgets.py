"""Budgets: how much a client may send of what costs us work and does nothing.

Whoever is over one is told ENHANCE_YOUR_CALM, and the connection ends. Each is far above what
browsers, proxies and HTTP libraries send. Frames of a kind are counted in spans of ten seconds.
Resets have a bucket: leaving a stream is how clients leave, and free, but not within a second of
opening it (Rapid Reset, CVE-2023-44487). So has small DATA. Windows may be opened, and opened by
little, in proportion to what is sent.
"""

from __future__ import annotations

from h2.errors import ErrorCodes

from sse_server.errors import RemoteProtocolError
from sse_server.http.h2_frames import (
    DATA,
    GOAWAY,
    LATE,
    PING,
    PRIORITY,
    REFUSED,
    SETTINGS,
    UNKNOWN,
)

MAX_IN_SPAN = {
    SETTINGS: 100,
    PING: 200,
    DATA: 100,
    PRIORITY: 200,
    GOAWAY: 100,
    UNKNOWN: 1_000,
    LATE: 1_000,
    REFUSED: 1_000,
}
"""Frames of a kind in ten seconds. DATA: empty ones that do not end a stream. LATE: what comes for
streams that we have reset; 64 are on their way when a large body is refused. REFUSED: streams over
the limit; a client does not know it before our SETTINGS have come. Heads among the last two count
one more for each 256 bytes."""
MAX_QUICK_RESETS = 200
"""At once: of streams that were open for less than a second, and those that a client makes us
send, or that are for no open stream."""
ANSWERED_RESET = 0.66
"""What the reset of a stream counts whose events had begun: 300 take 40 ms. A page with as many
sources as it may have is reloaded three times, as fast as it can be."""
RESETS_PER_SECOND = 20.0
"""Are allowed again."""
MAX_WINDOW_UPDATES = 500
"""Beside those for what was sent."""
WINDOW_UPDATES_PER_DATA = 10
"""For each frame of DATA that we have sent."""
MAX_SAVED_WINDOW_UPDATES = 50_000
"""Of those: who has read for days cannot flood for an hour. 256 streams with 20 events each, all on
their way."""
SMALL_PIECE_BYTES = 64
"""What a window cuts to less is a small piece. Nobody has windows that make many: in one of 1,023
bytes the last are one now and then."""
SHORT_ANSWER_BYTES = 256
"""Pieces of an answer that is no longer are not counted: it ends soon. `h2load -w 1` has such."""
MAX_SMALL_PIECES = 1_500
"""Beside one for each frame of DATA that was larger, and no more are saved: 30 ms of ours."""
QUICK_SECONDS = 1.0
SMALL_BYTES = 16
"""DATA of less is small: the smallest event as a line of a batch is longer."""
MAX_SMALL_DATA = 24_576
"""At once, the last of each body not counted: 15 to 30 ms of ours. A client that writes whenever it
has a few bytes sends hundreds for a request."""
SMALL_DATA_PER_SECOND = 1_000.0
"""Are allowed again."""
MAX_DATA = 49_152
"""At once, of any size: 30 ms. A batch has 20,000 lines at most."""
DATA_PER_SECOND = 50_000.0
"""Are allowed again: as many events as lines cannot be published."""

_SPAN_SECONDS = 10.0
_NAMES = {
    SETTINGS: "settings",
    PING: "pings",
    DATA: "empty-data",
    PRIORITY: "priorities",
    UNKNOWN: "unknown-frames",
    GOAWAY: "goaways",
    LATE: "late-frames",
    REFUSED: "refused-streams",
}


class Http2Error(RemoteProtocolError):
    """An error that ends an HTTP/2 connection; there is a GOAWAY to send, but no answer."""

    def __init__(self, error_code: int, message: str, kind: str | None = None) -> None:
        """`error_code` as RFC 9113 section 7 has it; `kind` is what it is counted as."""
        self.error_code = error_code
        try:
            name = ErrorCodes(error_code).name
        except ValueError:
            name = "error"
        self.kind = kind or name.lower().replace("_", "-")
        super().__init__(message)


def too_much(kind: str) -> Http2Error:
    """What ends the connection of a client that floods us."""
    return Http2Error(ErrorCodes.ENHANCE_YOUR_CALM, f"too much of this: {kind}", kind)


class Budgets:
    """Those of one connection."""

    __slots__ = ("_counts", "_data", "_data_at", "_data_frames", "_frames_at_pieces",
                 "_pieces_left", "_resets", "_resets_at", "_small_data", "_span_ends",
                 "_updates_left")  # fmt: skip

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}  # in this span; few connections send any of these
        self._span_ends = 0.0
        self._resets = 0.0
        self._resets_at = 0.0
        self._data = 0.0
        self._small_data = 0.0
        self._data_at = 0.0
        self._data_frames = 0  # for which WINDOW_UPDATE has been allowed
        self._updates_left = MAX_WINDOW_UPDATES
        self._frames_at_pieces = 0  # of DATA, when they were counted last
        self._pieces_left = MAX_SMALL_PIECES

    def count(self, kind: int, now: float, number: int = 1) -> None:
        """A frame, or so many, of a kind that has a budget.

        Raises:
            Http2Error: it is over.
        """
        counts = self._counts
        if now >= self._span_ends:
            counts.clear()
            self._span_ends = now + _SPAN_SECONDS
        counts[kind] = counts.get(kind, 0) + number
        if counts[kind] > MAX_IN_SPAN[kind]:
            raise too_much(_NAMES[kind])

    def count_resets(self, number: float, now: float) -> None:
        """So many streams were reset that had hardly been opened, or not by a client's wish.

        Raises:
            Http2Error: it is over.
        """
        left = self._resets - (now - self._resets_at) * RESETS_PER_SECOND
        self._resets = max(0.0, left) + number
        self._resets_at = now
        if self._resets > MAX_QUICK_RESETS:
            raise too_much("resets")

    def count_data(self, number: int, small: int, now: float) -> None:
        """So many frames of DATA did not end their stream, and so many of them had next to nothing.

        Raises:
            Http2Error: it is over.
        """
        seconds = now - self._data_at
        self._data_at = now
        self._data = max(0.0, self._data - seconds * DATA_PER_SECOND) + number
        left = self._small_data - seconds * SMALL_DATA_PER_SECOND
        self._small_data = max(0.0, left) + small
        if self._small_data > MAX_SMALL_DATA or self._data > MAX_DATA:
            raise too_much("small-data")

    def count_window_updates(self, number: int, data_frames: int) -> None:
        """So many came; `data_frames` have been sent on the connection, ever.

        Raises:
            Http2Error: it is over.
        """
        earned = WINDOW_UPDATES_PER_DATA * (data_frames - self._data_frames)
        self._data_frames = data_frames
        left = min(self._updates_left + earned, MAX_SAVED_WINDOW_UPDATES) - number
        self._updates_left = left
        if left < 0:
            raise too_much("window-updates")

    def count_small_pieces(self, number: int, data_frames: int) -> None:
        """Windows have made us send so many; `data_frames` have been sent, ever, these among them.

        Raises:
            Http2Error: it is over.
        """
        earned = data_frames - self._frames_at_pieces - number
        self._frames_at_pieces = data_frames
        left = min(self._pieces_left + earned, MAX_SMALL_PIECES) - number
        self._pieces_left = left
        if left < 0:
            raise too_much("small-windows")
