"""One running subject, and what its processes cost."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.load.subjects.base import Subject

_START_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A reading of what a server has used so far."""

    cpu_ns: int
    """User and system time of all its processes, what utime and stime in /proc show in ticks."""
    waited_ns: int
    """Time in which they could have run but had no core: work of others on the machine."""
    resident_bytes: int
    socket_bytes: int
    """The whole machine's TCP buffers: both ends of every stream."""
    kernel_bytes: int
    """Those, and what the kernel keeps of every file, socket and watch beside them: its slabs."""


class Server:
    """A subject as a child process on a free port of 127.0.0.1, bound to cores."""

    def __init__(
        self,
        subject: Subject,
        cores: frozenset[int],
        process: subprocess.Popen[bytes],
        port: int,
        output: IO[bytes],
    ) -> None:
        self.subject = subject
        self.cores = cores
        self.address = ("127.0.0.1", port)
        self.http2_address = ("127.0.0.1", port + (subject.http2_after or 0))
        self._process = process
        self._output = output

    def last_words(self) -> str:
        """The last line that it wrote."""
        return _end_of(self._output).rpartition("\n")[2]

    def processes(self) -> list[int]:
        """The server's process and all that it started, itself or through others."""
        found = [self._process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found.extend(int(child) for child in children.read_text().split())
        return found

    def descriptors(self) -> int:
        """How many its processes have open."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.processes())

    def terminate(self) -> None:
        """Tell it to end, as a supervisor does."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int | None:
        """The exit status; None: it has not ended in time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def cost(self) -> Cost:
        """What it has used so far."""
        pids = self.processes()
        sockets = socket_bytes()
        return Cost(
            cpu_ns=sum(cpu_ns(pid) for pid in pids),
            waited_ns=sum(waited_ns(pid) for pid in pids),
            resident_bytes=sum(resident_bytes(pid) for pid in pids),
            socket_bytes=sockets,
            kernel_bytes=sockets + slab_bytes(),
        )


def cpu_ns(pid: int) -> int:
    """CPU time of a process: its CPU clock (clock_getcpuclockid(3)), ns where /proc has 10 ms."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def waited_ns(pid: int) -> int:
    """Time that the threads of a process spent on run queues; 0 where the kernel does not say."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        total += int(path.read_text().split()[1])
    return total


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; smaps_rollup is exact, VmRSS can lag by 64 pages a core."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Rss in smaps_rollup of process {pid}")


def socket_bytes() -> int:
    """Kernel memory in all TCP buffers of the machine."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    raise ValueError("no TCP line in /proc/net/sockstat")


def slab_bytes() -> int:
    """Memory of the kernel's small objects, sockets and files among them, on the whole machine."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Slab line in /proc/meminfo")


@contextlib.contextmanager
def run(subject: Subject, cores: frozenset[int]) -> Iterator[Server]:
    """Start a subject, wait until it listens, and end it when the block is left.

    Raises:
        RuntimeError: it ended at once or does not listen; with the last lines it wrote.
    """
    port = _free_port(subject.http2_after or 0)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, tempfile.TemporaryFile() as output:
        command = subject.command(port, Path(name))
        with pinned(cores):  # inherited, so that every thread of the server has it
            process = subprocess.Popen(
                command,
                cwd=name,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            _wait_until_listening(process, port, output, command)
            yield Server(subject, cores, process, port, output)
        finally:
            _end(process)


def environment() -> dict[str, str]:
    """This process's, with which a server in a folder of its own still finds the same packages."""
    found = dict(os.environ)
    path = found.get("PYTHONPATH")
    if path:  # relative entries would mean another folder there, and another sse_server be measured
        entries = [str(Path(entry).resolve()) for entry in path.split(os.pathsep)]
        found["PYTHONPATH"] = os.pathsep.join(entries)
    return found


def _wait_until_listening(
    process: subprocess.Popen[bytes], port: int, output: IO[bytes], command: list[str]
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{shlex.join(command)} does not listen on {port}:\n{_end_of(output)}")


def _end_of(output: IO[bytes]) -> str:
    """The last lines that a server wrote; where it goes on writing stays as it is."""
    size = os.fstat(output.fileno()).st_size
    start = max(0, size - 1_000)
    return os.pread(output.fileno(), size - start, start).decode(errors="replace").strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Have this thread, and what it starts, on these cores only."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
        yield
    finally:
        os.sched_setaffinity(0, before)


def _free_port(after: int) -> int:
    """A port that is free, as is the one so many after it."""
    while True:
        with socket.socket() as sock, socket.socket() as other:
            sock.bind(("127.0.0.1", 0))
            port: int = sock.getsockname()[1]
            if not after:
                return port
            with contextlib.suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + after))
                return port
