"""Telling the service manager how we are: systemd's protocol, which is datagrams (sd_notify(3)).

By hand: it is thirty lines, and there is nothing to install for it. Where nobody listens, as in a
terminal, nothing is told.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 1.0
"""For a manager that is busy, where it would end us if it did not hear. Signs of life do not wait:
another one follows."""
_MICROSECONDS = 1_000_000


class Manager:
    """The service manager that started this process, if one did."""

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        """`address`: NOTIFY_SOCKET, a path or `@` and an abstract name; empty: there is none."""
        self.watchdog_seconds = watchdog_seconds
        """It ends us when it hears no sign of life for so long. None: it does not."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if address.startswith(("/", "@")):  # other kinds are for virtual machines
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Manager:
        """Whom the environment names. It is taken out: no child is to speak for us."""
        address = environ.pop("NOTIFY_SOCKET", "")
        period = environ.pop("WATCHDOG_USEC", "")
        pid = environ.pop("WATCHDOG_PID", "")
        if not period.isascii() or not period.isdigit() or pid not in ("", str(os.getpid())):
            period = "0"
        return cls(address, int(period) / _MICROSECONDS or None)

    def ready(self) -> None:
        """We serve."""
        self._tell("READY=1", wait=True)

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Settings are read anew inside. Whether that works or not, we serve again after it."""
        now = time.monotonic_ns() // 1_000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", wait=True)
        try:
            yield
        finally:
            self.ready()

    def stopping(self, seconds: float) -> None:
        """We end, within so many seconds: the manager allows that if it would not have."""
        allowed = round(seconds * _MICROSECONDS)
        self._tell(
            "STOPPING=1",
            f"EXTEND_TIMEOUT_USEC={allowed}",
            "STATUS=ending: streams are sent what is left",
            wait=True,
        )

    def alive(self, status: str) -> None:
        """The loop turns; `status` is one line for whoever asks how we are."""
        self._tell("WATCHDOG=1", f"STATUS={status}")

    def close(self) -> None:
        """Nothing is told after this."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *assignments: str, wait: bool = False) -> None:
        if self._socket is None:
            return
        self._socket.settimeout(_WAIT_SECONDS if wait else 0)
        try:
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:  # TimeoutError is one
            logger.warning("the service manager did not hear %s: %s", assignments[0], error)
