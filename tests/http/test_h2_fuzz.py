"""Whatever an HTTP/2 client sends, it is served or told by `Http2Error`; nothing else is raised."""

from hypothesis import example, given
from hypothesis import strategies as st

from sse_server.http.h2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from sse_server.http.http1 import Http1Options
from tests.http.http2_peer import CANCEL, GET, POST, Peer, head, literal, post

STREAMS = st.sampled_from([0, 1, 1, 1, 2, 3, 3, 5, 7])
BLOCKS = st.one_of(
    st.sampled_from(
        [
            GET,
            GET,
            POST,
            POST + literal(b"content-length", b"3"),
            POST + literal(b"content-length", b"x"),
            GET + literal(b"Upper", b"x"),
            GET + b"\x40\x01a\x01b",
            GET + b"\xbe",
            literal(b"trailer", b"x"),
            literal(b":status", b"100"),
            b"",
        ]
    ),
    st.binary(max_size=20),
)
FLAGS = st.one_of(st.sampled_from([END_HEADERS | END_STREAM, END_HEADERS, 0]), st.integers(0, 255))
FRAMES = st.one_of(
    st.builds(frame, st.just(HEADERS), FLAGS, STREAMS, BLOCKS),
    st.builds(frame, st.just(CONTINUATION), FLAGS, STREAMS, BLOCKS),
    st.builds(
        frame, st.just(DATA), FLAGS, STREAMS, st.sampled_from([b"", b"x", b"abc", b"x" * 90])
    ),
    st.builds(frame, st.just(RST_STREAM), st.just(0), STREAMS, st.just(CANCEL)),
    st.builds(
        frame,
        st.just(WINDOW_UPDATE),
        st.just(0),
        STREAMS,
        st.sampled_from([b"\0\0\0\1", b"\x7f\xff\xff\xff", b"\0\0\0\0"]),
    ),
    st.builds(
        frame,
        st.just(SETTINGS),
        st.sampled_from([0, 1]),
        st.just(0),
        st.one_of(
            st.builds(
                lambda key, value: key.to_bytes(2, "big") + value.to_bytes(4, "big"),
                st.integers(0, 9),
                st.sampled_from([0, 1, 100, 65_535, 2**31 - 1, 2**31, 2**32 - 1]),
            ),
            st.just(b""),
        ),
    ),
    st.builds(frame, st.just(PRIORITY), st.just(0), STREAMS, st.just(b"\0\0\0\3\0")),
    st.builds(frame, st.integers(0, 12), st.integers(0, 255), STREAMS, st.binary(max_size=20)),
)


@given(
    sent=st.lists(FRAMES, max_size=25),
    joined=st.booleans(),
    answers=st.booleans(),
    wait=st.booleans(),
)
@example(sent=[post(1), head(1, b"", 4), head(1, b"", 4)], joined=True, answers=False, wait=False)
@example(sent=[head(1), head(1), head(1)], joined=True, answers=True, wait=False)
def test_whatever_is_sent_is_taken_or_told(
    sent: list[bytes], *, joined: bool, answers: bool, wait: bool
) -> None:
    peer = Peer(max_streams=2, limits=Http1Options(max_body_bytes=100))
    peer.answers = answers
    for data in [b"".join(sent)] if joined else sent:
        peer.tell(data)
        peer.now += wait
    server = peer.server
    assert server.failed == bool(peer.kind)
    assert len(peer.goaways) == bool(peer.kind)
    assert len(server.flow.streams) <= 2
    if not server.failed:
        assert server.flow.streams.keys() == server._h2.streams.keys()
        assert server._arrivals.bytes >= 0
    server.close()
    assert (server.held_bytes - server._scanner.held_bytes, len(server.flow.streams)) == (0, 0)
