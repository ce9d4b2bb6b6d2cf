"""The process, as the kernel sees it, under the names that all Prometheus clients use.

prometheus_client has the same, but counts descriptors by listing them: 14 ms for 20,000, in which
no event is sent. Linux 6.2 and newer says how many there are.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

# Indexes into what stands behind the name in /proc/self/stat (proc_pid_stat(5), less three).
_USER_TIME, _SYSTEM_TIME, _START_TIME, _VIRTUAL_BYTES, _RESIDENT_PAGES = 11, 12, 19, 20, 21


class LinuxProcess(Collector):
    """Shows memory, CPU and descriptors; nothing where there is no /proc."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        """`proc` is where the kernel shows processes."""
        self._proc = proc

    def collect(self) -> Iterator[Metric]:
        """All families."""
        try:
            stat = (self._proc / "self/stat").read_bytes().rpartition(b")")[2].split()
            boot_time = next(
                int(line.split()[1])
                for line in (self._proc / "stat").read_bytes().splitlines()
                if line.startswith(b"btime")
            )
            descriptors = self._descriptors()
        except OSError:
            return
        ticks = os.sysconf("SC_CLK_TCK")
        yield CounterMetricFamily(
            "process_cpu_seconds",
            "User and system CPU time spent.",
            (int(stat[_USER_TIME]) + int(stat[_SYSTEM_TIME])) / ticks,
        )
        yield GaugeMetricFamily(
            "process_start_time_seconds",
            "When the process began, since 1970.",
            boot_time + int(stat[_START_TIME]) / ticks,
        )
        yield GaugeMetricFamily(
            "process_virtual_memory_bytes", "Virtual memory.", int(stat[_VIRTUAL_BYTES])
        )
        yield GaugeMetricFamily(
            "process_resident_memory_bytes",
            "Resident memory, without what the kernel holds for sockets.",
            int(stat[_RESIDENT_PAGES]) * resource.getpagesize(),
        )
        yield GaugeMetricFamily("process_open_fds", "File descriptors in use.", descriptors)
        limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield GaugeMetricFamily(
            "process_max_fds",
            "File descriptors that there may be.",
            float("inf") if limit == resource.RLIM_INFINITY else limit,
        )

    def _descriptors(self) -> int:
        folder = self._proc / "self/fd"
        return folder.stat().st_size or sum(1 for _ in folder.iterdir())
