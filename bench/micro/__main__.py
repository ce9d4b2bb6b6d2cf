"""`python -m bench.micro [WORD …]`: times the rows whose name contains one of the words."""

import sys

from bench.micro import rows_wire
from bench.micro.timer import ROWS, best_us

_LOADED = (rows_wire,)  # importing them has filled ROWS


def main(words: list[str]) -> int:
    chosen = [row for row in ROWS if not words or any(word in row.name for word in words)]
    if not chosen:
        print(f"no row is named like {' or '.join(words)}")
        return 1
    width = max(len(row.name) for row in chosen)
    print(f"{'':{width}}  {'best µs':>9}  {'median µs':>9}")
    for row in chosen:
        best, median = best_us(row)
        print(f"{row.name:{width}}  {best:9.3f}  {median:9.3f}  {row.per}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
