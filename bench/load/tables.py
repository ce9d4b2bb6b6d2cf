"""Tables for the terminal: the figures of a scenario by subject, and the targets of all."""

from collections.abc import Iterable, Sequence

from bench.load.results import Result, of_scenario
from bench.load.scenarios import Scenario
from bench.load.target import OURS, Judgement, median, values

_UNDISTURBED_PERCENT = 5.0
"""Of a measurement the server may have waited for its core; 0.2 to 2 on a quiet machine."""
_REACHED = {True: "yes", False: "NO", None: "?"}


def scenario_table(scenario: Scenario, results: Sequence[Result]) -> str:
    """A row for each subject: the median of its valid runs, and what they spread over."""
    rows = [["", *(name.replace("_", " ") for name in scenario.shown)]]
    for subject, runs in of_scenario(results, scenario.name).items():
        rows.append([subject, *(_cell(values(runs, name)) for name in scenario.shown)])
    notes = [
        f"  {result.subject}: INVALID in run {result.run}: {result.verdict}"
        for result in results
        if result.scenario == scenario.name and not result.verdict.valid
    ]
    notes += [
        f"  {result.subject}: others had its core for {waited:.0f} % of run {result.run}"
        for result in results
        if result.scenario == scenario.name
        and (waited := result.figures.get("waited_percent", 0.0)) > _UNDISTURBED_PERCENT
    ]
    return "\n".join([f"{scenario.name}: {scenario.title}", _aligned(rows), *notes])


def target_table(scenarios: Iterable[Scenario], results: Sequence[Result]) -> str:
    """Every target of these scenarios, what was measured, and whether it was reached."""
    rows = [["scenario", "figure", OURS, "peer", "ratio", "target", "reached"]]
    for scenario in scenarios:
        runs = of_scenario(results, scenario.name)
        rows += [[scenario.name, *_judged(one.judge(runs))] for one in scenario.targets]
    return _aligned(rows, left=2)


def _judged(found: Judgement) -> list[str]:
    beside = found.theirs is not None
    return [
        found.target.what,
        _cell(found.ours),
        _cell(found.theirs) if found.theirs is not None else "",
        _figure(found.compared) if beside and found.compared is not None else "",
        str(found.target),
        _REACHED[found.reached],
    ]


def _aligned(rows: list[list[str]], left: int = 0) -> str:
    """Columns of equal width; the first ones begin at the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells))
    return "\n".join(lines)


def _cell(found: Sequence[float]) -> str:
    middle = median(found)
    if middle is None:
        return "-"
    text = _figure(middle)
    if len(found) > 1:
        text += f" ({_figure(min(found))}-{_figure(max(found))})"
    return text


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
