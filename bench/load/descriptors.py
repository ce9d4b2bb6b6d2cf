"""How many descriptors a process may have: the bound on streams."""

import resource


def max_descriptors() -> int:
    """The hard limit of this process and of those it starts."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_limit() -> None:
    """Allow this process, and those it will start, what the hard limit allows."""
    hard = max_descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
