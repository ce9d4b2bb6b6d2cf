"""The calibration loop: fixed work of the kind that the package does, which is none of the package.

Targets are multiples of its time, so that a slower machine, or one that others use as well, has
slower targets. Changing it changes every target.
"""

import re
from collections.abc import Callable

_WORD = re.compile(rb"([a-z]+)=([0-9]+)")
_LINE = b"&".join(b"name=%d" % number for number in range(4))


class _Counter:
    __slots__ = ("count", "names")

    def __init__(self) -> None:
        self.count = 0
        self.names: dict[bytes, int] = {}

    def add(self, name: bytes, count: int) -> None:
        self.count += count
        self.names[name] = self.names.get(name, 0) + count


def calibration() -> Callable[[], object]:
    """Calls, attributes, a dictionary, an expression, bytes formatted and joined: about 3 µs."""

    def loop() -> bytes:
        counter = _Counter()
        parts: list[bytes] = []
        for number in range(10):
            counter.add(b"a", number)
            parts.append(b"%b-%d" % (b"name", number))
        for name, value in _WORD.findall(_LINE):
            counter.add(name, len(value))
        return b"".join(parts) + b"%d" % counter.count

    return loop
