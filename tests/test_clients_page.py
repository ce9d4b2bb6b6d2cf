"""The examples of docs/clients.md do what it says."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import Serve
from tests.snippets import ROOT, Section, cases, play, sections

SECTIONS = sections((ROOT / "docs" / "clients.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", cases(SECTIONS, with_page=True))
def test_example_does_what_it_says(
    section: Section, tmp_path: Path, serve: Serve, page: Page
) -> None:
    play(section, tmp_path, serve, page)


def test_there_are_no_other_examples() -> None:
    assert all(section.needs_page for section in SECTIONS)
