"""Four sources, and which of them wins."""

from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server import ServerOptions
from sse_server.config.effective import effective_toml
from sse_server.config.given import InvalidConfiguration
from sse_server.config.keys import CHANNEL_KEYS, KEYS, SECTIONS, Key, nearest
from sse_server.config.logging_options import LoggingOptions
from sse_server.config.reading import Sources, read
from sse_server.config.settings import Settings
from sse_server.config.values import as_toml, read_text, read_value, wanted
from sse_server.errors import ConfigurationError
from sse_server.options import FieldFacts, Options, Secret


def lines(environ: dict[str, str], **sources: object) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        read(Sources(environ=environ, **sources))  # type: ignore[arg-type] # mypy checks no dictionary
    return [str(finding) for finding in caught.value.findings]


def test_without_any_source_everything_is_as_the_options_say() -> None:
    reading = read(Sources(environ={"PATH": "/bin", "SSE_SERVERX": "1"}))
    assert reading.settings == Settings()
    assert reading.settings.server == ServerOptions()
    assert reading.settings.logging == LoggingOptions()
    assert (reading.given, reading.file) == ({}, None)


def test_the_later_source_wins_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "sse.toml"
    file.write_text(
        'bind = ["f:1"]\ndrain_seconds = 1\nrestart_seconds = 7\nallow_anonymous = true\n'
    )
    environ = {"SSE_SERVER_BIND": "e:1, e:2", "SSE_SERVER_DRAIN_SECONDS": "2"}
    environ["SSE_SERVER_CONFIG"] = str(file)
    reading = read(Sources(environ=environ, flags={("bind",): ["g:1"]}))
    server = reading.settings.server
    assert server.bind == ("g:1",)
    assert (server.drain_seconds, server.restart_seconds) == (2.0, 7.0)
    origins = {path[0]: given.origin for path, given in reading.given.items()}
    assert origins == {
        "bind": "--bind",
        "drain_seconds": "SSE_SERVER_DRAIN_SECONDS",
        "restart_seconds": str(file),
        "allow_anonymous": str(file),
    }
    del environ["SSE_SERVER_BIND"]
    assert read(Sources(environ=environ)).settings.server.bind == ("f:1",)


def test_the_flag_for_the_file_wins_over_the_variable(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("drain_seconds = 1")
    sources = Sources(environ={"SSE_SERVER_CONFIG": "/absent"}, file=str(tmp_path / "a.toml"))
    assert read(sources).settings.server.drain_seconds == 1
    assert lines({"SSE_SERVER_CONFIG": "/absent"})[0].startswith("SSE_SERVER_CONFIG: '/absent'")


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"SSE_SERVER_HUB_HEARTBEAT_SECOND": "1"},
            (
                "SSE_SERVER_HUB_HEARTBEAT_SECOND: there is no such variable; "
                "did you mean SSE_SERVER_HUB_HEARTBEAT_SECONDS?"
            ),
        ),
        (
            {"SSE_SERVER_XYZ": "1"},
            "SSE_SERVER_XYZ: there is no such variable; docs/configuration.md lists them",
        ),
        (
            {"SSE_SERVER_HUB_LANE_SIZE": "many"},
            "SSE_SERVER_HUB_LANE_SIZE: 'many' does not fit; write a whole number from 1 to 65536",
        ),
        (
            {"SSE_SERVER_HUB_LANE_SIZE": ""},
            "SSE_SERVER_HUB_LANE_SIZE: '' does not fit; write a whole number from 1 to 65536",
        ),
        (
            {"SSE_SERVER_CONNECTION_LINGER_SECONDS": "nan"},
            "SSE_SERVER_CONNECTION_LINGER_SECONDS: 'nan' does not fit; write a number from 0 to 60",
        ),
        (
            {"SSE_SERVER_LOGGING_LEVEL": "loud"},
            "SSE_SERVER_LOGGING_LEVEL: 'loud' does not fit; write debug, info, warning or error",
        ),
        (
            {"SSE_SERVER_BIND": "127.0.0.1:0,:80"},
            (
                "SSE_SERVER_BIND: ':80' names no host; "
                "write 127.0.0.1:80, or 0.0.0.0:80 for every interface"
            ),
        ),
        (
            {"SSE_SERVER_ENGINE": "redis://me:hunter2@host"},
            (
                "SSE_SERVER_ENGINE: there is no engine 'redis'; "
                "write memory: (what is published is gone with the process) "
                "or sqlite:///PATH (it is kept in a file)"
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_variable_is_told(environ: dict[str, str], line: str) -> None:
    assert lines(environ) == [line]


def test_what_is_wrong_with_a_flag_is_told_by_its_name() -> None:
    (line,) = lines({}, flags={("engine",): "nonsense:"})
    assert line.startswith("--engine: there is no engine 'nonsense'")
    (line,) = lines({}, flags={("bind",): ["0.0.0.0:1"]})
    assert line.startswith("--bind: ")
    (line,) = lines({}, flags={("bind",): 3})
    assert line == "--bind: 3 does not fit; write a list of texts"


def test_lists_and_nothing_have_a_spelling() -> None:
    environ = {"SSE_SERVER_BIND": "", "SSE_SERVER_CONNECTION_MAX_CONNECTIONS": "none"}
    server = read(Sources(environ=environ)).settings.server
    assert (server.bind, server.connection.max_connections) == ((), None)


def test_a_later_error_is_told_with_the_name_of_what_was_written() -> None:
    error = ConfigurationError(setting="ServerOptions.bind", problem="is taken", mend="stop that")
    by_default = read(Sources(environ={})).explain(error)
    assert str(by_default) == "bind: is taken; stop that"
    by_variable = read(Sources(environ={"SSE_SERVER_BIND": "127.0.0.1:0"})).explain(error)
    assert str(by_variable) == "SSE_SERVER_BIND: is taken; stop that"
    other = ConfigurationError(setting="--log", problem="is", mend="mend")
    assert read(Sources(environ={})).explain(other) is other


def test_a_secret_is_shown_nowhere() -> None:
    key = Key(("key",), Options, FieldFacts(str, secret=Secret()), "")
    assert key.shown("hunter2") == "'***'"
    assert key.shown(["hunter2"]) == "'***'"


def test_each_key_has_a_variable_of_its_own_and_is_no_section() -> None:
    assert len({key.variable for key in KEYS.values()}) == len(KEYS)
    assert not SECTIONS & KEYS.keys()


def test_the_nearest_name_is_the_same_in_another_section_or_one_that_is_written_alike() -> None:
    known = ["hub.lane_size", "hub.log.max_bytes"]
    assert nearest("lane_size", known) == "hub.lane_size"
    assert nearest("hub.lanesize", known) == "hub.lane_size"
    assert nearest("zzz", known) is None


# --- round trips ----------------------------------------------------------------------------------

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def _values(key: Key) -> st.SearchStrategy[object]:
    """Anything that the key takes, by its type and bounds alone."""
    bounds, kind = key.facts.bounds, key.facts.type
    numbers: st.SearchStrategy[object]
    if bounds is not None:
        most = None if bounds.most == inf else bounds.most
        if "whole" in wanted(key):
            assert most is not None, key.name
            numbers = st.integers(int(bounds.least), int(most))
        else:
            numbers = st.floats(bounds.least, most)
        return numbers | st.none() if '"none"' in wanted(key) else numbers
    if kind is bool:
        return st.booleans()
    if kind is str:
        return _TEXTS
    if kind == tuple[str, ...]:
        return st.lists(_TEXTS).map(tuple)
    return st.sampled_from(wanted(key).replace(" or ", ", ").split(", "))


@pytest.mark.parametrize("key", [*KEYS.values(), *CHANNEL_KEYS.values()], ids=lambda key: key.name)
@given(data=st.data())
def test_what_is_written_is_what_is_read(key: Key, data: st.DataObject) -> None:
    import tomllib  # noqa: PLC0415 (here alone)

    value = data.draw(_values(key))
    toml = as_toml(value)
    assert read_value(key, tomllib.loads(f"x = {toml}")["x"]) == value
    if isinstance(value, tuple):
        items = [text.strip().replace(",", ".") for text in value]
        if items != [""]:
            assert read_text(key, ",".join(items)) == tuple(items)
    else:
        assert read_text(key, value if isinstance(value, str) else toml.strip('"')) == value


def _environ(draw: st.DrawFn) -> dict[str, str]:
    keys = draw(st.lists(st.sampled_from(list(KEYS.values())), unique_by=lambda key: key.path))
    # By more than type and bounds.
    checked = {"bind", "engine", "cors.origins", "auth.keys", "auth.api_keys", "auth.cookie"}
    checked |= {"auth.forward.url", "tls.key"}
    return {
        key.variable: as_toml(draw(_values(key))).strip('"')
        for key in keys
        if key.name not in checked
    }


@given(environ=st.composite(_environ)())
def test_the_effective_settings_are_a_file_that_gives_the_same(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    environ["SSE_SERVER_BIND"] = "127.0.0.1:0,unix:/a b"
    file = tmp_path_factory.getbasetemp() / "effective.toml"
    reading = read(Sources(environ=environ))
    file.write_text(effective_toml(reading), encoding="utf-8")
    assert read(Sources(environ={}, file=str(file))).settings == reading.settings


def test_the_effective_settings_say_where_each_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "sse.toml"
    file.write_text(
        '[channels."*"]\nmax_frames = 5\n[channels."a:*"]\nlag = "latest"\n[hub]\nlane_size = 9\n'
    )
    sources = Sources(
        environ={"SSE_SERVER_DRAIN_SECONDS": "2"}, file=str(file), flags={("bind",): ["[::1]:0"]}
    )
    reading = read(sources)
    toml = effective_toml(reading)
    for line in (
        'bind = ["[::1]:0"]  # --bind',
        "drain_seconds = 2.0  # SSE_SERVER_DRAIN_SECONDS",
        f"lane_size = 9  # {file}",
        "writes_per_run = 512  # default",
        f'[channels."a:*"]\nmax_frames = 5  # {file}\nmax_age_seconds = 300.0  # default',
        f'lag = "latest"  # {file}',
    ):
        assert line in toml
    other = tmp_path / "other.toml"
    other.write_text(toml)
    assert read(Sources(environ={}, file=str(other))).settings == reading.settings
