"""What a client is told when answering it has failed here."""

from sse_server.errors import RequestError


class InternalError(RequestError):
    """An error of ours. What it was stands in the log, not in the answer."""

    status = 500
    code = "internal-error"

    def __init__(self) -> None:
        """The same for all."""
        super().__init__("the server failed to answer this request; its log says why")
