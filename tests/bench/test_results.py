"""Results: written, read again, tabled, drawn; and a proof that goes on."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.load import plan, plots, provenance, session
from bench.load.cores import divide
from bench.load.plan import Plan
from bench.load.results import Result, ResultFile
from bench.load.scenarios import SCENARIOS
from bench.load.subjects import SUBJECTS
from bench.load.tables import scenario_table, target_table
from bench.load.trial import Size, Verdict

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench reads /proc")

SIZE = Size(subscribers=20, seconds=0.1, idle_seconds=0.1, wait_seconds=5.0)
GOOD = Verdict(expected=20, deliveries=20)
RESULT = Result(
    subject="sse_server",
    version="1",
    scenario="fan-out-one",
    run=1,
    size=SIZE,
    load_average=0.5,
    figures={"us_per_delivery": 7.123456},
    verdict=GOOD,
)


@pytest.fixture(autouse=True)
def _one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "commit", lambda: "abc")


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    file = ResultFile(tmp_path / "proof.jsonl")
    file.write(RESULT)
    assert ResultFile(file.path).read(SIZE) == [
        replace(RESULT, figures={"us_per_delivery": 7.1235})
    ]


def test_a_line_says_what_was_measured_on_what(tmp_path: Path) -> None:
    file = ResultFile(tmp_path / "proof.jsonl")
    file.write(RESULT)
    line = json.loads(file.path.read_text())
    assert line["commit"] == "abc"
    assert line["valid"] is True
    assert set(line["machine"]) == {"processor", "cores", "memory_bytes", "kernel"}
    assert set(line["versions"]) == {"python", "sse_server"}


def test_other_commits_other_sizes_and_a_line_that_was_cut_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ResultFile(tmp_path / "proof.jsonl")
    file.write(RESULT)
    with file.path.open("a") as end:
        end.write('{"time": "2026')
    assert len(file.read(SIZE)) == 1
    assert file.read(replace(SIZE, subscribers=21)) == []
    monkeypatch.setattr(provenance, "commit", lambda: "def")
    assert ResultFile(file.path).read(SIZE) == []


def test_a_proof_goes_on_where_it_was_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = SUBJECTS["sse_server"]
    proof = Plan(
        size=SIZE,
        runs=2,
        scenarios=("replay",),
        subjects=("sse_server",),
        file=tmp_path / "proof.jsonl",
    )
    file = ResultFile(proof.file)
    done = replace(RESULT, scenario="replay", version=ours.version())
    file.write(done)
    file.write(replace(done, run=2, verdict=Verdict(expected=20, deliveries=19)))
    results = session.run(proof, [ours], divide())
    assert [result.run for result in results] == [1, 2]
    assert all(result.verdict.valid for result in results), results
    assert "1 of 2 trials are there already" in capsys.readouterr().out
    again = session.run(proof, [ours], divide())
    assert len(again) == 2
    assert "2 of 2 trials are there already" in capsys.readouterr().out


def test_subjects_take_turns_in_being_first() -> None:
    subjects = list(SUBJECTS.values())
    steps = replace(plan.PROOF, scenarios=("idle",)).steps(subjects)
    order = [step.subject.name for step in steps]
    assert order[::3] == [subject.name for subject in subjects]
    assert len({step.key for step in steps}) == 9


def test_every_plan_has_what_the_smaller_one_has() -> None:
    assert set(plan.SHORT.scenarios) < set(plan.BENCH.scenarios) < set(plan.PROOF.scenarios)
    assert set(plan.PROOF.scenarios) == set(SCENARIOS)


def test_tables_show_medians_spread_and_what_does_not_count() -> None:
    scenario = SCENARIOS["fan-out-one"]
    shown = dict.fromkeys(scenario.shown, 1.0)
    results = [
        replace(RESULT, run=run, figures=shown | {"us_per_delivery": us})
        for run, us in ((1, 7.0), (2, 9.0), (3, 8.0))
    ]
    results += [
        replace(RESULT, subject="nchan", figures=shown | {"us_per_delivery": 10.0}),
        replace(RESULT, subject="node", verdict=Verdict(expected=20, deliveries=20, gaps=1)),
    ]
    text = scenario_table(scenario, results)
    assert "8 (7-9)" in text
    assert "node: INVALID in run 1: 20 of 20 deliveries, 1 gaps" in text
    (line,) = [line for line in target_table([scenario], results).splitlines() if "≤" in line]
    assert line.split()[-6:] == ["0.8", "≤", "0.8", "x", "nchan", "yes"]


def test_a_run_whose_core_others_used_is_named() -> None:
    result = replace(RESULT, figures={"waited_percent": 30.0})
    assert "others had its core for 30 % of run 1" in scenario_table(
        SCENARIOS["fan-out-one"], [result]
    )


def test_plots_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    results = [replace(RESULT, run=run) for run in (1, 2)]
    (path,) = plots.draw(results, tmp_path)
    assert path.name == "cpu-per-delivery.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_plots_name_figures_that_are_shown() -> None:
    for family in plots.FAMILIES:
        for _, scenario, figure in family.bars:
            assert figure in SCENARIOS[scenario].shown, (family.name, figure)
