import pytest

import sse_server


@pytest.mark.parametrize("name", sse_server.__all__)
def test_what_is_public_can_be_had(name: str) -> None:
    assert getattr(sse_server, name) is not None


def test_nothing_else_can() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(sse_server, "nonsense")  # noqa: B009 (mypy knows that it is not there)
