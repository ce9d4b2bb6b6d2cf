"""The register of scenarios, and the targets that each has."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from bench.load.subjects.base import Subject
from bench.load.target import OURS, Target
from bench.load.trial import Trial


class Part(IntEnum):
    """The smallest measurement that a scenario is part of; the larger ones have it too."""

    SHORT = 0
    """`--short`: every delivery proved in seconds."""
    BENCH = 1
    """`make bench`: the figures of every day."""
    PROOF = 2
    """`make proof`: everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A way to measure a server, and the figures of its table."""

    name: str
    title: str
    shown: tuple[str, ...]
    """A figure that only some servers have is left open for the others."""
    run: Callable[[Trial], None]
    replays: bool = False
    """Whether it is only for servers that keep events."""
    drains: bool = False
    """Whether it is only for servers that end their streams themselves."""
    http2: bool = False
    """Whether it is only for servers that speak HTTP/2 in clear."""
    tls: bool = False
    """Whether it is only for servers that speak TLS."""
    own: bool = False
    """Whether it is only for sse_server."""
    part: Part = Part.BENCH
    targets: tuple[Target, ...] = ()

    def suits(self, subject: Subject) -> bool:
        """Whether there is anything to measure."""
        return not (
            (self.replays and not subject.replays)
            or (self.drains and not subject.drains)
            or (self.http2 and subject.http2_after is None)
            or (self.tls and subject.secured() is None)
            or (self.own and subject.name != OURS)
        )


SCENARIOS: dict[str, Scenario] = {}
"""In the order in which they are run and shown."""


def scenario(
    name: str,
    title: str,
    *shown: str,
    replays: bool = False,
    drains: bool = False,
    http2: bool = False,
    tls: bool = False,
    own: bool = False,
    part: Part = Part.BENCH,
    targets: tuple[Target, ...] = (),
) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Enter a function into the registry; it fills `trial.figures`."""

    def enter(run: Callable[[Trial], None]) -> Callable[[Trial], None]:
        SCENARIOS[name] = Scenario(
            name=name,
            title=title,
            shown=shown,
            run=run,
            replays=replays,
            drains=drains,
            http2=http2,
            tls=tls,
            own=own,
            part=part,
            targets=targets,
        )
        return run

    return enter
