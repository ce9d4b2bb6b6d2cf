"""The page and the example file are what the options say."""

import re
from pathlib import Path

from sse_server import ChannelOptions, ServerOptions
from sse_server.config.docstrings import field_docstrings
from sse_server.config.keys import CHANNEL_KEYS, KEYS
from sse_server.config.reading import Sources, read
from sse_server.config.reference import example, markdown
from sse_server.config.settings import Settings
from sse_server.core.policy import LagPolicy

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "systemd" / "sse-server.toml"


def _read(file: Path) -> Settings:
    return read(Sources(environ={}, file=str(file))).settings


def test_both_files_are_those_that_make_docs_makes() -> None:
    assert DOCS.read_text(encoding="utf-8") == markdown(), "make docs"
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "make docs"


def test_the_example_as_it_is_sets_nothing() -> None:
    reading = read(Sources(environ={}, file=str(EXAMPLE)))
    assert (dict(reading.given), reading.settings) == ({}, Settings())


def test_the_example_with_every_key_uncommented_is_the_defaults(tmp_path: Path) -> None:
    text, count = re.subn(r"(?m)^#(?=\w+ = )", "", EXAMPLE.read_text(encoding="utf-8"))
    assert count == len(KEYS) + len(CHANNEL_KEYS)
    file = tmp_path / "all.toml"
    file.write_text(text, encoding="utf-8")
    reading = read(Sources(environ={}, file=str(file)))
    assert len(reading.given) == count
    assert reading.settings == Settings()
    assert reading.settings.server == ServerOptions()
    assert reading.settings.server.hub.log.channel == ChannelOptions()


def test_what_the_example_shows_for_channels_is_a_file(tmp_path: Path) -> None:
    shown = re.findall(r"(?m)^#     (.*)$", EXAMPLE.read_text(encoding="utf-8"))
    assert shown
    file = tmp_path / "channels.toml"
    file.write_text("\n".join(shown), encoding="utf-8")
    log = _read(file).server.hub.log
    assert (log.of("news:a").max_frames, log.of("news:a").lag) == (100, LagPolicy.LATEST)
    assert log.of("room:a").presence


def test_no_line_of_the_example_is_longer_than_a_terminal() -> None:
    assert max(map(len, EXAMPLE.read_text(encoding="utf-8").splitlines())) <= 100


def test_the_heartbeat_names_what_it_has_to_stay_below() -> None:
    _, _, rest = EXAMPLE.read_text(encoding="utf-8").partition("#publish_wait_seconds")
    before, _, _ = EXAMPLE.read_text(encoding="utf-8").partition("#heartbeat_seconds")
    comment = " ".join(before.rpartition("\n\n")[2].split())
    assert "nginx and AWS load balancers # (ALB) 60 s" in comment
    assert "Cloudflare 100 s" in comment
    assert rest


def test_every_key_is_explained() -> None:
    for key in (*KEYS.values(), *CHANNEL_KEYS.values()):
        assert field_docstrings(key.owner).get(key.path[-1]), key.name
