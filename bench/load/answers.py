"""Answers to what is published: counted, and each checked."""


class Answers:
    """Counts complete answers on a connection; bodies have a Content-Length or none."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> int:
        """How many answers these bytes complete.

        Raises:
            ConnectionError: an answer that is not 2xx, or one that is framed otherwise.
        """
        pending = self._pending + data
        count = start = 0
        while True:
            end = _end_of_answer(pending, start)
            if not end:
                break
            start = end
            count += 1
        self._pending = pending[start:]
        return count


def _end_of_answer(pending: bytes, start: int) -> int:
    """Where the answer that begins at `start` ends; 0 while it is incomplete."""
    end = pending.find(b"\r\n\r\n", start)
    if end < 0:
        return 0
    head = pending[start:end]
    if head[8:10] != b" 2":
        status = head.partition(b"\r\n")[0].decode(errors="replace")
        raise ConnectionError(f"the server answered a publish with {status}")
    _, found, value = head.lower().partition(b"\r\ncontent-length:")
    if found:
        length = int(value.partition(b"\r\n")[0])
    elif head[9:12] == b"204":
        length = 0
    else:
        raise ConnectionError("an answer to a publish has no Content-Length")
    stop = end + 4 + length
    return stop if len(pending) >= stop else 0
