"""Strings of Huffman's code are read as hpack reads them."""

from hpack.exceptions import HPACKError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_FAIL, HUFFMAN_TABLE
from hpack.huffman_table import decode_huffman as decode_by_hpack
from hypothesis import given
from hypothesis import strategies as st

from sse_server.http.h2_huffman import decode_huffman

CODE = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


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
