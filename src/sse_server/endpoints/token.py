"""`POST /token`: who has a session gets a token for an address, good for one stream, for a minute.

EventSource sends no header fields, and a session's own token does not belong into an address. The
body is a JSON object, or nothing: `{"channels": ["news", "room:*"]}` names what of the session's
channels the token is to be for; without it, it is for all of them. The answer is `{"token": …,
"expires_in": seconds}`.
"""

from collections.abc import Callable
from typing import cast

from sse_server.auth.grant import Grant
from sse_server.auth.guard import Access
from sse_server.auth.patterns import InvalidPatterns, pattern_list
from sse_server.endpoints.address import only_parameters
from sse_server.endpoints.envelope import parse_json
from sse_server.endpoints.media_type import refuse_encoded_body
from sse_server.endpoints.router import Router
from sse_server.errors import InvalidRequest, NotGranted, quoted
from sse_server.http.request import Request
from sse_server.http.response import NO_STORE, Response, json_response

Issue = Callable[[Grant, list[str]], tuple[str, int]]
"""Makes a token for a grant and patterns of it; how many seconds it can be used."""

_MEMBERS = frozenset(("channels",))


class TokenEndpoint:
    """Exchanges sessions for tokens."""

    __slots__ = ("_issue",)

    def __init__(self, issue: Issue) -> None:
        """`issue` refuses where there are no tokens."""
        self._issue = issue

    def add_to(self, router: Router) -> None:
        """Take `/token`."""
        router.add(b"POST", "/token", self)

    def __call__(self, request: Request) -> Response:
        """`POST /token`."""
        only_parameters(request, frozenset())
        refuse_encoded_body(request)
        access = request.rights
        grant = access.grant if isinstance(access, Access) else Grant()
        token, seconds = self._issue(grant, _channels(request.body, grant))
        return json_response(200, {"token": token, "expires_in": seconds}, (NO_STORE,))


def _channels(body: bytes, grant: Grant) -> list[str]:
    """What of `grant` is asked for.

    Raises:
        InvalidRequest: that cannot be understood.
        NotGranted: it is not part of it.
    """
    if not body.strip():
        return list(grant.subscribe.texts)
    value = parse_json(body, "the body")
    if not isinstance(value, dict) or not _MEMBERS.issuperset(value):
        raise InvalidRequest('the body must be nothing, or {"channels": [names and patterns]}')
    asked = cast("dict[str, object]", value).get("channels")
    if asked is None:
        return list(grant.subscribe.texts)
    try:
        wanted = pattern_list(asked).texts
    except InvalidPatterns as error:
        raise InvalidRequest(f"channels: {error}") from None
    for text in wanted:
        # A user's own channel is asked for by its name: of one who is called `*` it would be
        # written as the pattern of everybody's.
        is_own = "*" not in text and grant.may_subscribe(text)
        if not (is_own or grant.subscribe.cover(text)):
            raise NotGranted(f"you may not follow {quoted(text)}")
    return list(wanted)
