"""`POST /revocations`: takes grants back, for operators.

`{"jti": …}` is a token, `{"sub": …}` all tokens of a user that were issued until now. Their streams
end at once. The answer is `{"ended": streams}`.
"""

from collections.abc import Callable
from typing import cast

from sse_server.auth.grant import InvalidGrant, name_claim
from sse_server.endpoints.address import only_parameters
from sse_server.endpoints.envelope import parse_json
from sse_server.endpoints.media_type import refuse_encoded_body
from sse_server.endpoints.rights import check_operate
from sse_server.endpoints.router import Router
from sse_server.errors import InvalidRequest
from sse_server.http.request import Request
from sse_server.http.response import NO_STORE, Response, json_response

Revoke = Callable[[str | None, str | None], int]
"""Takes a `jti`, a `sub`; returns how many streams that has ended."""

_MEMBERS = frozenset(("jti", "sub"))


class RevocationsEndpoint:
    """Takes grants back."""

    __slots__ = ("_revoke",)

    def __init__(self, revoke: Revoke) -> None:
        """`revoke` refuses where there are no grants."""
        self._revoke = revoke

    def add_to(self, router: Router) -> None:
        """Take `/revocations`."""
        router.add(b"POST", "/revocations", self)

    def __call__(self, request: Request) -> Response:
        """`POST /revocations`."""
        only_parameters(request, frozenset())
        refuse_encoded_body(request)
        check_operate(request)
        value = parse_json(request.body, "the body")
        if not isinstance(value, dict) or not value or not _MEMBERS.issuperset(value):
            raise InvalidRequest('the body must be {"jti": token} or {"sub": user}')
        claims = cast("dict[str, object]", value)
        try:
            token_id, subject = name_claim(claims, "jti"), name_claim(claims, "sub")
        except InvalidGrant as error:
            raise InvalidRequest(str(error)) from None
        if token_id is None and subject is None:
            raise InvalidRequest('the body must be {"jti": token} or {"sub": user}')
        return json_response(200, {"ended": self._revoke(token_id, subject)}, (NO_STORE,))
