"""Times of single functions: `python -m bench.micro [WORD …]`.

- `timer`: the register of rows, and how one is timed.
- `calibration`: the loop whose time is the unit of the targets, since machines differ.
- `report`: the table, and which rows are beyond what is allowed.
- `rows_*`: the functions, a module for each layer; a new row is one decorated function.
"""
