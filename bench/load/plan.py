"""Plans: how much is measured, with whom, and where it is written."""

from dataclasses import dataclass
from pathlib import Path

from bench.load.results import FOLDER
from bench.load.scenarios import SCENARIOS, Part, Scenario
from bench.load.subjects import SUBJECTS
from bench.load.subjects.base import Subject
from bench.load.target import OURS
from bench.load.trial import Size

PROOF_FILE = FOLDER / "proof.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One trial to come."""

    run: int
    scenario: Scenario
    subject: Subject

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from the others."""
        return self.run, self.scenario.name, self.subject.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a bench does."""

    size: Size
    runs: int
    scenarios: tuple[str, ...]
    subjects: tuple[str, ...]
    peers_in: frozenset[str] | None = None
    """Peers take part in these scenarios; None: in all."""
    drivers: int = 1
    """Processes of subscribers."""
    strict: bool = False
    """Whether one trial that is not valid makes the bench fail."""
    file: Path | None = None
    """Where it goes on from; None: it begins anew, in a file of its own."""

    def steps(self, subjects: list[Subject]) -> list[Step]:
        """All trials, in order: run by run, so that a disturbance does not hit all runs of one.

        Within a scenario the subjects take turns in being first.
        """
        found = []
        for run in range(1, self.runs + 1):
            first = (run - 1) % len(subjects)
            for name in self.scenarios:
                scenario = SCENARIOS[name]
                found += [
                    Step(run=run, scenario=scenario, subject=subject)
                    for subject in subjects[first:] + subjects[:first]
                    if scenario.suits(subject) and self._has(scenario, subject)
                ]
        return found

    def _has(self, scenario: Scenario, subject: Subject) -> bool:
        return subject.name == OURS or self.peers_in is None or scenario.name in self.peers_in


def scenarios_of(part: Part) -> tuple[str, ...]:
    """The scenarios of a measurement of this kind."""
    return tuple(name for name, one in SCENARIOS.items() if one.part <= part)


SHORT = Plan(
    size=Size(subscribers=500, seconds=0.8, idle_seconds=1.0),
    runs=1,
    scenarios=scenarios_of(Part.SHORT),
    subjects=tuple(SUBJECTS),
    # What it proves is the server; that the driver understands its peers is shown once.
    peers_in=frozenset({"fan-out-one", "channels"}),
    strict=True,
)
BENCH = Plan(
    size=Size(subscribers=5_000, seconds=2.0, idle_seconds=16.0),
    runs=1,
    scenarios=scenarios_of(Part.BENCH),
    subjects=tuple(SUBJECTS),
)
PROOF = Plan(
    size=Size(subscribers=10_000, seconds=5.0, idle_seconds=30.0),
    runs=3,
    scenarios=scenarios_of(Part.PROOF),
    subjects=tuple(SUBJECTS),
    file=PROOF_FILE,
)
