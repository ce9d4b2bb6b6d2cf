"""The README does what it says: its fenced blocks are run, as `tests.snippets` says."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import Serve
from tests.snippets import ROOT, Section, cases, play, sections

SECTIONS = sections((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", cases(SECTIONS, with_page=False))
def test_section_does_what_it_says(section: Section, tmp_path: Path, serve: Serve) -> None:
    play(section, tmp_path, serve, None)


@pytest.mark.parametrize("section", cases(SECTIONS, with_page=True))
def test_section_does_what_it_says_in_chromium(
    section: Section, tmp_path: Path, serve: Serve, page: Page
) -> None:
    play(section, tmp_path, serve, page)
