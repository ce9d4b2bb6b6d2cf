"""Lines as they come."""

import contextlib
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.cli.ending import CommandFailed
from sse_server.cli.lines import MAX_LINES, batches
from sse_server.wire.event import MAX_DATA_BYTES


def read_all(content: bytes) -> list[list[str]]:
    """The batches of a pipe that somebody writes to meanwhile."""
    reading, writing = os.pipe()

    def write() -> None:
        left = memoryview(content)
        with contextlib.suppress(BrokenPipeError):  # whoever reads has seen enough
            while left:
                left = left[os.write(writing, left) :]
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        return list(batches(reading))
    finally:
        os.close(reading)
        thread.join()


@given(st.lists(st.binary(max_size=10).map(lambda line: line.replace(b"\n", b"")), max_size=20))
def test_every_line_comes_once_whatever_is_in_it(lines: list[bytes]) -> None:
    found = [
        line for batch in read_all(b"".join(b"%b\n" % line for line in lines)) for line in batch
    ]
    assert found == [line.removesuffix(b"\r").decode(errors="replace") for line in lines]


def test_a_line_is_there_before_the_next_has_come() -> None:
    reading, writing = os.pipe()
    found = batches(reading)
    os.write(writing, b"one\ntw")
    assert next(found) == ["one"]
    os.write(writing, b"o\n\nthree")
    assert next(found) == ["two", ""]
    os.close(writing)
    assert list(found) == [["three"]]
    os.close(reading)


def test_batches_are_bounded() -> None:
    found = read_all(b"\n" * 200_000)
    assert sum(map(len, found)) == 200_000
    assert max(map(len, found)) == MAX_LINES


def test_a_line_may_be_as_long_as_an_event_and_no_longer() -> None:
    longest = b"x" * MAX_DATA_BYTES
    assert read_all(longest + b"\n" + longest) == [[longest.decode()], [longest.decode()]]
    with pytest.raises(CommandFailed, match="line 2 is longer"):
        read_all(b"short\n" + b"x" * (MAX_DATA_BYTES + 200_000))
