"""Header blocks, read in a fifth of hpack's time (RFC 7541).

hpack copies what is left of a block at each of its fields, so that a large one takes it 50 ms, and
decodes the same strings of Huffman's code again with each connection: most clients send the same
few. Tables are hpack's. `tests/http/test_h2_decoder.py` holds this to hpack.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from hpack.exceptions import HPACKDecodingError, InvalidTableSizeError, OversizedHeaderListError
from hpack.hpack import Decoder, decode_integer
from hpack.huffman_table import (
    HUFFMAN_COMPLETE,
    HUFFMAN_EMIT_SYMBOL,
    HUFFMAN_FAIL,
    HUFFMAN_TABLE,
)

if TYPE_CHECKING:
    from hpack.table import HeaderTable

Field = tuple[bytes, bytes]

# How a field begins (section 6), lowest first: what is below is not added to the table.
_TABLE_SIZE, _ADDED, _INDEXED = 0x20, 0x40, 0x80
_FIELD_BYTES = 32  # beside its name and value, for the size of a list (section 4.1)
_CACHED_BYTES = 128  # of a string: an agent or what a browser accepts; tokens are longer
_INTEGER_BYTES = 16  # more than one can have


class LeanDecoder(Decoder):
    """Reads the header blocks of one connection."""

    def decode(self, data: bytes, raw: bool = False) -> list[Field]:  # type: ignore[override] # noqa: ARG002, FBT001, FBT002
        """The fields of a block, as bytes.

        Raises:
            OversizedHeaderListError: they are more than `max_header_list_size`.
            HPACKDecodingError: they cannot be read; nor can what follows.
        """
        table = self.header_table
        fields: list[Field] = []
        room = self.max_header_list_size
        at, end = 0, len(data)
        while at < end:
            first = data[at]
            if first >= _INDEXED:
                index, at = _integer(data, at, 0x7F)
                field = table.get_by_index(index)
            elif _TABLE_SIZE <= first < _ADDED:
                if fields:
                    raise HPACKDecodingError("a table size behind a field")
                size, at = _integer(data, at, 0x1F)
                if size > self.max_allowed_table_size:
                    raise InvalidTableSizeError("a larger table than allowed")
                table.maxsize = size
                continue
            else:
                is_added = first >= _ADDED
                field, at = _literal(table, data, at, 0x3F if is_added else 0x0F)
                if is_added:
                    table.add(*field)
            fields.append(field)
            room -= len(field[0]) + len(field[1]) + _FIELD_BYTES
            if room < 0:
                raise OversizedHeaderListError("too large a list of fields")
        self._assert_valid_table_size()
        return fields


def _literal(table: HeaderTable, data: bytes, at: int, mask: int) -> tuple[Field, int]:
    """A field of which not all is in a table, and its end."""
    index, at = _integer(data, at, mask)
    if index:
        name = table.get_by_index(index)[0]
    else:
        name, at = _string(data, at)
    value, at = _string(data, at)
    return (name, value), at


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """A string, and its end."""
    if at >= len(data):
        raise HPACKDecodingError("a field that is cut")
    is_coded = data[at] & 0x80
    size, at = _integer(data, at, 0x7F)
    end = at + size
    if end > len(data):
        raise HPACKDecodingError("a string that is cut")
    string = bytes(data[at:end])
    if is_coded:
        string = _cached(string) if size <= _CACHED_BYTES else decode_huffman(string)
    return string, end


def _integer(data: bytes, at: int, mask: int) -> tuple[int, int]:
    """An integer whose first byte has these bits of it, and its end."""
    number = data[at] & mask
    if number != mask:
        return number, at + 1
    number, size = decode_integer(data[at : at + _INTEGER_BYTES], mask.bit_length())
    return number, at + size


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


_cached = lru_cache(maxsize=2_048)(decode_huffman)

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
