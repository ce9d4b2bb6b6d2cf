"""Fuzz one target until it breaks or the runs are used up: `python -m tests.fuzz.fuzz TARGET …`.

What stands behind the target goes to libFuzzer: options such as `-runs=20000`, and a folder for
what is found on the way. For hours: `python -m tests.fuzz.fuzz head /tmp/head`.
"""

import importlib
import sys
import tempfile
from pathlib import Path

# It has no types, and is not there for every platform that mypy runs on.
atheris = importlib.import_module("atheris")

with atheris.instrument_imports(include=["sse_server"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Write down the seeds and what they are made of, and never return."""
    name, *arguments = sys.argv[1:]
    target = TARGETS[name]
    work = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for at, seed in enumerate(target.seeds):
        (work / f"seed-{at}").write_bytes(seed)
    dictionary = work.with_suffix(".dict")
    escaped = ["".join(f"\\x{byte:02x}" for byte in token) for token in target.tokens]
    dictionary.write_text("".join(f'"{token}"\n' for token in escaped))
    folders = [argument for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    # The first folder takes what is found; without one that is ours.
    command = [sys.argv[0], *options, f"-dict={dictionary}", *folders, str(work)]
    atheris.Setup(command, target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
