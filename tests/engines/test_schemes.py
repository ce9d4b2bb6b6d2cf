import pytest

from sse_server import ConfigurationError, ServerOptions
from sse_server.engines.memory import MemoryEngine
from sse_server.engines.schemes import EngineSettings, make_engine


@pytest.mark.parametrize("url", ["memory:", "memory://", "memory"])
def test_memory_has_a_url(url: str) -> None:
    assert isinstance(make_engine(url, EngineSettings()), MemoryEngine)


@pytest.mark.parametrize("url", ["kafka://host", "", "MEMORY:", ":", "memory:///a"])
def test_every_other_is_refused_with_what_there_is(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ServerOptions\.engine: .*write memory:"):
        ServerOptions(engine=url)


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ServerOptions(engine="redis://user:secret@host")
    assert "secret" not in str(caught.value)
