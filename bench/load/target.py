"""Targets: what a figure of sse_server has to reach, by itself or beside a peer."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.load.trial import Figures

OURS = "sse_server"
"""The subject that has targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound on a figure."""

    figure: str
    what: str
    """The figure in words, with its unit."""
    bound: float
    """Of the figure itself; with a peer, of its ratio to the peer's."""
    peer: str | None = None
    peer_figure: str | None = None
    """What the peer calls the same, if not so."""
    at_least: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:,g}" + (f" x {self.peer}" if self.peer else "")

    def judge(self, runs: Mapping[str, Sequence[Figures]]) -> "Judgement":
        """Hold the target against the valid runs of each subject."""
        ours = values(runs.get(OURS, ()), self.figure)
        if self.peer is None:
            return Judgement(target=self, ours=ours, compared=median(ours))
        theirs = values(runs.get(self.peer, ()), self.peer_figure or self.figure)
        mine, other = median(ours), median(theirs)
        ratio = None if mine is None or not other else mine / other
        return Judgement(target=self, ours=ours, theirs=theirs, compared=ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A target and what was measured."""

    target: Target
    ours: list[float]
    theirs: list[float] | None = None
    compared: float | None
    """What is held against the bound; None: nothing valid was measured."""

    @property
    def reached(self) -> bool | None:
        """None: not known."""
        if self.compared is None:
            return None
        if self.target.at_least:
            return self.compared >= self.target.bound
        return self.compared <= self.target.bound


def values(runs: Sequence[Figures], figure: str) -> list[float]:
    """A figure of each run that has it."""
    return [figures[figure] for figures in runs if figure in figures]


def median(found: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return statistics.median(found) if found else None
