"""The bench's side of the processes of subscribers."""

import multiprocessing
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self, TypeVar

from bench.load import subscribers
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
    Report,
    Reset,
    Tell,
    Told,
)

_R = TypeVar("_R", Opened, Aborted, Ended, Delivered, Told)


class Crowd:
    """Subscribers in processes of their own, on these cores if any are named, driven together."""

    def __init__(self, processes: int, cores: frozenset[int] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        self.streams = 0
        """Streams asked for so far, but for those that stall or were aborted."""
        for index in range(processes):
            here, there = context.Pipe()
            arguments = (there, cores, index)
            process = context.Process(target=subscribers.run, args=arguments, daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pipe in self._pipes:
            try:
                pipe.send(Quit())
            except BrokenPipeError:
                continue
        for process in self._processes:
            process.join(10)
            if process.is_alive():
                process.kill()

    def open(self, command: Open) -> None:
        """Open streams, as many at once as listen queues allow; wait until all stand."""
        if not command.stalls:
            self.streams += command.count * (command.multiplexed or 1)
        share, rest = divmod(command.count, len(self._pipes))
        first = command.first
        for index, pipe in enumerate(self._pipes):
            part = replace(command, count=share + (index < rest), first=first)
            pipe.send(part)
            first += part.count
        self._collect(Opened, 120)

    def abort(self) -> None:
        """Reset all streams."""
        self.streams = 0
        self._send(Abort())
        self._collect(Aborted, 60)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until the server has ended all streams, in whichever way.

        Raises:
            TimeoutError: it has not in time.
        """
        self._send(AwaitEnd())
        self._collect(Ended, seconds)

    def wait(self, number: int, seconds: float) -> bool:
        """Wait until every subscriber has the events up to a number; False: not in time."""
        self._send(Await(number))
        try:
            self._collect(Delivered, seconds)
        except TimeoutError:
            return False
        return True

    def reset(self) -> None:
        """Forget latencies and CPU time so far."""
        self._send(Reset())

    def tell(self) -> list[Told]:
        """What each process has seen."""
        self._send(Tell())
        return self._collect(Told, 30)

    def _send(self, command: Command) -> None:
        for pipe in self._pipes:
            pipe.send(command)

    def _collect(self, kind: type[_R], seconds: float) -> list[_R]:
        """One report of this kind from every process; what comes in between is out of date."""
        deadline = time.monotonic() + seconds
        found = []
        for pipe in self._pipes:
            while pipe.poll(max(0.0, deadline - time.monotonic())):
                report: Report = pipe.recv()
                if isinstance(report, kind):
                    found.append(report)
                    break
            else:
                raise TimeoutError(f"no {kind.__name__} within {seconds:.0f} s")
        return found
