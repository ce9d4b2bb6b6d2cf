"""A TCP proxy that cuts one event stream: after its opening block, or when it is told to."""

import re
import threading

from tests.conftest import Served
from tests.faults.proxy import Link, Passed, Proxy

CUT_TIMEOUT_SECONDS = 10.0
_OPENING = re.compile(rb"\nretry: \d+\n(?:id: (\S+)\n)?\n")
_LAST_ID = re.compile(rb"\r\nlast-event-id: ([^\r]*)\r\n", re.IGNORECASE)


class CuttingProxy(Proxy):
    """Stands in front of an instance; the first stream that is asked for at `target` is cut.

    The opening block arrives, and then the connection's end, in the middle of the response; with
    `waits` it is only cut by `cut`.
    """

    def __init__(self, served: Served, target: str, *, waits: bool = False) -> None:
        super().__init__(served.port)
        self.last_event_ids: list[str | None] = []
        """What came as Last-Event-ID with each request for `target`."""
        self.passed = b""
        """What the first stream has brought so far."""
        self.is_due = not waits
        """Whether the stream is to be cut when its opening block has passed."""
        self.changed = threading.Condition()
        self._request = f"GET {target} ".encode()
        self._is_cut = threading.Event()

    @property
    def opening_id(self) -> str | None:
        """The id of the opening block of the first stream."""
        opening = _OPENING.search(self.passed)
        return opening[1].decode() if opening is not None and opening[1] else None

    @property
    def has_opened(self) -> bool:
        """Whether the opening block of the first stream has passed."""
        return _OPENING.search(self.passed) is not None

    def link(self) -> Link:
        return _CutLink(self)

    def cut(self) -> None:
        """Cut the first stream; returns when it is gone for both sides."""
        self.is_due = True
        self.wait_until_cut()

    def wait_until_cut(self) -> None:
        """Return when the stream is gone for both sides."""
        assert self._is_cut.wait(CUT_TIMEOUT_SECONDS), "no stream was opened"

    def wait_for(self, pattern: bytes, *, after: int = 0) -> re.Match[bytes]:
        """Return where the first stream has brought `pattern`, beyond the byte `after`."""
        compiled = re.compile(pattern)
        with self.changed:
            came = self.changed.wait_for(
                lambda: compiled.search(self.passed, after), CUT_TIMEOUT_SECONDS
            )
        assert came is not None, f"{pattern!r} has not come: {self.passed[-500:]!r}"
        return came

    def is_first_stream(self, request: bytes) -> bool:
        """Look at what a client sent: whether it is the first request for the stream."""
        if self._request not in request:
            return False
        last_id = _LAST_ID.search(request)
        self.last_event_ids.append(last_id[1].decode() if last_id else None)
        return len(self.last_event_ids) == 1

    def first_stream_is_cut(self) -> None:
        """It is gone for both sides."""
        self._is_cut.set()


class _CutLink(Link):
    def __init__(self, proxy: CuttingProxy) -> None:
        self._proxy = proxy
        self._is_first = False

    @property
    def is_due(self) -> bool:
        return self._is_first and self._proxy.is_due and self._proxy.has_opened

    def up(self, data: bytes) -> Passed:
        self._is_first = self._proxy.is_first_stream(data) or self._is_first
        return Passed(data)

    def down(self, data: bytes) -> Passed:
        if self._is_first:
            with self._proxy.changed:
                self._proxy.passed += data
                self._proxy.changed.notify_all()
        return Passed(data)

    def closed(self) -> None:
        self._proxy.first_stream_is_cut()
