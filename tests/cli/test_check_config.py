"""`sse-server check-config`, and the same sources for `serve`, each in a process of its own."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def _run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sse_server", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, **environ},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "sse.toml"
    file.write_text('bind = ["127.0.0.1:0"]\n[hub]\nheartbeat_seconds = 20\n', encoding="utf-8")
    return file


def test_a_good_file_is_one_line(file: Path) -> None:
    result = _run("check-config", str(file))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{file} and the environment can be served with: 2 settings\n"


def test_without_a_file_the_environment_is_checked() -> None:
    result = _run("check-config", SSE_SERVER_HUB_LANE_SIZE="7")
    assert result.stdout == "the environment can be served with: 1 setting\n"


def test_each_finding_is_a_line_and_the_exit_code_says_so(file: Path) -> None:
    file.write_text("bindd = 1\n[hub]\nlane_size = 0\n", encoding="utf-8")
    for command in (("check-config", str(file)), ("serve", "--config", str(file))):
        result = _run(*command, SSE_SERVER_ENGIN="memory:")
        assert (result.returncode, result.stdout) == (2, "")
        lines = result.stderr.splitlines()
        assert [line.split(": ")[0] for line in lines] == ["sse-server"] * 3
        assert f"bindd in {file}" in lines[0]
        assert f"hub.lane_size in {file}: 0" in lines[1]
        assert "did you mean SSE_SERVER_ENGINE?" in lines[2]


def test_the_file_may_be_named_by_a_variable(file: Path) -> None:
    result = _run("check-config", SSE_SERVER_CONFIG=str(file))
    assert str(file) in result.stdout
    result = _run("check-config", SSE_SERVER_CONFIG="/absent")
    assert result.returncode == 2
    assert result.stderr.startswith("sse-server: SSE_SERVER_CONFIG: '/absent' cannot be read")
    result = _run("check-config", "/absent")
    assert result.stderr.startswith("sse-server: FILE: '/absent' cannot be read")


def test_what_holds_is_shown_as_toml_with_where_it_comes_from(file: Path) -> None:
    result = _run("check-config", "--show", str(file), SSE_SERVER_DRAIN_SECONDS="1.5")
    assert (result.returncode, result.stderr) == (0, "")
    shown = tomllib.loads(result.stdout)
    assert (shown["hub"]["heartbeat_seconds"], shown["drain_seconds"]) == (20.0, 1.5)
    assert f"heartbeat_seconds = 20.0  # {file}" in result.stdout
    assert "drain_seconds = 1.5  # SSE_SERVER_DRAIN_SECONDS" in result.stdout
    assert "lane_size = 512  # default" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "environ", "setting"),
    [
        (["--engine", "kafka:"], {}, "--engine"),
        (["--bind", "nonsense"], {"SSE_SERVER_BIND": "127.0.0.1:0"}, "--bind"),
        ([], {"SSE_SERVER_BIND": "0.0.0.0:0"}, "SSE_SERVER_BIND"),
        ([], {"SSE_SERVER_BIND": "unix:/absent/sse.sock"}, "SSE_SERVER_BIND"),
    ],
)
def test_serve_names_what_was_written(
    arguments: list[str], environ: dict[str, str], setting: str
) -> None:
    result = _run("serve", *arguments, **environ)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"sse-server: {setting}: ")
    assert result.stderr.count("\n") == 1


def test_the_library_does_without_pydantic() -> None:
    code = (
        "import sys; sys.modules['pydantic'] = None\n"
        "import sse_server\n"
        "for name in sse_server.__all__: getattr(sse_server, name)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
