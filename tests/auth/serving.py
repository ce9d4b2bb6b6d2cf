"""A server where everyone has to say who they are, and what it is asked."""

import json
import re
import time
from collections.abc import Callable

import jwt

from sse_server import AuthOptions, CorsOptions, ServerOptions
from sse_server.auth.api_keys import new_api_key
from tests.auth.secrets import secret_in
from tests.running_server import Answer, RunningServer

APP = "https://app.example"
PUBLISHER, PUBLISHER_ENTRY = new_api_key("publisher", ["publish=news:*|a"])
OPERATOR, OPERATOR_ENTRY = new_api_key("operator", ["operate"])

Start = Callable[[AuthOptions], RunningServer]


def options(auth: AuthOptions) -> ServerOptions:
    cors = CorsOptions(origins=(APP,))
    return ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, auth=auth, cors=cors)


def bearer(text: str) -> str:
    return f"Authorization: Bearer {text}\r\n"


def ask(running: RunningServer, target: str, fields: str = "", body: str | None = None) -> Answer:
    with running.client() as client:
        if body is None:
            client.get(target, fields)
        else:
            client.post(target, body, fields)
        answer = client.read_answer()
    if target != "/token":
        assert secret_in(answer.body.decode()) is None
    return answer


def let_time_pass(running: RunningServer, seconds: float) -> None:
    """For the ends of grants."""
    keeper = running.server._gate._keeper
    assert keeper is not None
    streams = keeper.streams
    running.call(lambda: setattr(streams, "_clock", lambda: time.time() + seconds))


def claims_of(text: str) -> dict[str, float]:
    """The times that stand in a token."""
    found: dict[str, float] = jwt.decode(text, options={"verify_signature": False})
    return found


def error(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]


UNAUTHORIZED = (401, "unauthorized")
NOT_GRANTED = (403, "not-granted")
FORBIDDEN = (403, "forbidden")


class Controlled:
    """A stream that its client may change."""

    def __init__(self, running: RunningServer, target: str, fields: str = "") -> None:
        self.client = running.client()
        self.client.get(f"{target}{'&' if '?' in target else '?'}control=1", fields)
        opening = self.client.read_stream_head()
        data = re.findall(rb"data: (.*)\n", opening.body)[0]
        self.name: str = json.loads(data)["subscriber"]
        self.cookie = opening.fields.get("set-cookie", "").partition(";")[0]

    def change(self, running: RunningServer, fields: str, **how: list[str]) -> Answer:
        return ask(running, f"/subscribers/{self.name}/channels", fields, json.dumps(how))

    def renew(self, running: RunningServer, fields: str) -> Answer:
        return ask(running, f"/subscribers/{self.name}/token", fields, "")


def names(running: RunningServer) -> str:
    """All streams that are open."""
    return ask(running, "/subscribers?limit=1000", bearer(OPERATOR)).body.decode()
