"""Listeners: bound sockets whose connections belong to one site."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from sse_server.errors import ConfigurationError
from sse_server.net.address import Address
from sse_server.net.connection import Connection

if TYPE_CHECKING:
    from sse_server.net.site import Site

BACKLOG = 4_096
"""Connections that the kernel completes while we are busy: a reconnecting crowd should not have its
SYNs dropped, which costs each a second. The kernel cuts it to net.core.somaxconn, 4,096 by default.
"""


class Listener:
    """One address that is listened on."""

    def __init__(self, address: Address, server: asyncio.Server) -> None:
        """Made by `listen`."""
        self.address = address
        self._server = server

    def close(self) -> None:
        """Accept no more. Connections that are open stay."""
        self._server.close()
        # No wait_closed(): from CPython 3.12 on it waits for the connections, too.
        if self.address.host is None:
            with contextlib.suppress(OSError):
                Path(self.address.path).unlink()


async def listen(address: Address, site: Site) -> Listener:
    """Listen on `address`; a port of 0 becomes the one that was free.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    loop = site.loop
    try:
        if address.host is None:
            _remove_dead_socket(address)
            server = await loop.create_unix_server(
                lambda: Connection(site), path=address.path, backlog=BACKLOG
            )
        else:
            server = await loop.create_server(
                lambda: Connection(site), address.host, address.port, backlog=BACKLOG
            )
    except OSError as error:
        raise _explained(address, error) from error
    if address.host is not None:
        address = Address(address.host, server.sockets[0].getsockname()[1])
    return Listener(address, server)


def _explained(address: Address, error: OSError) -> ConfigurationError:
    match error.errno:
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
            problem = f"cannot be listened on ({error.strerror or error})"
            mend = "name another address"
    return ConfigurationError(setting="--bind", problem=f"{address} {problem}", mend=mend)


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
