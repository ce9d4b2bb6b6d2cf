"""A service manager as far as a service sees it: it hears datagrams, and passes sockets."""

import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

TIMEOUT_SECONDS = 30.0

# What systemd does between fork and exec: the sockets from 3 on, and who they are for.
PASS_SOCKETS = """
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[2:2 + count]]
for index, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + index, inheritable=True)
os.environ.update(LISTEN_FDS=str(count), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="web")
if "WATCHDOG_USEC" in os.environ:
    os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


class ServiceManager:
    """Hears what is told at `address`."""

    def __init__(self, address: str) -> None:
        """`address`: as in NOTIFY_SOCKET."""
        self.address = address
        self.heard: list[dict[str, str]] = []
        """Each datagram, as its assignments."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()

    @property
    def descriptor(self) -> int:
        return self._socket.fileno()

    def hear(self, seconds: float = TIMEOUT_SECONDS) -> dict[str, str]:
        """The next datagram; waits for it."""
        self._socket.settimeout(seconds)
        text = self._socket.recv(65_536).decode()
        self.heard.append(dict(line.split("=", 1) for line in text.split("\n")))
        return self.heard[-1]

    def hear_until(self, name: str) -> dict[str, str]:
        """The next datagram that says something of `name`; signs of life come in between."""
        while name not in (message := self.hear()):
            pass
        return message

    @property
    def has_more(self) -> bool:
        """Whether something is waiting to be heard."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def start(
        self,
        command: Sequence[str],
        sockets: Sequence[socket.socket] = (),
        *,
        log: Path,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a service with sockets passed to it."""
        numbers = [sock.fileno() for sock in sockets]
        with log.open("ab") as output:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    PASS_SOCKETS,
                    str(len(numbers)),
                    *map(str, numbers),
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=numbers,
                env={**os.environ, "NOTIFY_SOCKET": self.address, **(environ or {})},
            )
