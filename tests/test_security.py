"""docs/security.md is about this code: its settings exist, its numbers hold, its examples parse."""

import re
from pathlib import Path

import pytest

from sse_server import ServerOptions
from sse_server.auth import key_ring, open_streams, patterns
from sse_server.auth.keys import ALGORITHMS
from sse_server.config.keys import KEYS
from tests.conftest import Serve
from tests.http_surface import numbers
from tests.snippets import ROOT, Section, cases, play, sections

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
SECTIONS = sections(PAGE)

STATED = {
    "10,000": "auth.forward.max_cached",
    "100,000": "auth.max_leases",
    "100,000 each": "auth.max_revoked",
    "120 s": "auth.query_seconds",
    "15 minutes": "auth.grant_seconds",
    "400,000": "auth.max_used",
    "5 minutes": "auth.resume_window_seconds",
    "5 s apart": "auth.leeway_seconds",
    "within 2 s": "auth.forward.timeout_seconds",
    "believed for 5 s": "auth.forward.cache_seconds",
    "for a week": "auth.revoked_seconds",
    "good for a minute": "auth.token_seconds",
}
SECONDS = {"minutes": 60, "minute": 60, "week": 604_800}


@pytest.mark.parametrize("section", cases(SECTIONS, with_page=False))
def test_example_does_what_it_says(section: Section, tmp_path: Path, serve: Serve) -> None:
    play(section, tmp_path, serve, None)


def test_settings_exist() -> None:
    known = {key.name for key in KEYS.values()}
    named = set(re.findall(r"`((?:auth|cors)\.[a-z_.]+)`", PAGE))
    assert named
    assert named <= known


@pytest.mark.parametrize("text", STATED)
def test_numbers_are_those_of_the_settings(text: str) -> None:
    assert text in PAGE
    value = numbers(ServerOptions())[STATED[text]]
    count = float((re.findall(r"[\d,]+", text) or ["1"])[0].replace(",", ""))
    unit = next((factor for word, factor in SECONDS.items() if word in text), 1)
    assert value == count * unit


def test_numbers_that_are_fixed() -> None:
    assert f"at most {patterns.MAX_PATTERNS} each" in PAGE
    assert f"At most {open_streams.ENDED_PER_SECOND:,} are ended in a second" in PAGE
    assert f"every {key_ring.OLD_SECONDS / 60:g} minutes" in PAGE
    assert f"at most every {key_ring.LEAST_SECONDS:g} seconds" in PAGE


def test_algorithms_are_named() -> None:
    assert all(name in PAGE for name in ALGORITHMS)
