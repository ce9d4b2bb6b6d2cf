"""A TCP proxy that cuts one event stream as soon as its opening block has passed."""

import contextlib
import re
import select
import socket
import threading
from types import TracebackType
from typing import Self

from tests.conftest import Served

CUT_TIMEOUT_SECONDS = 10.0
_OPENING = re.compile(rb"\nretry: \d+\n(?:id: (\S+)\n)?\n")
_LAST_ID = re.compile(rb"\r\nlast-event-id: ([^\r]*)\r\n", re.IGNORECASE)


class CuttingProxy:
    """Stands in front of an instance; the first stream that is asked for at `target` is cut.

    The opening block arrives, and then the connection's end, in the middle of the response.
    """

    def __init__(self, served: Served, target: str) -> None:
        self.opening_id: str | None = None
        """The id of the opening block of the stream that was cut."""
        self.last_event_ids: list[str | None] = []
        """What came as Last-Event-ID with each request for `target`."""
        self._upstream = ("127.0.0.1", served.port)
        self._request = f"GET {target} ".encode()
        self._cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._stopped = False

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def wait_until_cut(self) -> None:
        """Return when the stream is gone for both sides."""
        assert self._cut.wait(CUT_TIMEOUT_SECONDS), "no stream was opened"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _pass(self, client: socket.socket) -> None:
        """Pass bytes both ways until one side ends, the stream is cut, or the proxy is stopped."""
        is_cut = False
        with (
            client,
            contextlib.suppress(ConnectionError),  # a side that resets has ended, too
            socket.create_connection(self._upstream) as server,
        ):
            is_cut = self._pass_between(client, server)
        if is_cut:
            self._cut.set()

    def _pass_between(self, client: socket.socket, server: socket.socket) -> bool:
        """Whether it ended because the stream is to be cut."""
        cuts = False
        answered = b""
        while not self._stopped:
            readable, _, _ = select.select([client, server], [], [], 0.05)
            for side in readable:
                data = side.recv(65_536)
                if not data:
                    return False
                if side is client:
                    cuts = self._look_at_request(data) or cuts
                    server.sendall(data)
                else:
                    client.sendall(data)
                    answered += data
            opening = _OPENING.search(answered) if cuts else None
            if opening is not None:
                self.opening_id = opening[1].decode() if opening[1] else None
                return True
        return False

    def _look_at_request(self, data: bytes) -> bool:
        """Whether this asks for the stream that is to be cut."""
        if self._request not in data:
            return False
        last_id = _LAST_ID.search(data)
        self.last_event_ids.append(last_id[1].decode() if last_id else None)
        return len(self.last_event_ids) == 1
