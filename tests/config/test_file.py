from pathlib import Path

import pytest

from sse_server.config.given import InvalidConfiguration
from sse_server.config.reading import Reading, Sources, read
from sse_server.core.policy import AfterGap, LagPolicy
from sse_server.core.window import ChannelOptions


def read_toml(tmp_path: Path, text: str) -> Reading:
    file = tmp_path / "sse.toml"
    file.write_text(text, encoding="utf-8")
    return read(Sources(environ={}, file=str(file)))


def findings(tmp_path: Path, text: str) -> list[str]:
    """What is wrong, with the name of the file cut short."""
    with pytest.raises(InvalidConfiguration) as caught:
        read_toml(tmp_path, text)
    lines = [str(finding) for finding in caught.value.findings]
    assert "\n".join(lines) == str(caught.value)
    assert not any("\n" in line for line in lines)
    return [line.replace(f"{tmp_path}/", "") for line in lines]


def test_keys_stand_where_the_options_do(tmp_path: Path) -> None:
    settings = read_toml(
        tmp_path,
        """
        bind = ["127.0.0.1:0", "unix:/run/x,y.sock"]
        allow_anonymous = true
        [cors]
        origins = ["https://app.example"]
        [hub]
        heartbeat_seconds = 20
        stall_timeout_seconds = inf
        log.max_bytes = 1_000_000
        [connection]
        max_connections = 5
        socket.user_timeout_seconds = 9
        [logging]
        level = "debug"
        """,
    ).settings
    server = settings.server
    assert server.bind == ("127.0.0.1:0", "unix:/run/x,y.sock")
    assert server.allow_anonymous
    assert server.cors.origins == ("https://app.example",)
    assert server.hub.heartbeat_seconds == 20.0
    assert server.hub.stall_timeout_seconds == float("inf")
    assert server.hub.log.max_bytes == 1_000_000
    assert server.connection.max_connections == 5
    assert server.connection.socket.user_timeout_seconds == 9
    assert settings.logging.level == "debug"


def test_channels_are_matched_in_the_order_of_the_file_and_inherit_from_the_rest(
    tmp_path: Path,
) -> None:
    log = read_toml(
        tmp_path,
        """
        [channels."*"]
        max_age_seconds = "none"
        [channels."news:eu"]
        [channels."news:*"]
        max_frames = 100
        lag = "latest"
        after_gap = "close"
        [channels."a/b.c"]
        max_age_seconds = 5
        """,
    ).settings.server.hub.log
    rest = ChannelOptions(max_age_seconds=None)
    assert log.channel == log.of("other") == log.of("news:eu") == rest
    assert [pattern for pattern, _ in log.patterns] == ["news:eu", "news:*", "a/b.c"]
    news = log.of("news:us")
    assert (news.max_frames, news.max_age_seconds) == (100, None)
    assert (news.lag, news.after_gap) == (LagPolicy.LATEST, AfterGap.CLOSE)
    assert log.of("a/b.c").max_age_seconds == 5


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("bindd = []", "bindd in sse.toml: there is no such key; did you mean bind?"),
        (
            "heartbeat_seconds = 3",
            (
                "heartbeat_seconds in sse.toml: there is no such key; "
                "did you mean hub.heartbeat_seconds?"
            ),
        ),
        (
            "[log]\nlevel = 'info'",
            "log.level in sse.toml: there is no such key; did you mean logging.level?",
        ),
        (
            "[hub.log]\nmax_frames = 1",
            (
                "hub.log.max_frames in sse.toml: there is no such key; "
                'did you mean channels."*".max_frames?'
            ),
        ),
        ("[hubb]", "hubb in sse.toml: there is no such key; did you mean hub?"),
        ("qqq = 1", "qqq in sse.toml: there is no such key; docs/configuration.md lists them"),
        ('"a b" = 1', '"a b" in sse.toml: there is no such key; docs/configuration.md lists them'),
        ("hub = 3", "hub in sse.toml: is a section; write [hub] and its keys below"),
        ("channels = 3", 'channels in sse.toml: is a section; write [channels."news:*"] for each'),
        (
            "[channels]\nmax_frames = 3",
            (
                "channels.max_frames in sse.toml: is no section; "
                'write it below [channels."*"], or another pattern'
            ),
        ),
        (
            "[channels.'a*']\nlagg = 'drop'",
            'channels."a*".lagg in sse.toml: there is no such key; did you mean lag?',
        ),
        (
            "[channels.'a*']\nlag = 'dropp'",
            (
                "channels.\"a*\".lag in sse.toml: 'dropp' does not fit; "
                "write latest, drop or disconnect"
            ),
        ),
        (
            "[channels.'a*']\n[channels.'a:b']",
            (
                "channels in sse.toml: 'a:b' never holds, since 'a*' stands before; "
                "put the narrower one first"
            ),
        ),
        (
            "[channels.'a*b']",
            "channels in sse.toml: 'a*b' is no pattern; write a channel, prefix* or *",
        ),
        (
            "[hub]\nlane_size = 0",
            "hub.lane_size in sse.toml: 0 does not fit; write a whole number from 1 to 65536",
        ),
        (
            "[hub]\nlane_size = true",
            "hub.lane_size in sse.toml: true does not fit; write a whole number from 1 to 65536",
        ),
        (
            "[hub]\nheartbeat_seconds = nan",
            (
                "hub.heartbeat_seconds in sse.toml: NaN does not fit; "
                "write a number of at least 1, or inf"
            ),
        ),
        (
            "[hub]\nheartbeat_seconds = '15'",
            (
                "hub.heartbeat_seconds in sse.toml: '15' does not fit; "
                "write a number of at least 1, or inf"
            ),
        ),
        ("allow_anonymous = 1", "allow_anonymous in sse.toml: 1 does not fit; write true or false"),
        ("bind = 'a:1'", "bind in sse.toml: 'a:1' does not fit; write a list of texts"),
        ("bind = [1]", "bind in sse.toml: [1] does not fit; write a list of texts"),
        (
            "drain_seconds = 1979-05-27",
            'drain_seconds in sse.toml: "1979-05-27" does not fit; write a number from 0 to 3600',
        ),
        (
            "[connection]\nmax_connections = 0",
            (
                "connection.max_connections in sse.toml: 0 does not fit; "
                'write a whole number from 1 to 100000000, or "none"'
            ),
        ),
        (
            "[cors]\norigins = ['app.example']",
            (
                "cors.origins in sse.toml: 'app.example' is no origin; "
                "write each as a browser sends it, for example https://app.example"
            ),
        ),
        (
            "engine = 'kafka://h'",
            (
                "engine in sse.toml: there is no engine 'kafka'; "
                "write memory: (what is published is gone with the process) "
                "or sqlite:///PATH (it is kept in a file)"
            ),
        ),
        (
            "bind = [",
            (
                "sse.toml: the file is no TOML: Invalid value (at end of document); "
                "mend that; "
                'a name with other characters than A-Z a-z 0-9 _ - stands in "quotes"'
            ),
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_way_out(tmp_path: Path, text: str, finding: str) -> None:
    assert findings(tmp_path, text) == [finding]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = "a = 1\nbind = ['x']\n[hub]\nlane_size = -1\n[cors]\norigins = ['null']\n"
    settings = [line.partition(" in ")[0] for line in findings(tmp_path, text)]
    assert settings == ["a", "hub.lane_size", "cors.origins", "bind"]


def test_an_address_for_strangers_names_where_it_stands(tmp_path: Path) -> None:
    (line,) = findings(tmp_path, 'bind = ["0.0.0.0:80"]')
    assert line.startswith("bind in sse.toml: '0.0.0.0' can be reached from elsewhere")
    assert read_toml(tmp_path, 'bind = ["0.0.0.0:80"]\nallow_anonymous = true')


def test_a_password_is_never_told(tmp_path: Path) -> None:
    for text in ('engine = "redis://me:hunter2@host"', 'engine = ["redis://me:hunter2@host"]'):
        (line,) = findings(tmp_path, text)
        assert line.startswith("engine in sse.toml: ")
        assert "hunter2" not in line


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "sse.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidConfiguration) as caught:
        read(Sources(environ={}, file=str(file)))
    (finding,) = caught.value.findings
    expected = "--config: " if content is None else f"{file}: the file is no TOML"
    assert str(finding).startswith(expected)
