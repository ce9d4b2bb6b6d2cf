"""`python -m bench`: the load bench."""

import sys

from bench.load.command import main

sys.exit(main())
