"""The bench of functions: what is beyond its target."""

import pytest

from bench.micro import report
from bench.micro.timer import ROWS, Row, Timing, time_row


def row(target: float) -> Row:
    return Row(name="nothing", per="per call", target=target, prepare=lambda: lambda: None, calls=1)


@pytest.mark.parametrize(("us", "beyond"), [(20.0, False), (40.0, False), (40.1, True)])
def test_a_row_is_beyond_when_it_takes_more_than_twice_its_target(us: float, beyond: bool) -> None:
    assert report.is_beyond(row(2.0), Timing(us=us, unit_us=10.0)) is beyond


def test_targets_are_in_times_of_the_calibration_loop() -> None:
    timing = time_row(row(1.0))
    assert 0 < timing.us < timing.unit_us
    assert timing.units == pytest.approx(timing.us / timing.unit_us)


@pytest.mark.parametrize(("target", "beyond"), [(1e9, 0), (1e-9, 1)])
def test_a_report_counts_what_is_beyond(
    target: float, beyond: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "ROWS", [row(target)])
    assert report.run_rows([], strict=True) == beyond
    assert ("BEYOND" in capsys.readouterr().out) is bool(beyond)


@pytest.mark.parametrize("one", ROWS, ids=lambda one: one.name)
def test_every_row_can_be_called_again_and_again(one: Row) -> None:
    timed = one.prepare()
    timed()
    timed()
