"""Header blocks are read as hpack reads them."""

import pytest
from hpack.exceptions import HPACKError, OversizedHeaderListError
from hpack.hpack import Decoder, Encoder
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_FAIL, HUFFMAN_TABLE
from hpack.huffman_table import decode_huffman as decode_by_hpack
from hypothesis import example, given
from hypothesis import strategies as st

from sse_server.http.h2_decoder import LeanDecoder, decode_huffman

CODE = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
NAMES = st.sampled_from([b":path", b":method", b"cookie", b"a", b"x-long-name", b"age"])
VALUES = st.one_of(
    st.sampled_from([b"", b"GET", b"/", b"x" * 300]), st.binary(max_size=40), st.just(b"v" * 4_100)
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def outcome(decoder: Decoder, block: bytes) -> object:
    try:
        return [tuple(field) for field in decoder.decode(block, raw=True)]
    except OversizedHeaderListError:
        return "too large"
    except HPACKError:
        return "not to be read"


def assert_same(mine: Decoder, plain: Decoder, block: bytes) -> object:
    found = outcome(mine, block)
    assert found == outcome(plain, block)
    assert list(mine.header_table.dynamic_entries) == list(plain.header_table.dynamic_entries)
    assert mine.header_table.maxsize == plain.header_table.maxsize
    return found


@given(
    blocks=st.lists(st.tuples(FIELDS, st.booleans(), st.none() | st.integers(0, 4_096)), max_size=6)
)
def test_what_an_encoder_has_written_is_read_alike(
    blocks: list[tuple[list[tuple[bytes, bytes]], bool, int | None]],
) -> None:
    encoder, mine, plain = Encoder(), LeanDecoder(9_000), Decoder(9_000)
    for fields, huffman, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        found = assert_same(mine, plain, encoder.encode(fields, huffman=huffman))
        if isinstance(found, str):
            return
        assert found == fields


PIECES = st.one_of(
    st.sampled_from(
        [
            b"\x82", b"\x84", b"\xbe", b"\xbf", b"\x80", b"\xff\x00", b"\xff\x80\x01",
            b"\x20", b"\x3f\xe1\x1f", b"\x3f\xe2\x1f", b"\x31",
            b"\x40\x01a\x01b", b"\x00\x01a\x01b", b"\x10\x01a\x00", b"\x41\x8c\xf1\xe3\xc2\xe5",
            b"\x0f\x2f\x03xyz", b"\x7f\x00\x00", b"\x00\x81\x1f\x81\xff", b"\x00\x7f\x80",
            b"\x00\xff\xff\xff\xff\xff\xff\xff", b"\x04\x82\x60\x7f",
            b"\x41\x7f\x81\x01" + b"v" * 256,
        ]
    ),
    st.binary(max_size=12),
)  # fmt: skip


@given(blocks=st.lists(st.lists(PIECES, max_size=6).map(b"".join), max_size=4))
@example([b"\x40\x01a\x01b" + b"\x40\x01c\x01d" * 3, b"\x20\xbe", b"\x3f\xe1\x1f"])
def test_whatever_comes_is_read_alike(blocks: list[bytes]) -> None:
    mine, plain = LeanDecoder(400), Decoder(400)
    for block in blocks:
        if isinstance(assert_same(mine, plain, block), str):
            return


@given(st.binary(max_size=200))
def test_strings_of_huffman_s_code_are_read_alike(string: bytes) -> None:
    assert decode_huffman(CODE.encode(string)) == string
    found: list[bytes | None] = []
    for decode in (decode_huffman, decode_by_hpack):
        try:
            found.append(decode(string))
        except HPACKError:
            found.append(None)
    assert found[0] == found[1]


def test_a_state_is_an_end_or_none_however_it_is_reached() -> None:
    """What `decode_huffman` takes for granted of hpack's table."""
    ends: dict[int, set[bool]] = {}
    for state, flags, _ in HUFFMAN_TABLE:
        if not flags & HUFFMAN_FAIL:
            ends.setdefault(state, set()).add(bool(flags & HUFFMAN_COMPLETE))
    assert all(len(found) == 1 for found in ends.values())


@pytest.mark.parametrize("size", [128, 129])
def test_a_string_is_read_alike_kept_or_not(size: int) -> None:
    string = CODE.encode(b"a" * (8 * size // 5))
    block = b"\x00\x01a\xff" + bytes((len(string) - 127,)) + string
    for _ in range(2):
        assert_same(LeanDecoder(9_000), Decoder(9_000), block)
