"""Lines of a descriptor, by the batch, as they come."""

import os
from collections.abc import Iterator

from sse_server.cli.ending import CommandFailed
from sse_server.wire.event import MAX_DATA_BYTES

MAX_LINES = 1_000
"""In one batch: the answer to more does not list their ids."""
_READ_BYTES = 65_536  # what a pipe holds


def batches(descriptor: int) -> Iterator[list[str]]:
    """All lines that are there, at once; then those that came meanwhile.

    Nothing is read ahead: while a batch is being sent, whoever writes waits. So at most one read
    and the beginning of a line are held, which as JSON is less than a request may have.

    Raises:
        CommandFailed: a line is longer than an event may be.
    """
    rest = bytearray()
    number = 0
    while chunk := os.read(descriptor, _READ_BYTES):
        *lines, last = chunk.split(b"\n")
        if lines:
            lines[0] = bytes(rest) + lines[0]
            rest.clear()
            yield from _slices(lines)
            number += len(lines)
        rest += last
        if len(rest) > MAX_DATA_BYTES:
            raise CommandFailed(
                f"line {number + 1} is longer than the {MAX_DATA_BYTES} bytes of an event; "
                "the lines before it are published"
            )
    if rest:
        yield [_text(bytes(rest))]


def _slices(lines: list[bytes]) -> Iterator[list[str]]:
    for start in range(0, len(lines), MAX_LINES):
        yield [_text(line) for line in lines[start : start + MAX_LINES]]


def _text(line: bytes) -> str:
    """What stands in a line, whatever it is: one bad byte must not end a log for good."""
    return line.removesuffix(b"\r").decode(errors="replace")
