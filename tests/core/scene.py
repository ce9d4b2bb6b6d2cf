"""What the machines of the hub play with: channels and their options, and what may happen."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from sse_server.core.log import WINDOW_OVERHEAD_BYTES
from sse_server.core.presence import PRESENCE_OPTIONS, presence_channel
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import chunked, plain
from sse_server.wire.flow import Framing

SHARED = ["few", "small", "aged", "room"]
PERSONAL = [f"user:{number}" for number in range(4)]
PRESENCE = presence_channel("room")
OPTIONS = {
    "few": ChannelOptions(max_frames=3, max_age_seconds=None),
    "small": ChannelOptions(max_frames=8, max_bytes=700, max_age_seconds=60),
    "aged": ChannelOptions(max_frames=6, max_age_seconds=5),
    "room": ChannelOptions(max_frames=5, max_age_seconds=30, presence=True),
    PRESENCE: PRESENCE_OPTIONS,
    **{name: ChannelOptions(max_frames=3, max_age_seconds=20) for name in PERSONAL},
}
MAX_BYTES = 2_500 + 4 * WINDOW_OVERHEAD_BYTES
MAX_MEMO_BYTES = 300
MAX_TOMBSTONES = 2
MIN_DEAD = 2
HEARTBEAT_SECONDS = 12.0
FAREWELL = b"retry: 2000\nevent: server-shutdown\ndata: {}\n\n"

channel_lists = st.lists(st.sampled_from(SHARED + PERSONAL), min_size=1, max_size=4, unique=True)
publishings = st.lists(
    st.tuples(st.sampled_from([*SHARED, *SHARED, *PERSONAL, PRESENCE]), st.integers(0, 120)),
    min_size=1,
    max_size=6,
)
picks = st.integers(0, 30)
origins = (
    st.none()
    | st.just(b"earliest")
    | picks.map(lambda back: -1 - back)  # so many positions before the newest
    | st.sampled_from([b"", b"e-", b"e-01", b"nonsense", b"\xff", b"foreign-3", b"e-9999999"])
)
FAULTS = {b"foreign-3": "foreign-epoch", b"e-9999999": "future"}  # the others are malformed


@dataclass(frozen=True)
class Action:
    """What happens from inside a write: to the stream itself, or to another."""

    verb: str
    pick: int
    """Which stream; 0 is the one that is written to."""
    channels: list[str]
    publishings: list[tuple[str, int]]


actions = st.builds(
    Action,
    st.sampled_from(
        ["pause", "leave", "resume", "bounce", "change", "join", "finish", "publish", "expire"]
    ),
    st.integers(0, 6),
    channel_lists,
    publishings,
)
scripts = st.dictionaries(st.integers(1, 6), st.lists(actions, min_size=1, max_size=3), max_size=3)
Script = dict[int, list[Action]]
Manner = tuple[Framing, bool, int]
"""A framing, whether heartbeats tell positions, and which connection carries the stream among
others; 0: one of its own."""
manners = st.tuples(
    st.sampled_from([plain, plain, chunked]),
    st.sampled_from([True, True, False]),
    st.sampled_from([0, 0, 1, 2]),
)


def followed(channels: Sequence[str]) -> list[str]:
    return [*channels, PRESENCE] if "room" in channels else [*channels]
