"""Header blocks are read as hpack reads them, and what many send is kept once."""

import pytest
from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError
from hypothesis import example, given
from hypothesis import strategies as st

from sse_server.http import h2_decoder
from sse_server.http.h2_decoder import TABLE_BYTES, FieldDecoder, entry_bytes

Fields = list[tuple[bytes, bytes]]

LIST_BYTES = 2_000
NAMES = st.sampled_from(
    [b":method", b":path", b":authority", b"cookie", b"accept", b"a", b"x-own", b""]
) | st.binary(max_size=40)
VALUES = st.sampled_from([b"", b"GET", b"/", b"/?token=1", b"a" * 300]) | st.binary(max_size=60)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=10)
BLOCKS = st.tuples(FIELDS, st.none() | st.sampled_from([0, 40, 100, 1_000, 4_096]), st.booleans())


def outcome(decoder: Decoder | FieldDecoder, block: bytes) -> Fields | type[HPACKError]:
    """What a decoder makes of a block, as h2 asks it."""
    try:
        return [(name, value) for name, value in decoder.decode(block, raw=True)]
    except HPACKError as error:
        return type(error)


def table(decoder: Decoder) -> Fields:
    return list(decoder.header_table.dynamic_entries)


@given(blocks=st.lists(BLOCKS, max_size=12))
def test_what_an_encoder_writes_is_read_as_hpack_reads_it(
    blocks: list[tuple[Fields, int | None, bool]],
) -> None:
    encoder, own, other = Encoder(), FieldDecoder(1 << 20), Decoder(1 << 20)
    for fields, size, huffman in blocks:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(fields, huffman=huffman)
        assert outcome(own, block) == outcome(other, block) == fields
        assert list(own.entries) == table(other)


# A number that goes on, an index that there is not, a size update behind a field, a string cut off.
PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [b"\x82", b"\xbe", b"\x3e", b"\x20", b"\x3f\xe1\x1f", b"\x3f\xe2\x1f", b"\x80"]
    ),
    st.builds(
        lambda bits, text: bytes((bits, len(text))) + text,
        st.sampled_from([0x41, 0x7E, 0x01, 0x11, 0x7F, 0x0F]),
        st.binary(max_size=20),
    ),
    st.builds(
        lambda bits, name, value: bytes((bits, len(name))) + name + bytes((len(value),)) + value,
        st.sampled_from([0x40, 0x00, 0x10]),
        st.binary(max_size=30),
        st.binary(max_size=120),
    ),
    st.builds(lambda text: b"\x40\x01a" + bytes((0x80 | len(text),)) + text, st.binary(max_size=9)),
)


@given(blocks=st.lists(st.lists(PIECES, max_size=8).map(b"".join), max_size=6))
@example(blocks=[b"\x40" + b"\xff" * 12])
@example(blocks=[b"\x40\x01a\x7f\x81\x00" + b"x" * 256, b"\xbe"])
@example(blocks=[b"\x40\x00\x80"])
@example(blocks=[b"\xff"])
@example(blocks=[b"\x82\x20"])
@example(blocks=[b"\x00\x01a\x7f\xb0\x0e" + b"x" * 1_967])
@example(blocks=[b"\x00\x01a\x7f\xb1\x0e" + b"x" * 1_968])
def test_whatever_is_sent_is_read_or_refused_as_hpack_does(blocks: list[bytes]) -> None:
    own, other = FieldDecoder(LIST_BYTES), Decoder(LIST_BYTES)
    for block in blocks:
        expected = outcome(other, block)
        assert outcome(own, block) == expected
        if isinstance(expected, type):
            return  # the connection ends
        assert list(own.entries) == table(other)


def block_of(*fields: tuple[bytes, bytes]) -> bytes:
    return Encoder().encode(fields)


def read(*fields: tuple[bytes, bytes]) -> FieldDecoder:
    decoder = FieldDecoder(1 << 16)
    decoder.decode(block_of(*fields))
    return decoder


@pytest.mark.parametrize("huffman", [True, False])
def test_what_two_connections_send_is_kept_once(huffman: bool) -> None:
    first, second = FieldDecoder(1 << 16), FieldDecoder(1 << 16)
    for decoder in (first, second):
        decoder.decode(Encoder().encode([(b"user-agent", b"a browser")], huffman=huffman))
    assert first.entries == ((b"user-agent", b"a browser"),)
    assert first.entries[0] is second.entries[0]


@pytest.mark.parametrize(
    "field",
    [(b"cookie", b"session=1"), (b"authorization", b"Bearer 1"), (b":path", b"/events?token=1"),
     (b"x", b"y" * 256)],
)  # fmt: skip
def test_what_is_secret_or_large_is_kept_for_nobody_else(field: tuple[bytes, bytes]) -> None:
    before = dict(h2_decoder._known_fields)
    first, second = read(field), read(field)
    assert first.entries == second.entries == (field,)
    assert first.entries[0] is not second.entries[0]
    assert h2_decoder._known_fields == before


def test_what_its_sender_calls_sensitive_is_kept_for_nobody_else() -> None:
    decoder = FieldDecoder(1 << 16)
    before = dict(h2_decoder._known_fields)
    assert decoder.decode(b"\x10\x01k\x06secret") == [(b"k", b"secret")]
    assert h2_decoder._known_fields == before


def test_what_is_known_is_bounded() -> None:
    for number in range(3_000):
        read((b"name-%d" % number, b"value-%d" % number))
        assert len(h2_decoder._known_fields) <= 1_024
        assert len(h2_decoder._known_names) <= 1_024


def test_the_oldest_entries_make_way() -> None:
    fields = [(b"name-%02d" % number, b"v" * 100) for number in range(50)]
    decoder = FieldDecoder(1 << 16)
    for field in fields:
        decoder.decode(b"\x40\x07" + field[0] + b"\x64" + field[1])
    room = TABLE_BYTES // entry_bytes(fields[0])
    assert list(decoder.entries) == fields[: -room - 1 : -1]
