"""A TCP proxy in threads, and what may happen to the connections that it carries."""

import contextlib
import select
import socket
import struct
import threading
import time
from random import Random
from types import TracebackType
from typing import NamedTuple, Self


class Passed(NamedTuple):
    """What a link lets through."""

    data: bytes
    cuts: bool = False
    """The connection ends here, for both sides."""
    resets: bool = False
    """It ends with a RST for the client."""


class Link:
    """One connection through the proxy; this kind lets everything through."""

    @property
    def is_due(self) -> bool:
        """Whether it is to be cut now."""
        return False

    def up(self, data: bytes) -> Passed:
        """From the client."""
        return Passed(data)

    def down(self, data: bytes) -> Passed:
        """From the server."""
        return Passed(data)

    def closed(self) -> None:
        """The proxy has cut it, and it is gone for both sides."""


class Proxy:
    """Stands in front of a port of 127.0.0.1. Derived classes make links that do worse."""

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
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

    def link(self) -> Link:
        """A link for a connection that has just come."""
        return Link()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass, args=(client, self.link()))
            self._threads.append(thread)
            thread.start()

    def _pass(self, client: socket.socket, link: Link) -> None:
        """Pass bytes both ways until one side ends, the link is cut, or the proxy is stopped."""
        is_cut = False
        with (
            client,
            contextlib.suppress(ConnectionError),  # a side that resets has ended, too
            socket.create_connection(self._upstream) as server,
        ):
            is_cut = self._pass_between(client, server, link)
        if is_cut:
            link.closed()

    def _pass_between(self, client: socket.socket, server: socket.socket, link: Link) -> bool:
        """Whether it ended because the link was cut."""
        while not self._stopped:
            if link.is_due:
                return True
            readable, _, _ = select.select([client, server], [], [], 0.05)
            for side in readable:
                data = side.recv(65_536)
                if not data:
                    return False
                other = server if side is client else client
                passed = link.up(data) if side is client else link.down(data)
                other.sendall(passed.data)
                if passed.resets:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if passed.cuts:
                    return True
        return False


class BadNetwork(Proxy):
    """Delays, stalls and cuts what comes from the server, at random bytes."""

    def __init__(self, port: int, random: Random, bytes_to_cut: int) -> None:
        """`bytes_to_cut`: after so many, on average, a connection is cut."""
        super().__init__(port)
        self.cuts = 0
        self.is_good = False
        """From now on nothing happens to new connections."""
        self._random = random
        self._bytes_to_cut = bytes_to_cut

    def link(self) -> Link:
        if self.is_good:
            return Link()
        left = 1 + int(self._random.expovariate(1 / self._bytes_to_cut))
        return _BadLink(self, Random(self._random.random()), left)


class _BadLink(Link):
    def __init__(self, network: BadNetwork, random: Random, left: int) -> None:
        self._network = network
        self._random = random
        self._left = left  # bytes until it is cut

    def down(self, data: bytes) -> Passed:
        chance = self._random.random()
        if chance < 0.02:
            time.sleep(0.3)  # a stall: both sides' buffers fill
        elif chance < 0.3:
            time.sleep(self._random.uniform(0.0, 0.01))
        passed = data[: self._left]
        self._left -= len(passed)
        if self._left:
            return Passed(passed)
        return Passed(passed, cuts=True, resets=self._random.random() < 0.5)

    def closed(self) -> None:
        self._network.cuts += 1
