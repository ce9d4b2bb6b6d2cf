"""What event streams are told instead of 503.

EventSource gives up for good on any answer but 200, and does not heed Retry-After. So who asks for
an event stream by name that cannot be opened now gets one that ends at once: a comment with the
reason, and when to come back. Others get an honest 503.
"""

from itertools import count

from sse_server.endpoints.media_type import names_event_stream
from sse_server.errors import RequestError, Unavailable
from sse_server.http.heads import EVENT_STREAM_FIELDS
from sse_server.http.request import Request
from sse_server.http.response import Response, error_response
from sse_server.wire.encoder import comment, retry_block

_STREAMS = b"/events"
_STEPS = 16  # over three seconds, so that those who are sent away together do not come together
_told = count()


def refusal(request: Request, error: RequestError) -> Response:
    """The answer to `request`, which is refused."""
    path = request.path
    is_stream = path == _STREAMS or path.startswith(_STREAMS + b"/")
    if not (isinstance(error, Unavailable) and is_stream and request.method == b"GET"):
        return error_response(error)
    if not names_event_stream(request):
        return error_response(error)
    wait_ms = 1_000 * (error.retry_after_seconds or 2) + 200 * (next(_told) % _STEPS)
    reason = comment(error.message).removesuffix(b"\n")
    return Response(200, EVENT_STREAM_FIELDS, reason + retry_block(wait_ms))
