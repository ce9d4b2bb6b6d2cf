"""The bench's proof of deliveries: what it counts, and that nothing escapes it."""

from random import Random

import pytest

from bench.load.stream import Decoder, Place, Progress, State, dechunk, event_data

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PLAIN = HEAD + b"\r\n"


def block(serial: int, line_end: bytes = b"\n") -> bytes:
    return line_end.join([b"id: a-%d" % serial, b"data: " + event_data(serial, 7, 80), b"", b""])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(*reads: bytes, decoder: Decoder | None = None) -> Place:
    """A subscriber's reads, as `_Subscribers` takes them."""
    decoder = decoder or Decoder()
    place = decoder.start
    for data in reads:
        place = place.after if data == place.data else decoder.step(place, data)
    return place


def found(place: Place) -> tuple[int, int, int]:
    progress = place.progress
    return progress.newest, progress.gaps, progress.repeats


def test_event_data_has_exactly_the_size_asked_for() -> None:
    assert len(event_data(1, 1, 200)) == len(event_data(12_345, 1 << 62, 200)) == 200


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("head", [CHUNKED, PLAIN])
@pytest.mark.parametrize("read_bytes", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize("chunk_bytes", [1, 5, 33, 100_000])
def test_every_event_counts_once_however_it_is_cut(
    head: bytes, line_end: bytes, read_bytes: int, chunk_bytes: int
) -> None:
    text = b": hi\n\nretry: 2000\n\n" + b"".join(block(n, line_end) for n in range(1, 6))
    if head is CHUNKED:
        text = b"".join(chunk(piece) for piece in pieces(text, chunk_bytes))
    place = read(*pieces(head + text, read_bytes))
    assert found(place) == (5, 0, 0)
    assert place.progress.state is State.OPEN
    assert place.progress.text == place.progress.raw == b""


def test_an_event_counts_when_its_blank_line_is_there() -> None:
    event = block(1)
    assert found(read(PLAIN, event[:-1])) == (0, 0, 0)
    assert found(read(PLAIN, event[:-1], event[-1:])) == (1, 0, 0)


def test_a_lost_event_is_a_gap() -> None:
    assert found(read(PLAIN, block(1), block(4))) == (4, 2, 0)
    assert found(read(PLAIN, block(2))) == (2, 1, 0)
    assert found(read(PLAIN, block(1) + block(3))) == (3, 1, 0)


def test_an_event_that_comes_again_is_a_repeat() -> None:
    assert found(read(PLAIN, block(1), block(1))) == (1, 0, 1)
    assert found(read(PLAIN, block(1) + block(2) + block(1))) == (2, 0, 1)


def test_an_event_in_the_wrong_order_is_a_gap_and_a_repeat() -> None:
    assert found(read(PLAIN, block(1), block(3), block(2))) == (3, 1, 1)


def test_a_read_tells_how_far_it_led_and_when_its_first_event_was_sent() -> None:
    place = read(PLAIN, block(1) + b"data: " + event_data(2, 9, 80) + b"\n\n")
    assert (place.progress.advance, place.progress.oldest_ns) == (2, 7)
    assert read(PLAIN, block(1), b": ping\n\n").progress.advance == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/event-stream\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        CHUNKED + b"0\r\n\r\nmore",
        CHUNKED + b"0\r\nTrailer: x\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"3\r\nabcdef",
    ],
)
def test_what_is_not_a_live_stream_fails(answer: bytes) -> None:
    assert read(answer).progress.state is State.FAILED


@pytest.mark.parametrize("read_bytes", [1, 2, 3, 7, 100_000])
def test_a_last_chunk_ends_a_stream_however_it_is_cut(read_bytes: int) -> None:
    farewell = b"event: server-shutdown\nretry: 6000\ndata: {}\n\n"
    stream = CHUNKED + chunk(block(1)) + chunk(farewell) + b"0\r\n\r\n"
    place = read(*pieces(stream, read_bytes))
    assert found(place) == (1, 0, 0)
    assert place.progress.state is State.ENDED
    assert place.progress.farewell
    assert not read(CHUNKED, chunk(block(1))).progress.farewell


def test_equal_streams_are_decoded_once() -> None:
    decoder = Decoder()
    reads = [CHUNKED, *(chunk(block(number)) for number in range(1, 11))]
    places = [decoder.start] * 100
    for data in reads:
        for index, place in enumerate(places):
            places[index] = place.after if data == place.data else decoder.step(place, data)
    assert decoder.decoded == len(reads)
    assert all(found(place) == (10, 0, 0) for place in places)


def test_streams_that_were_cut_differently_meet_again() -> None:
    decoder = Decoder()
    first = read(PLAIN, block(1) + block(2), block(3), decoder=decoder)
    second = read(PLAIN, block(1), block(2), block(3), decoder=decoder)
    assert first is second


@pytest.mark.parametrize("max_places", [1, 20_000])
def test_one_faulty_stream_among_many_is_told_apart(max_places: int) -> None:
    """Sharing what was decoded hides nobody: each stream has the counts it would have alone."""
    random = Random(7)
    decoder = Decoder(max_places)
    for _ in range(300):
        serials = list(range(1, 9))
        fault = random.choice(["none", "gap", "repeat"])
        at = random.randrange(1, 7)
        if fault == "gap":
            del serials[at]
        elif fault == "repeat":
            serials.insert(at, serials[at])
        text = CHUNKED + b"".join(chunk(block(serial)) for serial in serials)
        reads = pieces(text, random.choice([40, 131, 4_096]))
        expected = (8, int(fault == "gap"), int(fault == "repeat"))
        assert found(read(*reads, decoder=decoder)) == expected


def test_dechunk_keeps_the_start_of_a_chunk_header() -> None:
    assert dechunk(0, b"3;a=b\r\nabc\r\n1") == (0, b"abc", b"1")
    assert dechunk(0, b"5\r\nab") == (5, b"ab", b"")
    assert dechunk(1, b"\n4\r\nab") == (4, b"ab", b"")
    assert dechunk(2, b"\r\n4") == (0, b"", b"4")


def test_a_progress_begins_with_nothing() -> None:
    assert Decoder().start.progress == Progress()
