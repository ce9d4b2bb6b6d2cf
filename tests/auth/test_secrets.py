"""No token, key or cookie is ever in a log, a metric, an error or a traceback.

All that the whole suite logs and prints, and every log of a served instance, is looked at by
`tests/conftest.py`; here is what shows that it is, and what that cannot see.
"""

import json
import traceback

import pytest

from sse_server import AuthOptions, ConfigurationError, ServerOptions
from sse_server.auth.api_keys import ApiKey, new_api_key
from sse_server.auth.credentials import Credential, Way
from sse_server.auth.key_source import KeySource
from sse_server.auth.keys import InvalidKey
from sse_server.auth.minting import Mint
from sse_server.auth.state import State
from sse_server.errors import Unauthorized
from tests.auth.makers import HS256, SECRET, public_pem, token
from tests.auth.secrets import secret_in
from tests.auth.test_tokens import verified
from tests.conftest import Serve


@pytest.mark.parametrize(
    "text", [token(), f"Bearer {token()}", new_api_key("a", ["operate"])[0], SECRET, "sid=seven"]
)
def test_a_secret_is_seen(text: str) -> None:
    assert secret_in(f"before {text} after")
    assert secret_in("the request's path is /events/news, and its token has expired") is None


def test_tracebacks_have_none() -> None:
    for text in (token(seconds=-60), token(key="x" * 32), token()[:-4] + "AAAA", token(aud="x")):
        try:
            verified(text)
        except Unauthorized:
            assert text not in traceback.format_exc()
            assert secret_in(traceback.format_exc()) is None
        else:
            pytest.fail("it holds")


@pytest.mark.parametrize(
    "text", [f"ES256 text:{SECRET}", f"HS256 kid= text:{SECRET}", f"RS384 text:{SECRET}", SECRET]
)
def test_a_bad_setting_does_not_show_the_key(text: str) -> None:
    with pytest.raises(ConfigurationError) as info:
        AuthOptions(keys=(text,))
    assert secret_in(str(info.value)) is None
    with pytest.raises(InvalidKey) as error:
        KeySource.parse(text)
    assert secret_in("".join(traceback.format_exception(error.value))) is None


def test_what_is_shown_of_values_has_none() -> None:
    _, entry = new_api_key("a", ["operate"])
    values = (
        KeySource.parse(HS256),
        KeySource.parse(HS256).read(b"")[0],
        KeySource.parse(f"RS256 pem:{public_pem('RSA')}"),
        ApiKey.parse(entry),
        Credential(Way.QUERY, token().encode()),
        State.new(),
        Mint(b"s" * 32, "sse"),
    )
    shown = "\n".join(map(repr, values))
    assert secret_in(shown) is None
    assert entry.split()[1] not in shown


def test_options_do_not_show_their_secrets() -> None:
    shown = repr(ServerOptions(auth=AuthOptions(keys=(HS256,))))
    assert secret_in(shown) is None


def test_the_log_of_a_start_has_none(serve: Serve) -> None:
    _, entry = new_api_key("a", ["operate"])
    served = serve(
        env={
            "SSE_SERVER_AUTH_KEYS": HS256,
            "SSE_SERVER_AUTH_API_KEYS": entry,
            "SSE_SERVER_LOGGING_LEVEL": "debug",
        }
    )
    served.stop()
    assert "server started" in served.log()
    assert "curl -N -H 'Authorization: Bearer TOKEN' http://" in served.log()
    assert json.dumps(entry) not in served.log()
