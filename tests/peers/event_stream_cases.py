"""Odd event streams, and what the standard (WHATWG HTML section 9.2.6) makes of them.

Every parser reads every case. A peer that reads one otherwise has its real answer here, beside the
note of what it does, so that a change of mind on its side is seen.
"""

from dataclasses import dataclass

from sse_server.wire.parser import StreamEvent


@dataclass(frozen=True, slots=True)
class Deviation:
    """What a peer makes of a case instead."""

    peer: str
    note: str
    events: tuple[StreamEvent, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A stream's bytes and the events they fire."""

    name: str
    stream: bytes
    events: tuple[StreamEvent, ...]
    deviations: tuple[Deviation, ...] = ()

    def __str__(self) -> str:
        """The name: pytest shows it."""
        return self.name

    def answer_of(self, peer: str) -> tuple[StreamEvent, ...]:
        """The events that `peer` fires."""
        for deviation in self.deviations:
            if deviation.peer == peer:
                return deviation.events
        return self.events


def message(data: str, last_event_id: str = "", type_: str = "message") -> StreamEvent:
    return StreamEvent(type_, data, last_event_id)


BOM = b"\xef\xbb\xbf"
LONG = "0123456789abcdef" * 16_384  # 256 KiB: many reads, and beyond every pipe's buffer

CASES = [
    # Data.
    Case("one line", b"data: x\n\n", (message("x"),)),
    Case("several lines", b"data: a\ndata: b\ndata: c\n\n", (message("a\nb\nc"),)),
    Case("two events", b"data: a\n\ndata: b\n\n", (message("a"), message("b"))),
    Case("empty data", b"data: \n\n", (message(""),)),
    Case("empty data, no space", b"data:\n\n", (message(""),)),
    Case("data without a colon", b"data\n\n", (message(""),)),
    Case("two data without a colon", b"data\ndata\n\n", (message("\n"),)),
    Case("data that ends with an empty line", b"data: a\ndata:\n\n", (message("a\n"),)),
    Case("data that begins with an empty line", b"data\ndata: a\n\n", (message("\na"),)),
    Case("no space after the colon", b"data:x\n\n", (message("x"),)),
    Case("two spaces after the colon", b"data:  x\n\n", (message(" x"),)),
    Case("a tab after the colon", b"data:\tx\n\n", (message("\tx"),)),
    Case("a space before the colon", b"data : x\n\ndata: y\n\n", (message("y"),)),
    Case("a space before the name", b" data: x\n\ndata: y\n\n", (message("y"),)),
    Case("spaces behind", b"data: x  \n\n", (message("x  "),)),
    Case("colons in the value", b"data::x: y:\n\n", (message(":x: y:"),)),
    Case("fields apart from one another", b"data: a\nx\n:\ndata: b\n\n", (message("a\nb"),)),
    # Line ends.
    Case("CRLF", b"data: a\r\ndata: b\r\n\r\n", (message("a\nb"),)),
    Case("CR alone", b"data: a\rdata: b\r\r", (message("a\nb"),)),
    Case(
        "line ends mixed",
        b"data: a\rdata: b\r\ndata: c\n\rdata: d\n\r\ndata: e\r\n\n",
        (message("a\nb\nc"), message("d"), message("e")),
    ),
    Case("CR LF LF", b"data: a\r\n\ndata: b\r\n\n", (message("a"), message("b"))),
    Case("LF CR", b"data: a\n\rdata: b\n\r", (message("a"), message("b"))),
    Case("LF CR LF", b"data: a\n\r\ndata: b\n\r\n", (message("a"), message("b"))),
    Case("blank lines", b"\n\r\n\r\n\ndata: a\n\n\n\n\ndata: b\n\n", (message("a"), message("b"))),
    Case(
        "other line separators end no line",
        "data: a\u2028b\u2029c\x85d\ve\ff\x1cg\n\n".encode(),
        (message("a\u2028b\u2029c\x85d\ve\ff\x1cg"),),
    ),
    # The end of the stream.
    Case("nothing", b"", ()),
    Case("cut in a line", b"data: a\n\ndata: b", (message("a"),)),
    Case("cut before the blank line", b"data: a\n\ndata: b\n", (message("a"),)),
    Case("cut before the blank line, CRLF", b"data: a\r\n\r\ndata: b\r\n", (message("a"),)),
    Case("complete with a CR at the end", b"data: a\r\r", (message("a"),)),
    # Byte order mark.
    Case("byte order mark", BOM + b"data: x\n\n", (message("x"),)),
    Case(
        "byte order mark before a blank line",
        BOM + b"\ndata: x\n\n",
        (message("x"),),
        (Deviation("chromium", "a line end right behind the mark ends no line", ()),),
    ),
    Case("byte order mark alone", BOM, ()),
    Case("half a byte order mark", BOM[:2] + b"data: x\n\ndata: y\n\n", (message("y"),)),
    Case(
        "two byte order marks",
        BOM + BOM + b"data: x\n\ndata: y\n\n",
        (message("y"),),
        (
            Deviation(
                "npm eventsource",
                "the decoder takes one away, the parser another",
                (message("x"), message("y")),
            ),
        ),
    ),
    Case("byte order mark later", b"\n" + BOM + b"data: x\n\ndata: y\n\n", (message("y"),)),
    Case("byte order mark in data", b"data: " + BOM + b"x\n\n", (message("\ufeffx"),)),
    # Comments and fields that are none.
    Case("comments", b": a\n:\n:data: x\ndata: y\n: b\n\n: c\n\n", (message("y"),)),
    Case("unknown fields", b"foo: 1\ndata: x\nbar\ndatum: y\ndat: z\n\n", (message("x"),)),
    Case("names in the wrong case", b"Data: x\nDATA: y\ndata: z\n\n", (message("z"),)),
    Case("other names in the wrong case", b"Event: e\nID: 1\ndata: z\n\n", (message("z"),)),
    # Type.
    Case("type", b"event: e\ndata: x\n\n", (message("x", type_="e"),)),
    Case("type behind the data", b"data: x\nevent: e\n\n", (message("x", type_="e"),)),
    Case("the last type counts", b"event: f\nevent: e\ndata: x\n\n", (message("x", type_="e"),)),
    Case("an empty type is none", b"event: e\nevent:\ndata: x\n\n", (message("x"),)),
    Case("type without a colon", b"event: e\nevent\ndata: x\n\n", (message("x"),)),
    Case("type message", b"event: message\ndata: x\n\n", (message("x"),)),
    Case(
        "type with spaces and accents",
        "event:  größe 1\ndata: x\n\n".encode(),
        (message("x", type_=" größe 1"),),
    ),
    Case("type without data fires nothing", b"event: e\n\ndata: x\n\n", (message("x"),)),
    Case(
        "types that are EventSource's own",
        b"event: open\ndata: x\n\nevent: error\ndata: y\n\n",
        (message("x", type_="open"), message("y", type_="error")),
    ),
    # Id.
    Case("id", b"id: 1\ndata: x\n\n", (message("x", "1"),)),
    Case("id behind the data", b"data: x\nid: 1\n\n", (message("x", "1"),)),
    Case("id stays", b"id: 1\ndata: x\n\ndata: y\n\n", (message("x", "1"), message("y", "1"))),
    Case(
        "an empty id resets",
        b"id: 1\ndata: x\n\nid:\ndata: y\n\ndata: z\n\n",
        (message("x", "1"), message("y"), message("z")),
    ),
    Case(
        "id without a colon resets",
        b"id: 1\ndata: x\n\nid\ndata: y\n\n",
        (message("x", "1"), message("y")),
    ),
    Case(
        "id with NUL is ignored",
        b"id: 1\ndata: x\n\nid: 2\0\ndata: y\n\nid: 3\nid: \0\ndata: z\n\n",
        (message("x", "1"), message("y", "1"), message("z", "3")),
    ),
    Case("id with spaces", b"id:  1 \ndata: x\n\n", (message("x", " 1 "),)),
    Case("id beyond ASCII", "id: é😀\ndata: x\n\n".encode(), (message("x", "é😀"),)),
    Case("id without data is kept", b"id: 1\n\ndata: x\n\n", (message("x", "1"),)),
    Case(
        "an opening block",
        b": welcome\nretry: 2500\nid: e-5\n\nid: e-6\nevent: e\ndata: x\n\n",
        (message("x", "e-6", "e"),),
    ),
    Case(
        "an opening block, then an event without an id",
        b": welcome\nretry: 2500\nid: e-5\n\ndata: x\n\n",
        (message("x", "e-5"),),
    ),
    # Retry.
    Case("retry", b"retry: 5000\ndata: x\n\n", (message("x"),)),
    Case(
        "retry that is none",
        b"retry: x\nretry\nretry:\nretry: -1\nretry: 1e3\nretry: " + b"9" * 5000 + b"\ndata: x\n\n",
        (message("x"),),
    ),
    # Characters.
    Case("NUL in data", b"data: a\0b\n\n", (message("a\0b"),)),
    Case("text beyond ASCII", "data: é€😀\n\n".encode(), (message("é€😀"),)),
    Case(
        "bytes that are not UTF-8",
        b"data: \xff|\xc0\x80|\xed\xa0\x80|\xf0\x80\x80|\xf5\n\n",
        (message("�|��|���|���|�"),),
    ),
    Case(
        "UTF-8 cut by a line end",
        b"data: \xf0\x9f\x98\ndata: \xe2\x82\r\ndata: \xc3\r\r",
        (message("�\n�\n�"),),
    ),
    Case(
        "not UTF-8 in type and id", b"event: \xff\nid: \xff\ndata: x\n\n", (message("x", "�", "�"),)
    ),
    # Size.
    Case("a long line", b"data: " + LONG.encode() + b"\n\n", (message(LONG),)),
    Case("many lines", b"data: x\n" * 5000 + b"\n", (message("\n".join("x" * 5000)),)),
    Case("a long comment", b": " + LONG.encode() + b"\ndata: x\n\n", (message("x"),)),
]
