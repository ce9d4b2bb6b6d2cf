"""What hypothesis makes events and streams of."""

import itertools

from hypothesis import strategies as st

from sse_server.wire.event import RESERVED_TYPES, Event, Priority

CONTROLS = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))]

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
"""Anything UTF-8 can encode."""

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS), min_size=1, max_size=50
)
"""What a type, an id or a key may be, reserved types included."""

HOSTILE = st.lists(
    st.sampled_from(
        ["\r", "\n", "\r\n", ":", " ", "id: 9", "id", "data: x", "data", "retry: 1", "x"]
    )
    | st.sampled_from(
        ["\v", "\f", "\x1c", "\x85", "\u2028", "\0", "\ufeff", "\ud800", "event: gap"]
    ),
    max_size=12,
).map("".join)
"""What a publisher who wants fields of its own would try."""

LINES = st.lists(
    st.sampled_from(
        ["data: a", "data:b", "data", "event: e", "id: 1", "id", "retry: 5", ": c", "x"]
    )
    .map(str.encode)
    .flatmap(lambda line: st.sampled_from([line + b"\n", line + b"\r", line + b"\r\n"]))
    | st.sampled_from([b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"\xef", b"\0", b"\xff", b" ", b":"])
).map(b"".join)
"""Streams that are nearly right."""

EVENTS = st.builds(
    Event,
    TEXT | TEXT.map(str.encode),
    type=st.none() | NAMES.filter(lambda name: name not in RESERVED_TYPES),
    id=st.none() | NAMES,
    retry_ms=st.none() | st.integers(0, 86_400_000),
    priority=st.sampled_from(Priority),
    key=st.none() | NAMES,
)


@st.composite
def chunkings(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    """A stream cut into chunks, empty ones among them."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    return [stream[begin:end] for begin, end in itertools.pairwise(edges)]
