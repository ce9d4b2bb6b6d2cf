"""One process full of subscribers: opens streams, reads them, proves what came."""

import contextlib
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from bench.load.certificate import client_context
from bench.load.histogram import Histogram
from bench.load.messages import (
    Abort,
    Aborted,
    Await,
    AwaitEnd,
    Command,
    Delivered,
    Ended,
    Open,
    Opened,
    Quit,
    Reset,
    Tell,
    Told,
)
from bench.load.multiplexed import Connection as Multiplexed
from bench.load.stream import Decoder, Place, State

_READ_BYTES = 64 * 1024
"""Half of where glibc's malloc turns to mmap, which would cost a page fault per page and read."""

_MAX_HANDSHAKES = 400
"""Streams being opened at one moment: less than the listen queue of every subject (511)."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a RST."""

_BIND_ADDRESS_NO_PORT = 24
"""IP_BIND_ADDRESS_NO_PORT, which Python names from 3.12 on: the port is chosen when the stream
connects, so that one that a stream to an earlier server has kept (TIME_WAIT) is not taken."""


def run(pipe: Connection, cores: frozenset[int] | None, index: int) -> None:
    """The process: obey commands until `Quit`, or until the bench has gone."""
    if cores is not None:
        os.sched_setaffinity(0, cores)
    # Each process has an address of its own: Linux has 28,232 ports for each pair of addresses,
    # which is more than a process may have descriptors.
    subscribers = _Subscribers(pipe, f"127.0.{index}.1")
    try:
        subscribers.run()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


class _Subscribers:
    def __init__(self, pipe: Connection, source: str) -> None:
        self._pipe = pipe
        self._source = source
        self._epoll = select.epoll()
        self._epoll.register(pipe.fileno(), select.EPOLLIN)
        self._decoder = Decoder()
        self._sockets: dict[int, socket.socket] = {}
        self._places: dict[int, Place] = {}
        self._multiplexed: dict[int, Multiplexed] = {}
        self._encrypted: dict[int, ssl.SSLSocket] = {}
        self._streams = 0  # that are counted
        self._tls = client_context("h2")
        self._session: ssl.SSLSession | None = None  # of the last TLS connection that was read
        self._gone: list[Place] = []
        self._ended = 0  # of those in `_places`, as those in `_gone` are
        self._opening: set[int] = set()
        self._to_stall: set[int] = set()
        self._to_open: Iterator[tuple[Open, int]] | None = None
        self._total = 0
        self._awaited = 0
        self._awaits_end = False
        self._quitting = False
        self._reset()

    def run(self) -> None:
        control = self._pipe.fileno()
        while not self._quitting:
            for fd, _ in self._epoll.poll():
                if fd == control:
                    self._obey(self._pipe.recv())
                elif fd in self._multiplexed:
                    self._read_frames(fd, self._multiplexed[fd])
                else:
                    self._read(fd)
            if self._to_open is not None:
                self._open_some(self._to_open)
            if self._awaited and self._total >= self._awaited * self._streams:
                self._pipe.send(Delivered(self._awaited))
                self._awaited = 0
            if self._awaits_end and len(self._gone) + self._ended >= self._streams:
                self._pipe.send(Ended())
                self._awaits_end = False

    def _obey(self, command: Command) -> None:
        match command:
            case Open():
                last = command.first + command.count
                self._to_open = ((command, number) for number in range(command.first, last))
            case Await(number):
                self._awaited = number
            case AwaitEnd():
                self._awaits_end = True
            case Abort():
                self._abort()
            case Reset():
                self._reset()
            case Tell():
                self._pipe.send(self._told())
            case Quit():
                self._quitting = True

    # Opening

    def _open_some(self, to_open: Iterator[tuple[Open, int]]) -> None:
        """Keep up to _MAX_HANDSHAKES streams on their way until all stand."""
        while len(self._opening) < _MAX_HANDSHAKES:
            following = next(to_open, None)
            if following is None:
                break
            self._connect(*following)
        if not self._opening:
            self._to_open = None
            self._pipe.send(Opened())

    def _connect(self, command: Open, number: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.bind((self._source, 0))
        if command.receive_bytes is not None:  # before the window is negotiated
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, command.receive_bytes)
        sock.connect(command.address)  # on loopback complete at once, by the kernel alone
        if command.tls:  # which waits for the handshake: one at a time
            session = self._session if command.resumed else None
            secured = self._tls.wrap_socket(sock, session=session)
            self._encrypted[secured.fileno()] = secured
            sock = secured
        fd = sock.fileno()
        self._sockets[fd] = sock
        if command.multiplexed is None:
            self._places[fd] = self._decoder.start
            self._streams += 1
            sock.sendall(command.request.replace(b"{n}", b"%d" % number))
        else:
            self._multiplexed[fd] = Multiplexed(self._decoder, command.multiplexed)
            self._streams += command.multiplexed
            sock.sendall(command.request)
            if command.resumed and isinstance(sock, ssl.SSLSocket) and not sock.session_reused:
                self._multiplexed[fd].close("its session was not resumed")
        sock.setblocking(False)
        self._opening.add(fd)
        if command.stalls:
            self._to_stall.add(fd)
        self._epoll.register(fd, select.EPOLLIN)

    def _stall(self, fd: int) -> None:
        """Read this stream no more; its socket stays open."""
        self._to_stall.discard(fd)
        self._total -= self._places.pop(fd).progress.newest
        self._streams -= 1
        self._epoll.unregister(fd)

    def _abort(self) -> None:
        for sock in self._sockets.values():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()  # epoll forgets it by itself
        self._sockets.clear()
        self._places.clear()
        self._multiplexed.clear()
        self._encrypted.clear()
        self._gone.clear()
        self._total = self._ended = self._streams = 0
        self._pipe.send(Aborted())

    # Reading

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _READ_BYTES)
        except ConnectionError:
            data = b""
        now = time.monotonic_ns()
        place = self._places[fd]
        after = place.after if data == place.data else self._step(fd, place, data)
        self._places[fd] = after
        self._reads += 1
        self._read_bytes += len(data)
        if after.progress.advance:
            progress = after.progress
            self._total += progress.advance
            # Events of one read all count with the oldest one's latency: never flattering.
            self._latencies.record((now - progress.oldest_ns) // 1000, progress.advance)
        if self._opening and after.progress.state is not State.HEAD:
            self._opening.discard(fd)
            if fd in self._to_stall and after.progress.state is State.OPEN:
                self._stall(fd)

    def _read_frames(self, fd: int, connection: Multiplexed) -> None:
        """The same for a connection of HTTP/2, whose streams are told apart by their frames."""
        ended = connection.ended
        try:
            data = self._decrypted(fd) if fd in self._encrypted else os.read(fd, _READ_BYTES)
            if data is None:
                return
            answers = connection.feed(data)
            if answers:
                self._sockets[fd].send(answers)
        except (OSError, ValueError) as error:
            data = b""
            connection.close(repr(error))
        now = time.monotonic_ns()
        self._reads += 1
        self._read_bytes += len(data)
        if connection.advance:
            self._total += connection.advance
            self._latencies.record((now - connection.oldest_ns) // 1000, connection.advance)
        self._ended += connection.ended - ended
        if not data:
            connection.close()
            self._epoll.unregister(fd)
        if connection.gone:
            self._gone += connection.gone
            connection.gone.clear()
        if self._opening and not connection.opening:
            self._opening.discard(fd)

    def _decrypted(self, fd: int) -> bytes | None:
        """All there is: epoll knows nothing of what TLS has read and not given yet.

        None: it was TLS's own.
        """
        sock = self._encrypted[fd]
        parts = []
        with contextlib.suppress(ssl.SSLWantReadError):
            while data := sock.recv(_READ_BYTES):
                parts.append(data)
            return b"".join(parts)  # the last ones
        self._session = sock.session
        return b"".join(parts) or None

    def _step(self, fd: int, place: Place, data: bytes) -> Place:
        """Bytes that the last subscriber at this place did not read."""
        after = self._decoder.step(place, data) if data else place
        progress = after.progress
        if not data or progress.state in {State.FAILED, State.ENDED}:
            self._epoll.unregister(fd)
            self._opening.discard(fd)
            # Without chunks a stream ends with its connection (RFC 9112 section 6.3).
            is_end = progress.state is State.OPEN and not progress.chunked
            if progress.state is State.ENDED or is_end:
                self._ended += 1
            else:
                self._gone.append(after)
        return after

    # Telling

    def _reset(self) -> None:
        self._latencies = Histogram()
        self._cpu_start_ns = time.process_time_ns()
        self._decoder.decoded = 0
        self._reads = 0
        self._read_bytes = 0

    def _told(self) -> Told:
        places = [*self._places.values()]
        for connection in self._multiplexed.values():
            places += connection.places
        progresses = [place.progress for place in places]
        gaps = sum(progress.gaps for progress in progresses)
        failure = self._gone[0].progress if self._gone else None
        return Told(
            deliveries=sum(progress.newest for progress in progresses) - gaps,
            fewest=min((progress.newest for progress in progresses), default=0),
            gaps=gaps,
            repeats=sum(progress.repeats for progress in progresses),
            drops=len(self._gone),
            ends=self._ended,
            farewells=sum(progress.farewell for progress in progresses),
            first_failure=repr(failure.raw or "closed by the server") if failure else "",
            latencies_us=self._latencies.buckets,
            cpu_ns=time.process_time_ns() - self._cpu_start_ns,
            reads=self._reads,
            read_bytes=self._read_bytes,
            decoded=self._decoder.decoded,
        )
