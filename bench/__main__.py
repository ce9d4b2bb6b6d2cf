"""`python -m bench`: the load bench, then the hot functions."""

import sys

from bench.command import main

sys.exit(main())
