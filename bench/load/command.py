"""`python -m bench`: runs scenarios with subjects, shows a table, writes JSON lines."""

import argparse
import os
import sys
import time

from bench.load import server
from bench.load.crowd import Crowd
from bench.load.descriptors import max_descriptors, raise_limit
from bench.load.results import Result, ResultFile, table
from bench.load.scenarios import SCENARIOS, Scenario
from bench.load.subjects import SUBJECTS
from bench.load.subjects.base import Subject
from bench.load.trial import Size, Trial

_SPARE_DESCRIPTORS = 100
_MAX_SERVER_CORES = 2


def main() -> int:
    """Run the bench; 1 when a subject asked for is missing, or when a short one went wrong."""
    arguments = _parser().parse_args()
    raise_limit()
    most = arguments.drivers * (max_descriptors() - _SPARE_DESCRIPTORS)
    size = _size(arguments)
    if size.subscribers > min(most, max_descriptors() - _SPARE_DESCRIPTORS):
        _say(
            f"{size.subscribers} streams need more descriptors than {max_descriptors()}: ulimit -n"
        )
        return 1
    subjects = _present(arguments.subjects)
    if not subjects or (arguments.subjects and len(subjects) < len(arguments.subjects)):
        return 1
    try:
        results = _run(arguments, size, subjects)
    except RuntimeError as error:  # a server that does not start
        _say(f"\n{error}")
        return 1
    for scenario in SCENARIOS.values():
        of_scenario = [result for result in results if result.scenario == scenario.name]
        if of_scenario:
            _say("\n" + table(scenario, of_scenario))
    invalid = [result for result in results if not result.verdict.valid]
    return 1 if invalid and arguments.short else 0


def _run(arguments: argparse.Namespace, size: Size, subjects: list[Subject]) -> list[Result]:
    file = ResultFile()
    versions = {subject.name: subject.version() for subject in subjects}
    for name, version in versions.items():
        _say(f"{name}: {version}")
    _say(f"{size.subscribers} subscribers, {size.event_bytes}-byte events; results in {file.path}")
    started = time.monotonic()
    results = []
    for run in range(1, arguments.runs + 1):
        for name in _scenarios(arguments):
            for subject in subjects:
                scenario = SCENARIOS[name]
                if not scenario.suits(subject):
                    continue
                label = f"[{time.monotonic() - started:4.0f} s] run {run}, {name}, {subject.name}"
                _say(f"{label} …", end="")
                load_average = os.getloadavg()[0]
                trial = measure(subject, scenario, size, arguments.drivers)
                result = Result(
                    subject=subject.name,
                    version=versions[subject.name],
                    scenario=name,
                    run=run,
                    size=size,
                    load_average=load_average,
                    figures=trial.figures,
                    verdict=trial.verdict,
                )
                file.write(result)
                results.append(result)
                _say(f" {'ok' if trial.verdict.valid else 'INVALID'}, {trial.verdict}")
    return results


def measure(subject: Subject, scenario: Scenario, size: Size, drivers: int) -> Trial:
    """One scenario with a fresh server and a fresh crowd; trouble becomes part of the verdict."""
    server_core, driver_core = _cores()
    with server.run(subject, server_core) as running, Crowd(drivers, driver_core) as crowd:
        trial = Trial(running, crowd, size)
        try:
            scenario.run(trial)
        except (OSError, EOFError) as error:  # no delivery in time, a server or a driver that died
            trial.verdict.trouble.append(str(error) or repr(error))
        try:
            trial.judge()
        except (OSError, EOFError) as error:
            trial.verdict.trouble.append(f"a driver was lost: {error!r}")
        return trial


def _cores() -> tuple[int | None, int | None]:
    """One core for the server, one for the driver; with more than two the driver has the rest."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < _MAX_SERVER_CORES:
        return None, None
    return cores[0], cores[1] if len(cores) == _MAX_SERVER_CORES else None


def _present(names: list[str] | None) -> list[Subject]:
    """The subjects that can be run here; says why one cannot."""
    found = []
    for name in names or SUBJECTS:
        reason = SUBJECTS[name].missing()
        if reason is None:
            found.append(SUBJECTS[name])
        else:
            _say(f"skipped: {name}: {reason}")
    return found


def _scenarios(arguments: argparse.Namespace) -> list[str]:
    """Those asked for; else all, or those that are quick."""
    if arguments.scenarios:
        return list(arguments.scenarios)
    return [name for name, one in SCENARIOS.items() if one.short or not arguments.short]


def _size(arguments: argparse.Namespace) -> Size:
    if arguments.short:
        return Size(subscribers=arguments.subscribers or 500, seconds=1.0, idle_seconds=1.0)
    return Size(
        subscribers=arguments.subscribers or 5_000,
        seconds=arguments.seconds,
        idle_seconds=arguments.idle_seconds,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--short",
        action="store_true",
        help="500 subscribers, short measurements; status 1 unless every delivery is proved",
    )
    parser.add_argument("--subjects", nargs="+", choices=list(SUBJECTS), metavar="SUBJECT")
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--subscribers", type=int, help="default: 5000, or 500 with --short")
    parser.add_argument("--runs", type=int, default=1, help="shown: median (lowest-highest)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a measurement; default 4")
    parser.add_argument(
        "--idle-seconds", type=float, default=16.0, help="default 16: one heartbeat of each stream"
    )
    parser.add_argument("--drivers", type=int, default=1, help="processes of subscribers")
    return parser


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()
