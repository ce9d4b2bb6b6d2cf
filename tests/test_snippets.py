"""A page whose blocks do not do what it says is found out."""

from pathlib import Path

import pytest

from tests.conftest import find_free_port
from tests.snippets import Story, sections


@pytest.mark.parametrize(
    "markdown",
    ["# a\n\n```sh\necho hello\n```\n\n```text\nh…a\n```\n", "# a\n\n```sh\nfalse; true\n```\n"],
    ids=["other output", "failed"],
)
def test_section_that_does_not_do_what_it_says_fails(markdown: str, tmp_path: Path) -> None:
    (section,) = sections(markdown)
    with Story(tmp_path, find_free_port(), None) as story, pytest.raises(AssertionError):
        for block in section.blocks:
            story.play(block)
