"""Header blocks of HTTP/2 that come in (RFC 7541), decoded without hpack's decoder.

hpack takes 10 µs for a field, and keeps each for itself. Most fields come word for word from many
clients: here one that has been read is known, however it is spelled, and the tables of all
connections hold the very same one. What says who a client is comes from no other.

Long numbers are hpack's to read, and errors are its. Whatever is sent,
both read the same or refuse it (`tests/http/test_h2_decoder.py`).
"""

from __future__ import annotations

from hpack.exceptions import HPACKDecodingError, InvalidTableIndex, OversizedHeaderListError
from hpack.exceptions import InvalidTableSizeError as TableSizeError
from hpack.hpack import decode_integer
from hpack.table import HeaderTable

from sse_server.http.h2_huffman import decode_huffman

Field = tuple[bytes, bytes]

TABLE_BYTES = HeaderTable.DEFAULT_SIZE
"""What a client's table may take, by the measure of section 4.1; we ask for no other."""

_STATIC = HeaderTable.STATIC_TABLE
_ENTRY_BYTES = 32

_INDEXED, _INSERTED, _RESIZED, _HUFFMAN = 0x80, 0x40, 0x20, 0x80
_INDEX_BITS, _INSERTED_NAME_BITS, _NAME_BITS, _SIZE_BITS, _LENGTH_BITS = 7, 6, 4, 5, 7
_NEVER_INDEXED = 0x10
_INTEGER_BYTES = 16  # more than a number can have; a block is not copied for each

# As in `fast_head`: when there are too many all are forgotten.
_known_names: dict[bytes, bytes] = {}
_known_fields: dict[tuple[bytes, bytes], Field] = {}
_MAX_KNOWN = 1_024
_MAX_KNOWN_BYTES = 256  # a User-Agent; 0.6 MB in all
_PRIVATE = frozenset((b"authorization", b"cookie"))
_ADDRESSES = frozenset((b":path", b"referer"))  # with a query, in which a token may be


class FieldDecoder:
    """The decoder of one connection, and its table."""

    __slots__ = ("_entries", "_room", "_size", "max_header_list_size")

    max_allowed_table_size = TABLE_BYTES

    def __init__(self, max_list_bytes: int) -> None:
        """`max_list_bytes`: of the fields of a block, each counted as an entry of the table."""
        self.max_header_list_size = max_list_bytes
        self._entries: tuple[Field, ...] = ()  # the oldest first
        self._size = 0  # of the entries
        self._room = TABLE_BYTES  # that they may have

    @property
    def entries(self) -> tuple[Field, ...]:
        """The table, the newest first."""
        return self._entries[::-1]

    def decode(self, block: bytes, raw: bool = True) -> list[Field]:  # noqa: ARG002, FBT001, FBT002 (hpack's)
        """The fields of a block.

        Raises:
            HPACKDecodingError: it cannot be read.
            OversizedHeaderListError: its fields are too large.
        """
        reader = _Reader(block, self._entries, self._size, self._room)
        left = self.max_header_list_size
        fields: list[Field] = []
        end = len(block)
        while reader.at < end:
            first = block[reader.at]
            if first & _INDEXED:
                field = reader.find(reader.integer(_INDEX_BITS))
            elif first & _INSERTED:
                field = reader.literal(_INSERTED_NAME_BITS, is_private=False)
                reader.insert(field)
            elif first & _RESIZED:
                if fields:
                    raise HPACKDecodingError("Table size update not at the start of the block")
                reader.resize(reader.integer(_SIZE_BITS))
                continue
            else:
                field = reader.literal(_NAME_BITS, is_private=bool(first & _NEVER_INDEXED))
            fields.append(field)
            left -= entry_bytes(field)
            if left < 0:
                allowed = self.max_header_list_size
                message = f"A header list larger than {allowed} has been received"
                raise OversizedHeaderListError(message)
        if reader.changes:
            self._entries = tuple(reader.entries)
            self._size = reader.size
            self._room = reader.room
        return fields


def entry_bytes(field: Field) -> int:
    """The size of an entry, by the measure of section 4.1."""
    return _ENTRY_BYTES + len(field[0]) + len(field[1])


class _Reader:
    """Reads one block."""

    __slots__ = ("_block", "at", "changes", "entries", "room", "size")

    def __init__(self, block: bytes, entries: tuple[Field, ...], size: int, room: int) -> None:
        self._block = block
        self.at = 0
        self.entries = [*entries]
        self.size = size
        self.room = room
        self.changes = False

    def integer(self, bits: int) -> int:
        """A number whose first byte has so many bits of it (section 5.1)."""
        block, at = self._block, self.at
        if at < len(block):
            most = (1 << bits) - 1
            number = block[at] & most
            if number < most:
                self.at = at + 1
                return number
        number, size = decode_integer(block[at : at + _INTEGER_BYTES], bits)
        self.at = at + size
        return number

    def find(self, index: int) -> Field:
        """A field of the tables (section 2.3.3)."""
        if 0 < index <= len(_STATIC):
            return _STATIC[index - 1]
        index -= len(_STATIC)
        if 0 < index <= len(self.entries):
            return self.entries[-index]
        raise InvalidTableIndex("Invalid table index")

    def literal(self, bits: int, *, is_private: bool) -> Field:
        """A field that is spelled out, at least its value (section 6.2)."""
        index = self.integer(bits)
        name = self.find(index)[0] if index else self._name()
        start = self.at
        at, stop = self._string()
        spelled = self._block[start:stop]
        field = _known_fields.get((name, spelled))
        if field is None:
            field = name, _text(spelled, at - start)
            is_private = is_private or _is_private(field)
            if not is_private and entry_bytes(field) <= _MAX_KNOWN_BYTES:
                _make_room(_known_fields)
                _known_fields[name, spelled] = field
        return field

    def _name(self) -> bytes:
        start = self.at
        at, stop = self._string()
        spelled = self._block[start:stop]
        name = _known_names.get(spelled)
        if name is None:
            name = _text(spelled, at - start)
            if len(name) <= _MAX_KNOWN_BYTES:
                _make_room(_known_names)
                _known_names[spelled] = name
        return name

    def _string(self) -> tuple[int, int]:
        """Where the bytes of a string begin, and where they end (section 5.2)."""
        size = self.integer(_LENGTH_BITS)
        at = self.at
        self.at = stop = at + size
        if stop > len(self._block):
            raise HPACKDecodingError("Truncated header block")
        return at, stop

    def insert(self, field: Field) -> None:
        """A new entry; the oldest make way (section 4.4)."""
        self.changes = True
        self.entries.append(field)
        self.size += entry_bytes(field)
        self._evict()

    def resize(self, room: int) -> None:
        """The client's table is to be no larger than this from now on (section 6.3)."""
        if room > TABLE_BYTES:
            raise TableSizeError("Encoder exceeded max allowable table size")
        self.changes = True
        self.room = room
        self._evict()

    def _evict(self) -> None:
        while self.size > self.room:
            self.size -= entry_bytes(self.entries.pop(0))


def _text(spelled: bytes, at: int) -> bytes:
    """What a string says, whose text begins there."""
    text = spelled[at:]
    return decode_huffman(text) if spelled[0] & _HUFFMAN else text


def _is_private(field: Field) -> bool:
    name, value = field
    return name in _PRIVATE or (name in _ADDRESSES and b"?" in value)


def _make_room(known: dict[bytes, bytes] | dict[tuple[bytes, bytes], Field]) -> None:
    if len(known) >= _MAX_KNOWN:
        known.clear()
