"""Strings of Huffman's code (RFC 7541 appendix B), a byte at a time.

hpack takes half a byte at a time, and 20 ms for a large block that is refused. Its table of states
is made into one by bytes. `tests/http/test_h2_huffman.py` holds this to hpack.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import (
    HUFFMAN_COMPLETE,
    HUFFMAN_EMIT_SYMBOL,
    HUFFMAN_FAIL,
    HUFFMAN_TABLE,
)


def decode_huffman(string: bytes) -> bytes:
    """What a string of Huffman's code says.

    Raises:
        HPACKDecodingError: nothing.
    """
    rows, state = _ROWS, 0
    parts: list[bytes] = []
    for byte in string:
        states, ended = rows[state]
        parts.append(ended[byte])
        state = states[byte]
    if state not in _COMPLETE:
        raise HPACKDecodingError("a string that ends within a character")
    return b"".join(parts)


_FAILED = -1
_COMPLETE = {0} | {state for state, flags, _ in HUFFMAN_TABLE if flags & HUFFMAN_COMPLETE}

_Row = tuple[Sequence[int], list[bytes]]
"""For each byte: the state that it leads to, and the characters that have ended."""


class _Rows(dict[int, _Row]):
    """By state, where hpack's table takes half a byte at a time.

    A row is made when it is needed for the first time: all take 2 MB.
    """

    def __missing__(self, state: int) -> _Row:
        if state == _FAILED:
            raise HPACKDecodingError("a string with a character that is none")
        steps = [_step(state, byte) for byte in range(256)]
        ended = [_ENDED.setdefault(characters, characters) for _, characters in steps]
        row = self[state] = array("h", [next_state for next_state, _ in steps]), ended
        return row


def _step(state: int, byte: int) -> tuple[int, bytes]:
    ended = b""
    for half in (byte >> 4, byte & 0x0F):
        state, flags, character = HUFFMAN_TABLE[16 * state + half]
        if flags & HUFFMAN_FAIL:
            return _FAILED, b""
        if flags & HUFFMAN_EMIT_SYMBOL:
            ended += bytes((character,))
    return state, ended


_ROWS = _Rows()
_ENDED: dict[bytes, bytes] = {}  # one object for all that are alike
