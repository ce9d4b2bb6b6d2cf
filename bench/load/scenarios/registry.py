"""The register of scenarios."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.load.subjects.base import Subject
from bench.load.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A way to measure a server, and the figures of its table."""

    name: str
    title: str
    shown: tuple[str, ...]
    run: Callable[[Trial], None]
    replays: bool = False
    """Whether it is only for servers that keep events."""
    drains: bool = False
    """Whether it is only for servers that end their streams themselves."""
    short: bool = True
    """Whether it is quick enough for `--short`."""

    def suits(self, subject: Subject) -> bool:
        """Whether there is anything to measure."""
        return not ((self.replays and not subject.replays) or (self.drains and not subject.drains))


SCENARIOS: dict[str, Scenario] = {}
"""In the order in which they are run and shown."""


def scenario(
    name: str,
    title: str,
    *shown: str,
    replays: bool = False,
    drains: bool = False,
    short: bool = True,
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
            short=short,
        )
        return run

    return enter
