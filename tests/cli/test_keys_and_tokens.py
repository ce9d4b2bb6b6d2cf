"""`sse-server key` and `sse-server token`, and what is told where PyJWT is missing."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jwt
import pytest

from sse_server.auth.api_keys import ApiKeys
from tests.auth.makers import SECRET, public_pem
from tests.cli.command import run

NO_PYJWT = (
    "import sys; sys.modules['jwt'] = None\n"
    "from sse_server.cli import main\n"
    "sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "key").write_text(SECRET + "\n")
    file = tmp_path / "sse.toml"
    file.write_text(
        f"[auth]\nkeys = ['HS512 kid=a file:{tmp_path}/key']\naudience = 'mine'\nissuer = 'app'\n"
    )
    return str(file)


def test_a_key_opens_what_its_entry_says() -> None:
    done = run("key", "new", "deploy", "--publish", "news:*", "--publish", "a", "--operate")
    key, entry = done.stdout.decode().splitlines()
    (text,) = tomllib.loads(entry)["api_keys"]
    grant = ApiKeys([text]).grant(key.encode())
    assert grant is not None
    assert grant.may_operate
    assert grant.may_publish("news:1")
    assert grant.may_publish("a")
    assert not grant.may_publish("b")
    assert not grant.may_subscribe("a")
    assert key not in text


@pytest.mark.parametrize(
    "arguments",
    [("deploy",), ("Deploy", "--operate"), ("a b", "--operate"), ("a", "--publish", "news*")],
)
def test_a_key_that_is_for_nothing(arguments: tuple[str, ...]) -> None:
    done = run("key", "new", *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1


def test_a_token_says_what_was_asked_for(config: str) -> None:
    done = run("token", "--config", config, "--sub", "7", "--tenant", "blue", "--once",
               "--subscribe", "a", "--subscribe", "b:*", "--publish", "c")  # fmt: skip
    text = done.stdout.decode().strip()
    assert jwt.get_unverified_header(text)["kid"] == "a"
    claims = jwt.decode(text, SECRET, ["HS512"], audience="mine", issuer="app")
    assert claims["exp"] - claims["iat"] == 60
    assert claims["jti"]
    assert (claims["sub"], claims["tenant"]) == ("7", "blue")
    assert claims["channels"] == {"subscribe": ["a", "b:*"], "publish": ["c"]}


def test_without_a_secret_there_is_no_token(tmp_path: Path) -> None:
    file = tmp_path / "sse.toml"
    file.write_text(f"[auth]\nkeys = [{json.dumps('RS256 pem:' + public_pem('RSA'))}]\n")
    done = run("token", "--config", str(file))
    assert done.returncode == 2
    assert done.stderr.startswith(b"sse-server: auth.keys: no secret is among them")


@pytest.mark.parametrize(
    "auth", ["keys = ['HS256 text:{secret}']", "forward.url = 'http://127.0.0.1:1/'"]
)
def test_without_pyjwt_one_line_says_what_to_install(tmp_path: Path, auth: str) -> None:
    file = tmp_path / "sse.toml"
    file.write_text(f"bind = ['127.0.0.1:0']\n[auth]\n{auth.format(secret=SECRET)}\n")
    for command in (["serve", "--config"], ["check-config"]):
        done = subprocess.run(
            [sys.executable, "-c", NO_PYJWT, *command, str(file)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "pip install 'sse-server[jwt]'" in done.stderr
        assert SECRET not in done.stderr


def test_api_keys_need_no_pyjwt(tmp_path: Path) -> None:
    entry = run("key", "new", "ops", "--operate").stdout.decode().splitlines()[1]
    file = tmp_path / "sse.toml"
    file.write_text(f"[auth]\n{entry}\n")
    done = subprocess.run(
        [sys.executable, "-c", NO_PYJWT, "check-config", str(file)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
