"""Results: JSON lines in bench/results, written as they come and read again to go on."""

import datetime
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.load import provenance
from bench.load.trial import Figures, Size, Verdict

FOLDER = Path(__file__).parents[1] / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One scenario with one subject, once."""

    subject: str
    version: str
    scenario: str
    run: int
    size: Size
    load_average: float
    """Of the minute before."""
    figures: Figures
    verdict: Verdict


class ResultFile:
    """A file of results, a line each."""

    def __init__(self, path: Path | None = None) -> None:
        """None: a new one, named after the time."""
        now = datetime.datetime.now(datetime.UTC)
        self.path = path or FOLDER / f"{now:%Y%m%dT%H%M%SZ}.jsonl"
        self.commit = provenance.commit()
        self._machine = provenance.machine()

    def write(self, result: Result) -> None:
        """Append one line."""
        line = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": self.commit,
            "versions": {"python": platform.python_version(), result.subject: result.version},
            "machine": self._machine,
            "load_average": result.load_average,
            "subject": result.subject,
            "scenario": result.scenario,
            "run": result.run,
            "size": asdict(result.size),
            "valid": result.verdict.valid,
            "verdict": asdict(result.verdict),
            "figures": {name: _rounded(value) for name, value in result.figures.items()},
        }
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def read(self, size: Size) -> list[Result]:
        """What it holds of this size, measured at this commit on this machine with this Python.

        A line that was cut, by whatever ended the bench, does not count.
        """
        if not self.path.exists():
            return []
        found = []
        for text in self.path.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            same = (
                line["commit"] == self.commit
                and line["machine"] == self._machine
                and line["versions"]["python"] == platform.python_version()
                and line["size"] == asdict(size)
            )
            if same:
                found.append(_result(line, size))
        return found


def of_scenario(results: Sequence[Result], scenario: str) -> dict[str, list[Figures]]:
    """The figures of one scenario's valid runs, by subject."""
    found: dict[str, list[Figures]] = {}
    for result in results:
        if result.scenario == scenario and result.verdict.valid:
            found.setdefault(result.subject, []).append(result.figures)
    return found


def _result(line: dict[str, Any], size: Size) -> Result:
    return Result(
        subject=line["subject"],
        version=line["versions"][line["subject"]],
        scenario=line["scenario"],
        run=line["run"],
        size=size,
        load_average=line["load_average"],
        figures=line["figures"],
        verdict=Verdict(**line["verdict"]),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
