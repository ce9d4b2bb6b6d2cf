"""What a client is told that breaks the rules of HTTP/2: the right code, where it belongs.

h2spec takes a closed connection for most of these.
"""

import pytest
from h2.errors import ErrorCodes

from sse_server.http.h2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    window_update,
)
from tests.http.http2_peer import GET, POST, Peer, head, literal, post, setting, string
from tests.http.test_h2_equivalence import frames

NO_ERROR, PROTOCOL_ERROR, _, FLOW_CONTROL_ERROR = list(ErrorCodes)[:4]
STREAM_CLOSED, FRAME_SIZE_ERROR = ErrorCodes.STREAM_CLOSED, ErrorCodes.FRAME_SIZE_ERROR
COMPRESSION_ERROR, REFUSED_STREAM = ErrorCodes.COMPRESSION_ERROR, ErrorCodes.REFUSED_STREAM
CALM = ErrorCodes.ENHANCE_YOUR_CALM


CONNECTION_ERRORS = {
    "an index that is none": (head(1, b"\x80"), COMPRESSION_ERROR),
    "an index beyond the tables": (head(1, b"\xff\x80\x01"), COMPRESSION_ERROR),
    "an index without an end": (head(1, b"\xff" + b"\xff" * 20), COMPRESSION_ERROR),
    "a table larger than allowed": (head(1, b"\x3f\xe2\x1f" + GET), COMPRESSION_ERROR),
    "a table size behind a field": (head(1, GET + b"\x20"), COMPRESSION_ERROR),
    "a string that is cut": (head(1, GET + b"\x00\x05ab"), COMPRESSION_ERROR),
    "a block that is cut": (head(1, b"\x82\x86\x84\x01"), COMPRESSION_ERROR),
    "padding of Huffman that is none": (head(1, GET + b"\x00\x81\x00\x01x"), COMPRESSION_ERROR),
    "trailers that are no block": (post(1) + head(1, b"\x80"), COMPRESSION_ERROR),
    "a frame of 16,385 bytes": (b"\x00\x40\x01\0\0\0\0\0\1", FRAME_SIZE_ERROR),
    "a frame of 16 MiB": (b"\xff\xff\xff\0\0\0\0\0\1", FRAME_SIZE_ERROR),
    "a short PING": (frame(PING, 0, 0, b"7 bytes"), FRAME_SIZE_ERROR),
    "a long PING": (frame(PING, 0, 0, b"nine byte"), FRAME_SIZE_ERROR),
    "half a setting": (frame(SETTINGS, 0, 0, b"abcd"), FRAME_SIZE_ERROR),
    "an acknowledgement with settings": (frame(SETTINGS, ACK, 0, b"abcdef"), FRAME_SIZE_ERROR),
    "a short RST_STREAM": (head(1) + frame(RST_STREAM, 0, 1, b"abc"), FRAME_SIZE_ERROR),
    "a short WINDOW_UPDATE": (frame(WINDOW_UPDATE, 0, 0, b"abc"), FRAME_SIZE_ERROR),
    "a short GOAWAY": (frame(GOAWAY, 0, 0, b"abc"), FRAME_SIZE_ERROR),
    "a long WINDOW_UPDATE": (head(1) + frame(WINDOW_UPDATE, 0, 1, b"abcde"), FRAME_SIZE_ERROR),
    "a short PRIORITY for an idle stream": (frame(PRIORITY, 0, 1, b"abc"), FRAME_SIZE_ERROR),
    "a stream that depends on itself from its first frame": (
        frame(HEADERS, END_HEADERS | END_STREAM | 0x20, 1, b"\0\0\0\1\0" + GET),
        PROTOCOL_ERROR,
    ),
    "a window that two steps make too large": (
        window_update(0, 2**30) * 2,
        FLOW_CONTROL_ERROR,
    ),
    "a window of the connection that is too large": (
        window_update(0, 2**31 - 1),
        FLOW_CONTROL_ERROR,
    ),
    "a window of all streams that is too large": (setting(4, 2**31), FLOW_CONTROL_ERROR),
    "a window that settings make too large": (
        head(1) + window_update(1, 2**31 - 1 - 65_535) + setting(4, 65_536),
        FLOW_CONTROL_ERROR,
    ),
    "more than our window": (post(1) + frame(DATA, 0, 1, b"x" * 16_384) * 65, FLOW_CONTROL_ERROR),
    "an increment of nothing": (window_update(0, 0), PROTOCOL_ERROR),
    "an increment of nothing for an idle stream": (window_update(1, 0), PROTOCOL_ERROR),
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    "HEADERS on stream 0": (head(0), PROTOCOL_ERROR),
    "PRIORITY on stream 0": (frame(PRIORITY, 0, 0, b"\0\0\0\3\0"), PROTOCOL_ERROR),
    "RST_STREAM on stream 0": (frame(RST_STREAM, 0, 0, b"\0\0\0\0"), PROTOCOL_ERROR),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    "PING on a stream": (frame(PING, 0, 1, b"12345678"), PROTOCOL_ERROR),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, b"12345678"), PROTOCOL_ERROR),
    "PUSH_PROMISE": (head(1) + frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2" + GET), PROTOCOL_ERROR),
    "an even stream": (head(2), PROTOCOL_ERROR),
    "a stream lower than the last": (head(5) + head(3), PROTOCOL_ERROR),
    "DATA on an idle stream": (frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (frame(RST_STREAM, 0, 1, b"\0\0\0\0"), PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": (window_update(1, 1), PROTOCOL_ERROR),
    "CONTINUATION of nothing": (frame(CONTINUATION, 4, 1, GET), PROTOCOL_ERROR),
    "CONTINUATION of another stream": (
        head(1, GET, 0) + frame(CONTINUATION, 4, 3, b""),
        PROTOCOL_ERROR,
    ),
    "something inside a block": (head(1, GET, 0) + frame(PING, 0, 0, b"12345678"), PROTOCOL_ERROR),
    "something unknown inside a block": (head(1, GET, 0) + frame(99, 0, 0), PROTOCOL_ERROR),
    "padding longer than the frame": (
        post(1) + frame(DATA, PADDED, 1, b"\x05abc"),
        PROTOCOL_ERROR,
    ),
    "ENABLE_PUSH of 2": (setting(2, 2), PROTOCOL_ERROR),
    "frames smaller than they may be": (setting(5, 16_383), PROTOCOL_ERROR),
    "frames larger than they may be": (setting(5, 2**24), PROTOCOL_ERROR),
    "a head larger than any": (
        head(1, GET, 0) + frame(CONTINUATION, 0, 1, literal(b"n", b"x" * 16_000)) * 6
        + frame(CONTINUATION, 4, 1, b""),
        CALM,
    ),
    "a bomb of HPACK": (
        head(1, GET + b"\x40" + string(b"bomb") + string(b"x" * 4_000) + b"\xbe" * 12_000),
        CALM,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_what_ends_a_connection_is_told_by_its_code(name: str) -> None:
    sent, code = CONNECTION_ERRORS[name]
    peer = Peer()
    peer.tell(sent)
    assert peer.goaways == [code]
    assert peer.kind
    assert not peer.resets
    peer.tell(head(101))
    assert not peer.server.flow.streams.keys() & {101}


STREAM_ERRORS = {
    "an uppercase name": (head(1, GET + literal(b"Upper", b"x")), PROTOCOL_ERROR),
    "a name with a blank": (head(1, GET + literal(b"a b", b"x")), PROTOCOL_ERROR),
    "a name with a colon": (head(1, GET + literal(b"a:b", b"x")), PROTOCOL_ERROR),
    "no name": (head(1, GET + literal(b"", b"x")), PROTOCOL_ERROR),
    "a value with a line end": (head(1, GET + literal(b"a", b"x\r\ny: z")), PROTOCOL_ERROR),
    "a value with NUL": (head(1, GET + literal(b"a", b"\0")), PROTOCOL_ERROR),
    "a value with a blank behind it": (head(1, GET + literal(b"a", b"x ")), PROTOCOL_ERROR),
    "no method": (head(1, b"\x86\x84\x01\x09localhost"), PROTOCOL_ERROR),
    "no scheme": (head(1, b"\x82\x84\x01\x09localhost"), PROTOCOL_ERROR),
    "no path": (head(1, b"\x82\x86\x01\x09localhost"), PROTOCOL_ERROR),
    "an empty path": (head(1, b"\x82\x86\x04\x00\x01\x09localhost"), PROTOCOL_ERROR),
    "a path that is none": (head(1, b"\x82\x86\x04\x01x\x01\x09localhost"), PROTOCOL_ERROR),
    "two methods": (head(1, b"\x82" + GET), PROTOCOL_ERROR),
    "two schemes": (head(1, b"\x86" + GET), PROTOCOL_ERROR),
    "two paths": (head(1, b"\x84" + GET), PROTOCOL_ERROR),
    "two authorities": (head(1, GET + b"\x01\x09localhost"), PROTOCOL_ERROR),
    "an unknown pseudo-header": (head(1, b"\x00\x04:new\x01x" + GET), PROTOCOL_ERROR),
    "a status": (head(1, b"\x88" + GET), PROTOCOL_ERROR),
    "a status of 1xx": (head(1, literal(b":status", b"100") + GET), PROTOCOL_ERROR),
    "a pseudo-header behind a field": (
        head(1, b"\x82\x86\x84" + literal(b"a", b"b") + b"\x01\x09localhost"),
        PROTOCOL_ERROR,
    ),
    "a pseudo-header as a trailer": (post(1) + head(1, b"\x82"), PROTOCOL_ERROR),
    "an uppercase trailer": (post(1) + head(1, literal(b"Upper", b"x")), PROTOCOL_ERROR),
    "trailers that end nothing": (
        post(1) + head(1, literal(b"a", b"x"), END_HEADERS),
        PROTOCOL_ERROR,
    ),
    "Connection": (head(1, GET + literal(b"connection", b"close")), PROTOCOL_ERROR),
    "Keep-Alive": (head(1, GET + literal(b"keep-alive", b"5")), PROTOCOL_ERROR),
    "Proxy-Connection": (head(1, GET + literal(b"proxy-connection", b"x")), PROTOCOL_ERROR),
    "Transfer-Encoding": (post(1, literal(b"transfer-encoding", b"chunked")), PROTOCOL_ERROR),
    "Upgrade": (head(1, GET + literal(b"upgrade", b"h2c")), PROTOCOL_ERROR),
    "TE that is not trailers": (head(1, GET + literal(b"te", b"trailers, gzip")), PROTOCOL_ERROR),
    "a Host that is not the authority": (head(1, GET + literal(b"host", b"other")), PROTOCOL_ERROR),
    "two Hosts": (
        head(1, b"\x82\x86\x84" + literal(b"host", b"a") + literal(b"host", b"a")),
        PROTOCOL_ERROR,
    ),
    "neither authority nor Host": (head(1, b"\x82\x86\x84"), PROTOCOL_ERROR),
    "a length without a body": (head(1, POST + literal(b"content-length", b"1")), PROTOCOL_ERROR),
    "a length that is no number": (post(1, literal(b"content-length", b"-1")), PROTOCOL_ERROR),
    "a length of many digits": (post(1, literal(b"content-length", b"9" * 20)), PROTOCOL_ERROR),
    "two lengths": (
        post(1, literal(b"content-length", b"1"), literal(b"content-length", b"2")),
        PROTOCOL_ERROR,
    ),
    "a body longer than its length": (
        post(1, literal(b"content-length", b"1")) + frame(DATA, 0, 1, b"xy"),
        PROTOCOL_ERROR,
    ),
    "a body shorter than its length": (
        post(1, literal(b"content-length", b"3")) + frame(DATA, END_STREAM, 1, b"xy"),
        PROTOCOL_ERROR,
    ),
    "a body in pieces shorter than its length": (
        post(1, literal(b"content-length", b"5")) + frame(DATA, 0, 1, b"xy") * 2
        + head(1, literal(b"a", b"trailer")),
        PROTOCOL_ERROR,
    ),
    "no body but a length, and trailers": (
        post(1, literal(b"content-length", b"5")) + head(1, literal(b"a", b"trailer")),
        PROTOCOL_ERROR,
    ),
    "a window that is too large": (head(1) + window_update(1, 2**31 - 1), FLOW_CONTROL_ERROR),
    "a window that steps make too large": (
        head(1) + window_update(1, 2**30) * 2,
        FLOW_CONTROL_ERROR,
    ),
    "an increment of nothing": (head(1) + window_update(1, 0), PROTOCOL_ERROR),
    "an increment of nothing among others": (
        head(1) + window_update(0, 1) + window_update(1, 1) + window_update(1, 0)
        + window_update(1, 1),
        PROTOCOL_ERROR,
    ),
    "an increment of nothing while a body comes": (
        post(1) + frame(DATA, 0, 1, b"x") + window_update(1, 0) + frame(DATA, 0, 1, b"x"),
        PROTOCOL_ERROR,
    ),
    "a short PRIORITY": (head(1) + frame(PRIORITY, 0, 1, b"abc"), FRAME_SIZE_ERROR),
    "a long PRIORITY": (head(1) + frame(PRIORITY, 0, 1, b"abcdef"), FRAME_SIZE_ERROR),
    "a stream that depends on itself": (
        head(1) + frame(PRIORITY, 0, 1, b"\0\0\0\1\0"),
        PROTOCOL_ERROR,
    ),
    "DATA behind the end": (head(1) + frame(DATA, 0, 1, b"x"), STREAM_CLOSED),
    "HEADERS behind the end": (head(1) + head(1), STREAM_CLOSED),
    "DATA behind a reset": (
        head(1) + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + frame(DATA, 0, 1, b"x"),
        STREAM_CLOSED,
    ),
    "HEADERS behind a reset": (
        head(1) + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + head(1),
        STREAM_CLOSED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAM_ERRORS)
@pytest.mark.parametrize("whole", [True, False])
def test_what_ends_a_stream_is_told_by_its_code_and_the_others_go_on(
    name: str, *, whole: bool
) -> None:
    sent, code = STREAM_ERRORS[name]
    peer = Peer()
    if whole:
        peer.tell(sent)
    else:
        for *_, one in frames(sent):
            peer.tell(one)
    assert peer.resets == [(1, code)]
    assert not peer.goaways
    peer.answers = True
    peer.tell(head(3))
    assert peer.statuses[3].startswith(b"\x88")
    assert peer.kind == ""


def test_a_head_for_a_stream_that_both_have_ended_ends_the_connection() -> None:
    peer = Peer()
    peer.answers = True
    peer.tell(head(1))
    peer.tell(head(1))
    assert peer.goaways == [STREAM_CLOSED]


@pytest.mark.parametrize("flags", [0, END_STREAM])
def test_data_for_a_stream_that_both_have_ended_is_an_error_of_the_stream(flags: int) -> None:
    """RFC 9113 section 6.1."""
    peer = Peer()
    peer.answers = True
    peer.tell(head(1))
    peer.tell(frame(DATA, flags, 1, b"x") + head(3))
    assert (peer.resets, peer.goaways, peer.requests) == ([(1, STREAM_CLOSED)], [], 2)


@pytest.mark.parametrize(
    "late",
    [window_update(1, 1), window_update(1, 0), frame(RST_STREAM, 0, 1, b"\0\0\0\x08"),
     frame(PRIORITY, 0, 1, b"\0\0\0\3\0"), frame(PRIORITY, 0, 1, b"\0\0\0\1\0")],
)  # fmt: skip
def test_what_may_come_for_a_stream_that_both_have_ended_is_passed_over(late: bytes) -> None:
    peer = Peer()
    peer.answers = True
    peer.tell(head(1))
    peer.tell(late + head(3))
    assert (peer.goaways, peer.resets, peer.requests) == ([], [], 2)


def test_a_short_priority_is_an_error_however_late_it_is() -> None:
    """Whether its stream has been answered by then is a matter of milliseconds."""
    peer = Peer()
    peer.answers = True
    peer.tell(head(1))
    peer.tell(frame(PRIORITY, 0, 1, b"short!"))
    assert peer.goaways == [FRAME_SIZE_ERROR]


@pytest.mark.parametrize("wrong", [window_update(1, 0), frame(PRIORITY, 0, 1, b"short!")])
def test_events_end_where_their_stream_does(wrong: bytes) -> None:
    peer = Peer()
    peer.follows = True
    peer.tell(head(1) + head(3))
    peer.tell(wrong)
    assert peer.bench.hub.subscribers == 1


def test_trailers_are_held_to_the_limits_of_a_head() -> None:
    peer = Peer()
    large = b"".join(literal(b"n%d" % number, b"x" * 15_000) for number in range(3))
    blocks = [large[at : at + 16_000] for at in range(0, len(large), 16_000)]
    peer.tell(post(1) + head(1, blocks[0], END_STREAM))
    for block in blocks[1:-1]:
        peer.tell(frame(CONTINUATION, 0, 1, block))
    peer.tell(frame(CONTINUATION, END_HEADERS, 1, blocks[-1]))
    assert peer.statuses[1][-3:] == b"431"
    peer.tell(post(3) + head(3, literal(b"small", b"trailer")))
    assert (peer.requests, peer.goaways) == (1, [])


BAD = literal(b"Upper", b"x")  # makes a request malformed


def test_a_stream_over_the_limit_is_refused_alone() -> None:
    peer = Peer(max_streams=2)
    peer.tell(head(1) + head(3) + head(5) + post(7))
    assert peer.resets == [(5, REFUSED_STREAM), (7, REFUSED_STREAM)]
    assert not peer.goaways
    peer.tell(frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + head(9))
    assert peer.requests == 3
    assert len(peer.resets) == 2


@pytest.mark.parametrize(
    "late", [frame(DATA, 0, 1, b"x"), frame(DATA, END_STREAM, 1), head(1, literal(b"a", b"b"))]
)
def test_what_was_on_its_way_when_a_stream_was_reset_is_dropped(late: bytes) -> None:
    peer = Peer()
    peer.tell(post(1, BAD))
    peer.tell(late * 3)
    assert peer.resets == [(1, PROTOCOL_ERROR)]
    assert not peer.goaways


def test_late_trailers_go_on_with_the_table() -> None:
    peer = Peer()
    peer.tell(post(1, BAD))
    indexed = b"\x40" + string(b"a") + string(b"b")
    peer.tell(head(1, indexed) + head(3, GET + b"\xbe"))
    assert peer.requests == 1


def test_late_data_opens_the_window_of_the_connection_again() -> None:
    peer = Peer()
    peer.tell(post(1, BAD))
    for _ in range(200):  # three windows
        peer.tell(frame(DATA, 0, 1, b"x" * 16_384))
    assert not peer.goaways
    updates = [payload for kind, _, stream_id, payload in peer.heard if (kind, stream_id) == (8, 0)]
    assert sum(int.from_bytes(payload, "big") for payload in updates) > 2 * 1024 * 1024


def test_two_sizes_of_the_table_are_as_many_as_a_block_may_have() -> None:
    peer = Peer()
    peer.tell(head(1, b"\x20\x3f\xe1\x1f" + GET))
    assert peer.requests == 1
    peer.tell(head(3, b"\x20\x20\x3f\xe1\x1f" + GET))
    assert peer.goaways == [COMPRESSION_ERROR]


def test_a_head_that_is_too_large_is_answered_and_the_connection_goes_on() -> None:
    peer = Peer()
    peer.tell(
        head(1, GET + b"".join(literal(b"n%d" % n, b"x" * 8_000) for n in range(2)), END_STREAM)
    )
    more = b"".join(literal(b"m%d" % n, b"x" * 8_000) for n in range(3))
    peer.tell(frame(CONTINUATION, 0, 1, more[:16_000]))
    peer.tell(frame(CONTINUATION, END_HEADERS, 1, more[16_000:]))
    assert peer.statuses[1][-3:] == b"431"
    peer.tell(head(3))
    assert peer.requests == 1


def test_a_cookie_in_crumbs_is_one_field() -> None:
    peer = Peer()
    crumbs = b"".join(literal(b"cookie", b"name%d=v" % n) for n in range(180))
    peer.tell(head(1, GET + crumbs))
    assert (peer.requests, peer.statuses) == (1, {})
    peer.tell(head(3, GET + b"".join(literal(b"cookie", b"x" * 100) for _ in range(90))))
    assert peer.statuses[3][-3:] == b"431"


def test_a_table_of_4_gib_is_nothing_to_us() -> None:
    peer = Peer()
    peer.answers = True
    peer.tell(setting(1, 2**32 - 1) + head(1))
    # Our table stays empty: the block begins by saying so.
    (block,) = [payload for kind, _, _, payload in peer.heard if kind == HEADERS]
    assert block.startswith(b"\x20\x88")


def test_who_acknowledges_no_settings_is_served_all_the_same() -> None:
    peer = Peer()
    peer.tell(b"".join(head(2 * n + 1) for n in range(100)))
    assert peer.requests == 100
    # Nor does what we have told hold less for it.
    peer.tell(b"".join(head(2 * n + 201) for n in range(157)))
    assert peer.resets == [(513, REFUSED_STREAM)]


@pytest.mark.parametrize(("streams", "allowed"), [(1, 100), (64, 50), (200, 25)])
def test_windows_of_many_streams_are_not_changed_all_the_time(streams: int, allowed: int) -> None:
    """Each change may have to send a piece on each of them."""
    peer = Peer()
    peer.tell(b"".join(head(2 * number + 1) for number in range(streams)))
    change = frame(SETTINGS, 0, 0, b"\0\4\0\1\0\0")
    other = frame(SETTINGS, 0, 0, b"\0\4\0\1\0\1")
    changes = 1  # that the preface came with
    while not peer.goaways:
        peer.tell(other if changes % 2 else change)
        changes += 1
    assert peer.goaways == [CALM]
    assert changes - 1 == allowed
