"""Socket options: set once on a listening socket, inherited by every connection it accepts.

What a platform does not have is left out: Linux has all of them, macOS some.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from sse_server.options import Bounds, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_BYTES_ACKED = 120  # where `tcpi_bytes_acked` stands in `struct tcp_info` (linux/tcp.h), since 4.1
_TCP_INFO_BYTES = _BYTES_ACKED + 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions(Options):
    """How the kernel treats connections."""

    not_sent_low_water_bytes: Annotated[int, Bounds(1, (1 << 31) - 1)] = 64 * 1024
    """TCP_NOTSENT_LOWAT: what the kernel takes beyond what the network carries. One full burst. A
    reader that stops costs the kernel this much, and not the 4 MB to which it would let a send
    buffer grow; what is not in a buffer is in the log, where it is shared, and not late. SO_SNDBUF
    would do that too, but cap the speed of long distances."""
    keepalive_idle_seconds: Annotated[int, Bounds(1, 32_767)] = 60
    """TCP_KEEPIDLE: heartbeats find dead peers first; this is for connections that have none."""
    keepalive_interval_seconds: Annotated[int, Bounds(1, 32_767)] = 15
    """TCP_KEEPINTVL, and four probes."""
    user_timeout_seconds: Annotated[int, Bounds(1, 86_400)] = 60
    """TCP_USER_TIMEOUT: sent and not acknowledged for so long, the peer is gone. Two heartbeats
    have to be lost, and a phone in a tunnel has its time."""


def tune(listening: socket.socket, options: SocketOptions) -> None:
    """Set the options on a listening TCP socket."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _tcp_options(options):
        listening.setsockopt(socket.IPPROTO_TCP, option, value)


def forget_on_close(connected: socket.socket) -> None:
    """Have the kernel reset the connection when it is closed, and keep nothing of it.

    For a peer that takes nothing: what is unsent would stay until the user timeout.
    """
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def acknowledged(connected: socket.socket, unsent: int) -> tuple[int, int] | None:
    """Bytes that the peer has acknowledged, ever, and those that wait for it, `unsent` included.

    None where that cannot be told: by Unix sockets, which have no network, and beyond Linux.
    """
    option = getattr(socket, "TCP_INFO", None)
    if option is None or sys.platform != "linux" or connected.family not in _INTERNET:
        return None
    try:
        info = connected.getsockopt(socket.IPPROTO_TCP, option, _TCP_INFO_BYTES)
        (queued,) = struct.unpack("i", fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, b"\0" * 4))
    except OSError:
        return None
    if len(info) < _TCP_INFO_BYTES:
        return None
    (ever,) = struct.unpack_from("Q", info, _BYTES_ACKED)
    return ever, queued + unsent


def _tcp_options(options: SocketOptions) -> Iterator[tuple[int, int]]:
    """What this platform has, as arguments of setsockopt."""
    wanted = {
        "TCP_NOTSENT_LOWAT": options.not_sent_low_water_bytes,
        "TCP_KEEPIDLE": options.keepalive_idle_seconds,
        "TCP_KEEPINTVL": options.keepalive_interval_seconds,
        "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": options.user_timeout_seconds * 1000,
    }
    for name, value in wanted.items():
        option = getattr(socket, name, None)
        if option is not None:
            yield option, value
