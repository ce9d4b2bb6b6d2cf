"""`python -m bench`: runs a plan, shows tables, writes JSON lines, draws plots."""

import argparse
import os
from dataclasses import replace

from bench.load import session
from bench.load.cores import divide
from bench.load.descriptors import max_descriptors, raise_limit
from bench.load.plan import BENCH, PROOF, SHORT, Plan
from bench.load.results import FOLDER, Result
from bench.load.scenarios import SCENARIOS
from bench.load.session import say
from bench.load.subjects import SUBJECTS
from bench.load.subjects.base import Subject
from bench.load.tables import scenario_table, target_table
from bench.micro.report import run_rows

_SPARE_DESCRIPTORS = 100


def main(words: list[str] | None = None) -> int:
    """Run the bench; 1 when a subject asked for is missing, or when a strict one went wrong."""
    arguments = _parser().parse_args(words)
    raise_limit()
    plan = _plan(arguments)
    most = max_descriptors() - _SPARE_DESCRIPTORS
    if plan.size.subscribers > most:
        say(f"{plan.size.subscribers} streams need more descriptors than {most}: ulimit -n")
        return 1
    subjects = _present(plan.subjects)
    if not subjects or (arguments.subjects and len(subjects) < len(arguments.subjects)):
        return 1
    cores = divide()
    os.sched_setaffinity(0, cores.driver)  # the server's core is the server's
    try:
        results = session.run(plan, subjects, cores)
    except RuntimeError as error:  # a server that does not start
        say(f"\n{error}")
        return 1
    _report(plan, results)
    invalid = [result for result in results if not result.verdict.valid]
    slow = 0 if arguments.scenarios else run_rows([], strict=plan.strict)
    return 1 if plan.strict and (invalid or slow) else 0


def _report(plan: Plan, results: list[Result]) -> None:
    scenarios = [SCENARIOS[name] for name in plan.scenarios]
    for scenario in scenarios:
        if any(result.scenario == scenario.name for result in results):
            say("\n" + scenario_table(scenario, results))
    if plan.strict:  # too few streams for a figure, too many for a plot of it
        return
    say("\n" + target_table(scenarios, results))
    try:
        from bench.load.plots import draw  # noqa: PLC0415 (the bench runs without matplotlib)
    except ImportError:
        say("\nno plots: matplotlib is not installed")
        return
    for path in draw(results, FOLDER):
        say(f"plot: {path}")


def _plan(arguments: argparse.Namespace) -> Plan:
    plan = SHORT if arguments.short else PROOF if arguments.proof else BENCH
    size = plan.size
    if arguments.subscribers is not None:
        size = replace(size, subscribers=arguments.subscribers)
    if arguments.seconds is not None:
        size = replace(size, seconds=arguments.seconds)
    if arguments.idle_seconds is not None:
        size = replace(size, idle_seconds=arguments.idle_seconds)
    return replace(
        plan,
        size=size,
        runs=arguments.runs or plan.runs,
        scenarios=tuple(arguments.scenarios or plan.scenarios),
        subjects=tuple(arguments.subjects or plan.subjects),
        peers_in=None if arguments.subjects else plan.peers_in,
        drivers=arguments.drivers,
    )


def _present(names: tuple[str, ...]) -> list[Subject]:
    """The subjects that can be run here; says why one cannot."""
    found = []
    for name in names:
        reason = SUBJECTS[name].missing()
        if reason is None:
            found.append(SUBJECTS[name])
        else:
            say(f"skipped: {name}: {reason}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--short",
        action="store_true",
        help="500 subscribers, short measurements; status 1 unless every delivery is proved and no "
        "function takes more than twice its target",
    )
    kinds.add_argument(
        "--proof",
        action="store_true",
        help="every scenario, 10,000 subscribers, 3 runs; goes on where it was ended",
    )
    parser.add_argument("--subjects", nargs="+", choices=list(SUBJECTS), metavar="SUBJECT")
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--subscribers", type=int, help="default: 5000 (500, 10000)")
    parser.add_argument("--runs", type=int, help="shown: median (lowest-highest)")
    parser.add_argument("--seconds", type=float, help="of a measurement; default 2 (0.8, 5)")
    parser.add_argument("--idle-seconds", type=float, help="default 16 (1, 30)")
    parser.add_argument("--drivers", type=int, default=1, help="processes of subscribers")
    return parser
