"""Times of single functions: `python -m bench.micro`.

- `timer`: the registry and how a row is timed.
- `rows_*`: the functions, a module for each layer; a new row is one decorated function.
"""
