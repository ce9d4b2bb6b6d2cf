"""The Date field: made once a second, not once an answer."""

import time
from email.utils import formatdate


class ServerDate:
    """Callable that gives the value of the Date field for now (RFC 9110 section 6.6.1)."""

    __slots__ = ("_second", "_value")

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._second = -1
        self._value = b""

    def __call__(self) -> bytes:
        """Now, as an IMF-fixdate."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._value = formatdate(second, usegmt=True).encode()
        return self._value
