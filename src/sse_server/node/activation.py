"""Socket activation: sockets that the service manager listens on for us (sd_listen_fds(3)).

They outlive the process, so who connects while it is being restarted waits in the kernel's queue.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

from sse_server.errors import ConfigurationError, quoted

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_FIRST = 3  # SD_LISTEN_FDS_START: behind standard input, output and error
_VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets that are passed to this process; none where nobody passes any.

    The variables are taken out of `environ` and the sockets are kept from children: they are ours.

    Raises:
        ConfigurationError: what is passed are no sockets.
    """
    pid, _, count, names = (environ.pop(name, "") for name in _VARIABLES)
    if pid != str(os.getpid()) or count in ("", "0"):
        return []  # they are for another process, such as one that started us
    if not count.isascii() or not count.isdigit():
        raise _refused(f"{quoted(count)} is no number of sockets")
    descriptors = range(_FIRST, _FIRST + int(count))
    for descriptor in descriptors:
        if not _is_socket(descriptor):
            raise _refused(f"descriptor {descriptor} of {quoted(names)} is no socket")
        os.set_inheritable(descriptor, False)  # noqa: FBT003 (it takes no names)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:  # it is not open
        return False


def _refused(problem: str) -> ConfigurationError:
    return ConfigurationError(
        setting="LISTEN_FDS",
        problem=problem,
        mend="pass listening stream sockets, as ListenStream= in a systemd socket unit does",
    )
