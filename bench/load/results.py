"""Results: JSON lines in bench/results, and tables with median and spread."""

import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load.scenarios import Scenario
from bench.load.trial import Figures, Size, Verdict

FOLDER = Path(__file__).parent.parent / "results"


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
    """One file of a bench's results, a line each, written as they come."""

    def __init__(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self.path = FOLDER / f"{now:%Y%m%dT%H%M%SZ}.jsonl"
        self._commit = _commit()
        self._machine = _machine()

    def write(self, result: Result) -> None:
        """Append one line."""
        line = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": self._commit,
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
        FOLDER.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def table(scenario: Scenario, results: list[Result]) -> str:
    """One scenario's results: a row for each subject, the median and what it spreads over."""
    of_subject: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        of_subject[result.subject].append(result)
    rows = [["", *(name.replace("_", " ") for name in scenario.shown)]]
    notes = []
    for subject, runs in of_subject.items():
        valid = [result.figures for result in runs if result.verdict.valid]
        if valid:
            cells = [_cell([figures[name] for figures in valid]) for name in scenario.shown]
            rows.append([subject, *cells])
        notes += [
            f"  {subject}: INVALID in run {result.run}: {result.verdict}"
            for result in runs
            if not result.verdict.valid
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([f"{scenario.name}: {scenario.title}", *lines, *notes])


def _cell(values: list[float]) -> str:
    text = _figure(statistics.median(values))
    if len(values) > 1:
        text += f" ({_figure(min(values))}-{_figure(max(values))})"
    return text


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _commit() -> str:
    """The commit that is measured; with "+" when the tree differs from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    folder = str(FOLDER.parent)
    head = subprocess.run(
        [git, "-C", folder, "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    if head.returncode:
        return "unknown"
    changed = subprocess.run(
        [git, "-C", folder, "status", "--porcelain"], capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + ("+" if changed.stdout else "")


def _machine() -> dict[str, str | int]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
    }
