"""A running subject, and that it is the one which was meant."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.load import server
from bench.load.cores import divide
from bench.load.subjects.own import SseServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench reads /proc")


def test_a_server_finds_the_package_that_the_bench_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree" / "sse_server").mkdir(parents=True)
    (tmp_path / "tree" / "sse_server" / "__init__.py").touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "tree")
    found = subprocess.run(
        [sys.executable, "-c", "import sse_server; print(sse_server.__file__)"],
        cwd="elsewhere",
        env=server.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(tmp_path / "tree")


def test_a_server_costs_something() -> None:
    with server.run(SseServer(), divide().server) as running:
        cost = running.cost()
        assert min(cost.cpu_ns, cost.resident_bytes, cost.kernel_bytes) > 0
        assert cost.kernel_bytes >= cost.socket_bytes


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        SseServer, "command", lambda *_: [sys.executable, "-c", "raise SystemExit('no')"]
    )
    with (
        pytest.raises(RuntimeError, match=r"(?s)does not listen.*no"),
        server.run(SseServer(), divide().server),
    ):
        pass
