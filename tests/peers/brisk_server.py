"""A server whose heartbeats and farewells do not keep a test waiting: `brisk_server.py PORT`."""

import sys

from sse_server import HubOptions, ServerOptions
from sse_server.node.process import serve


def main(port: str) -> None:
    """Serve until a signal."""
    options = ServerOptions(
        bind=(f"127.0.0.1:{port}",),
        drain_seconds=0.5,
        restart_seconds=0.5,
        hub=HubOptions(heartbeat_seconds=2.0),
    )
    serve(options, lambda _server: None)


if __name__ == "__main__":
    main(sys.argv[1])
