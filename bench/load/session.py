"""A session: the trials of a plan, one by one, each with a server and a crowd of its own."""

import os
import sys
import time

from bench.load import server
from bench.load.cores import Cores
from bench.load.crowd import Crowd
from bench.load.plan import Plan, Step
from bench.load.results import Result, ResultFile
from bench.load.scenarios import Scenario
from bench.load.subjects.base import Subject
from bench.load.trial import Size, Trial


def run(plan: Plan, subjects: list[Subject], cores: Cores) -> list[Result]:
    """Run what the plan still lacks; the results of all of it.

    Raises:
        RuntimeError: a server does not start.
    """
    file = ResultFile(plan.file)
    versions = {subject.name: subject.version() for subject in subjects}
    for name, version in versions.items():
        say(f"{name}: {version}")
    say(f"{plan.size.subscribers:,} subscribers, {plan.size.event_bytes}-byte events")
    say(f"commit {file.commit}; results in {file.path}")
    steps = plan.steps(subjects)
    results = _known(plan, file, steps, versions)
    known = {_key(result) for result in results}
    missing = [step for step in steps if step.key not in known]
    if len(missing) < len(steps):
        say(f"{len(steps) - len(missing)} of {len(steps)} trials are there already")
    started = time.monotonic()
    for number, step in enumerate(missing):
        say(f"{_progress(number, len(missing), started)} {_name(step)} …", end="")
        load_average = os.getloadavg()[0]
        trial = measure(step.subject, step.scenario, plan.size, plan.drivers, cores)
        result = Result(
            subject=step.subject.name,
            version=versions[step.subject.name],
            scenario=step.scenario.name,
            run=step.run,
            size=plan.size,
            load_average=load_average,
            figures=trial.figures,
            verdict=trial.verdict,
        )
        file.write(result)
        results.append(result)
        say(f" {'ok' if trial.verdict.valid else 'INVALID'}, {trial.verdict}")
    return results


def measure(subject: Subject, scenario: Scenario, size: Size, drivers: int, cores: Cores) -> Trial:
    """One scenario with a fresh server and a fresh crowd; trouble becomes part of the verdict."""
    with server.run(subject, cores.server) as running, Crowd(drivers, cores.driver) as crowd:
        trial = Trial(running, crowd, size)
        try:
            scenario.run(trial)
        except (OSError, EOFError) as error:  # no delivery in time, a server or a driver that died
            trial.verdict.trouble.append(str(error) or repr(error))
        try:
            trial.judge()
        except (OSError, EOFError) as error:
            trial.verdict.trouble.append(f"a driver was lost: {error!r}")
        if not trial.verdict.valid:
            trial.verdict.trouble.append(f"the server's last words: {running.last_words()}")
        return trial


def say(text: str, end: str = "\n") -> None:
    """Tell whoever waits."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def _known(
    plan: Plan, file: ResultFile, steps: list[Step], versions: dict[str, str]
) -> list[Result]:
    """What an earlier session has measured of these steps: of each the last valid result, or none.

    Those that were not valid were told when they were made, and are tried again.
    """
    if plan.file is None:
        return []
    planned = {step.key for step in steps}
    found = [
        result
        for result in file.read(plan.size)
        if _key(result) in planned
        and result.version == versions[result.subject]
        and result.verdict.valid
    ]
    return list({_key(result): result for result in found}.values())


def _key(result: Result) -> tuple[int, str, str]:
    return result.run, result.scenario, result.subject


def _name(step: Step) -> str:
    return f"run {step.run}, {step.scenario.name}, {step.subject.name}"


def _progress(done: int, count: int, started: float) -> str:
    """Which trial of how many, and about how long it will take."""
    seconds = time.monotonic() - started
    left = f", {_minutes(seconds / done * (count - done))} left" if done else ""
    return f"[{done + 1}/{count}, {_minutes(seconds)}{left}]"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
