"""`python -m sse_server` is `sse-server`."""

import sys

from sse_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
