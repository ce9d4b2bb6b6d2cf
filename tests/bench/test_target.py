"""Whether a target is reached."""

import pytest

from bench.load.scenarios import SCENARIOS
from bench.load.target import Target

RUNS = {
    "sse_server": [{"us": 7.0}, {"us": 9.0}, {"us": 8.0}],
    "nchan": [{"us": 10.0}, {"us": 10.0, "more": 1.0}],
}


def target(bound: float, peer: str | None = None, at_least: bool = False) -> Target:
    return Target(figure="us", what="µs", bound=bound, peer=peer, at_least=at_least)


@pytest.mark.parametrize(
    ("one", "reached"),
    [
        (target(8.0), True),
        (target(7.9), False),
        (target(8.0, at_least=True), True),
        (target(8.1, at_least=True), False),
        (target(0.8, peer="nchan"), True),
        (target(0.79, peer="nchan"), False),
        (target(0.8, peer="node"), None),
    ],
)
def test_the_median_of_the_runs_is_held_against_the_bound(
    one: Target, reached: bool | None
) -> None:
    assert one.judge(RUNS).reached is reached


def test_without_valid_runs_nothing_is_known() -> None:
    assert target(8.0).judge({"nchan": RUNS["nchan"]}).reached is None


def test_a_target_says_what_it_asks_for() -> None:
    assert str(target(0.8, peer="nchan")) == "≤ 0.8 x nchan"
    assert str(target(100_000, at_least=True)) == "≥ 100,000"


def test_every_target_is_of_a_figure_that_its_scenario_shows() -> None:
    for scenario in SCENARIOS.values():
        assert {one.figure for one in scenario.targets} <= set(scenario.shown), scenario.name
