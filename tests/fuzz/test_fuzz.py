"""Fuzzing with a bound: the same seed and so many runs, whatever the machine.

A few thousand runs of a fuzzer that is led by coverage, each time. What they find is printed with
the input; make it a test of the module that it was found in.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

RUNS = {"exchange": 1_500, "event_stream": 3_000, "head": 10_000, "batch": 10_000}
MOST_RUNS = 20_000

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is there for Linux on x86_64 and CPython before 3.14",
)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_keep_the_promise(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        target.check(seed)
        for token in target.tokens:
            target.check(seed + token)
            target.check(token)


def _fuzz(name: str, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.fuzz", name, *options],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@needs_atheris
@pytest.mark.timeout(200)  # making the code ready for it takes long on a busy machine
@pytest.mark.parametrize("name", TARGETS)
def test_a_fuzzer_finds_nothing(name: str, tmp_path: Path) -> None:
    done = _fuzz(
        name,
        tmp_path,
        f"-runs={RUNS.get(name, MOST_RUNS)}",
        "-seed=1",
        "-max_len=2000",
        "-max_total_time=10",
        f"-artifact_prefix={tmp_path}/",
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert "Done " in done.stderr, done.stderr[-3_000:]


@needs_atheris
@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", TARGETS)
def test_a_fuzzer_finds_nothing_in_half_a_minute(name: str, tmp_path: Path) -> None:
    done = _fuzz(name, tmp_path, "-max_total_time=30", f"-artifact_prefix={tmp_path}/")
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
