"""Listeners: bound sockets whose connections belong to one site."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from sse_server.errors import ConfigurationError
from sse_server.net.address import Address, bound_address
from sse_server.net.connection import Connection
from sse_server.net.socket_options import tune
from sse_server.net.tls_handshake import TlsHandshake

if TYPE_CHECKING:
    from sse_server.net.site import Site

BACKLOG = 4_096
"""Connections that the kernel completes while we are busy: a reconnecting crowd should not have its
SYNs dropped, which costs each a second. The kernel cuts it to net.core.somaxconn, 4,096 by default.
"""
_RETRY_SECONDS = 0.5  # when there are no descriptors left at all


class Listener:
    """One address that is listened on, for as long as there is room for connections."""

    def __init__(
        self, address: Address, sockets: list[socket.socket], site: Site, *, owns_path: bool = False
    ) -> None:
        """`sockets` are bound, and the listener's from here on. `owns_path`: so is their path."""
        self.address = address
        self._sockets = sockets
        self._site = site
        self._inode = _inode(address) if owns_path else None
        # A loop's own server cannot be paused, only closed. uvloop's accepts in half the time that
        # we need (10 µs of 19), and loses nobody when it is closed. Stock asyncio's is no faster
        # than we are, takes the whole backlog in one step however full we are, and drops whom it is
        # accepting while it is closed. A handshake of TLS takes a hundred times as long, and of one
        # that fails a loop's server tells nobody.
        self._tls = None if address.host is None else site.tls
        is_stock = isinstance(site.loop, asyncio.SelectorEventLoop)
        self._accepts_itself = is_stock or self._tls is not None
        self._servers: list[asyncio.Server] = []  # uvloop's; none while it is paused
        self._tasks: set[asyncio.Task[object]] = set()  # handing over a connection, or resuming
        self._full = False
        self._closed = False
        for sock in sockets:
            sock.settimeout(0)

    async def accept(self) -> None:
        """Begin to accept, or go on. Who came meanwhile has waited in the kernel's queue."""
        loop = self._site.loop
        for sock in self._sockets:
            if self._closed:
                return
            # uvloop's server does so too, but keeps it to itself when it fails.
            sock.listen(BACKLOG)
            if self._accepts_itself:
                loop.add_reader(sock, self._accept, sock)
                continue
            copy = sock.dup()  # with ours open the kernel's queue outlives the server
            try:
                server = await loop.create_server(self._connection, sock=copy, backlog=BACKLOG)
            except BaseException:
                copy.close()
                raise
            self._servers.append(server)
            if self._closed or self._full:  # since we asked for it
                self._stop()

    def close(self) -> None:
        """Accept no more. Connections that are open stay."""
        self._closed = True
        if self._inode is not None and _inode(self.address) == self._inode:
            # Before the socket is closed: nobody has had a reason to put another in its place.
            Path(self.address.path).unlink(missing_ok=True)
        self._stop()
        for sock in self._sockets:
            sock.close()

    def _connection(self) -> Connection:
        """Loop: somebody has connected."""
        self._look_for_room()
        return Connection(self._site)

    def _look_for_room(self) -> None:
        """Accept nobody after the one who has just come, if he takes the last place."""
        site = self._site
        if site.is_full and not self._full:
            self._full = True
            # Not at once: uvloop would drop the connection that it is about to hand over.
            site.loop.call_soon(self._pause)

    def _pause(self) -> None:
        if self._closed:
            return
        self._stop()
        self._site.journal.listener_full(self.address, self._site.max_connections)
        self._site.call_when_room(self._resume)

    def _stop(self) -> None:
        if self._accepts_itself:
            for sock in self._sockets:
                self._site.loop.remove_reader(sock)
        for server in self._servers:
            # No wait_closed(): from CPython 3.12 on it waits for the connections, too.
            server.close()
        self._servers.clear()

    def _resume(self) -> None:
        """Site: there is room again."""
        self._full = False
        if not self._closed:
            self._site.journal.listener_has_room(self.address)
            self._keep(self._site.loop.create_task(self._go_on()))

    async def _go_on(self) -> None:
        try:
            await self.accept()
        except OSError as error:  # uvloop wants a descriptor for it
            self._go_on_later(error)

    def _go_on_later(self, error: OSError) -> None:
        """Others have taken the descriptors that we count on."""
        self._site.journal.unable_to_accept(self.address, error)
        self._stop()
        self._site.loop.call_later(_RETRY_SECONDS, self._resume)

    def _accept(self, listening: socket.socket) -> None:
        """Loop: somebody wants to connect."""
        loop = self._site.loop
        try:
            connected, _peer = listening.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return  # it has changed its mind
        except OSError as error:  # the socket stays readable, and we would come back here at once
            self._go_on_later(error)
            return
        connected.settimeout(0)
        if self._tls is not None:
            self._look_for_room()
            TlsHandshake(self._site, self._tls, connected)
            return
        self._keep(loop.create_task(loop.connect_accepted_socket(self._connection, connected)))

    def _keep(self, task: asyncio.Task[object]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def listen(address: Address, site: Site) -> Listener:
    """Listen on `address`; a port of 0 becomes the one that was free.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    loop = site.loop
    try:
        if address.host is None:
            _remove_dead_socket(address)
            sockets = [_bound_unix_socket(address.path)]
        else:
            # The loop knows how to bind to all that a name stands for.
            server = await loop.create_server(
                asyncio.Protocol, address.host, address.port, start_serving=False
            )
            sockets = [_copy(sock) for sock in server.sockets]
            server.close()
            for sock in sockets:
                tune(sock, site.options.socket)
            address = Address(address.host, sockets[0].getsockname()[1])
        return await _accepting(Listener(address, sockets, site, owns_path=True))
    except (OSError, UnicodeError) as error:  # UnicodeError: of a name that no host can have
        raise _explained(address, error) from error


async def adopt(sock: socket.socket, site: Site) -> Listener:
    """Listen on a socket that somebody else has bound, and may hold on to: its path stays.

    Raises:
        ConfigurationError: it cannot be listened on.
    """
    address = bound_address(sock)
    try:
        if address.host is not None:
            tune(sock, site.options.socket)
        return await _accepting(Listener(address, [sock], site))
    except OSError as error:
        raise _explained(address, error) from error


async def _accepting(listener: Listener) -> Listener:
    try:
        await listener.accept()
    except BaseException:
        listener.close()
        raise
    return listener


def _copy(sock: socket.socket) -> socket.socket:
    """A socket of our own: what a loop shows is a stand-in."""
    return socket.socket(fileno=os.dup(sock.fileno()))


def _bound_unix_socket(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _inode(address: Address) -> int | None:
    """What stands at the path of a Unix socket now."""
    if address.host is not None:
        return None
    try:
        return Path(address.path).stat().st_ino
    except OSError:
        return None


def _explained(address: Address, error: OSError | UnicodeError) -> ConfigurationError:
    match error.errno if isinstance(error, OSError) else None:
        case errno.EADDRINUSE:
            problem = "is taken by another process"
            mend = "stop that one, or name another address"
            if address.host is not None:
                mend = (
                    f"stop that one, or name another port: --bind {address.host}:0 finds a free one"
                )
        case errno.EACCES | errno.EPERM:
            problem = "is not ours to listen on"
            mend = "take a port from 1024 on, or a path that this user may write to"
        case errno.EADDRNOTAVAIL:
            problem = "is no address of this machine"
            mend = "name one that it has, such as 127.0.0.1"
        case _:
            problem = f"cannot be listened on ({getattr(error, 'strerror', None) or error})"
            mend = "name another address"
    return ConfigurationError(
        setting="ServerOptions.bind", problem=f"{address} {problem}", mend=mend
    )


def _remove_dead_socket(address: Address) -> None:
    """Make way where an earlier run left its socket behind, and only then."""
    path = Path(address.path)
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError(errno.EEXIST, "a file of another kind is in the way")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)  # a listener whose backlog is full would keep us waiting
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        else:
            raise OSError(errno.EADDRINUSE, "somebody listens there")
