"""What outlives a restart: the server's secret, and what was revoked."""

import asyncio
import stat
from pathlib import Path

import pytest

from sse_server import AuthOptions, ConfigurationError, Server, ServerOptions
from tests.auth.makers import HS256, token
from tests.auth.serving import OPERATOR, OPERATOR_ENTRY, UNAUTHORIZED, ask, bearer, error
from tests.outbound.conftest import StartAuth


@pytest.fixture
def options(tmp_path: Path) -> AuthOptions:
    state = str(tmp_path / "state")
    return AuthOptions(keys=(HS256,), api_keys=(OPERATOR_ENTRY,), state_file=state)


def test_the_file_is_made_for_nobody_else(start: StartAuth, options: AuthOptions) -> None:
    start(options)
    assert options.state_file is not None
    file = Path(options.state_file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["state"]


def test_what_was_revoked_stays_so(start: StartAuth, options: AuthOptions) -> None:
    text = bearer(token(subscribe=["a"], jti="gone"))
    first = start(options)
    assert ask(first, "/channels/a/events", text).status == 200
    ask(first, "/revocations", bearer(OPERATOR), '{"jti": "gone"}')
    second = start(options)
    assert error(ask(second, "/channels/a/events", text)) == UNAUTHORIZED
    assert ask(second, "/channels/a/events", bearer(token(subscribe=["a"]))).status == 200


def test_a_stream_of_our_own_token_comes_back_to_the_next_run(
    start: StartAuth, options: AuthOptions
) -> None:
    first = start(options)
    answer = ask(first, "/token", bearer(token(subscribe=["a"])), "")
    own = answer.body.split(b'"')[3].decode()
    target = f"/events/a?token={own}"
    with first.client() as client:
        client.get(target)
        cookie = client.read_stream_head().fields["set-cookie"].partition(";")[0]
    second = start(options)
    second.subscriber(target, f"Cookie: {cookie}\r\n")
    stranger = start(AuthOptions(keys=(HS256,)))
    assert error(ask(stranger, target, f"Cookie: {cookie}\r\n")) == UNAUTHORIZED


def test_a_revocation_that_cannot_be_kept_holds_and_is_told(
    start: StartAuth, options: AuthOptions, tmp_path: Path
) -> None:
    running = start(options)
    text = bearer(token(subscribe=["a"], jti="gone"))
    (tmp_path / "state.new").mkdir()  # where it would be written first
    answer = ask(running, "/revocations", bearer(OPERATOR), '{"jti": "gone"}')
    assert error(answer) == (503, "unavailable")
    assert error(ask(running, "/channels/a/events", text)) == UNAUTHORIZED


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b'{"secret": "AAAA"}', b"[]"])
def test_a_file_of_somebody_else_s_is_not_overwritten(options: AuthOptions, content: bytes) -> None:
    assert options.state_file is not None
    file = Path(options.state_file)
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="state_file"):
        asyncio.run(Server(ServerOptions(bind=(), auth=options)).start())
    assert file.read_bytes() == content


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    options = AuthOptions(keys=(HS256,), state_file=str(tmp_path / "nowhere" / "state"))
    with pytest.raises(ConfigurationError, match="state_file"):
        asyncio.run(Server(ServerOptions(bind=(), auth=options)).start())
