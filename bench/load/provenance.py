"""What a figure was measured on: commit and machine."""

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

_TREE = Path(__file__).parents[2]


def commit() -> str:
    """The commit that is measured; where the tree differs from it, with `+` and a digest of how."""
    head = _git("rev-parse", "--short=12", "HEAD").strip()
    if not head:
        return "unknown"
    changed = _git("status", "--porcelain", "--", "src", "bench")
    if not changed:
        return head
    difference = changed + _git("diff", "HEAD", "--", "src", "bench")
    return f"{head}+{hashlib.sha256(difference.encode()).hexdigest()[:8]}"


def machine() -> dict[str, str | int]:
    """Processor, cores, memory, kernel."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
    }


def _git(*arguments: str) -> str:
    """What git says; nothing where there is no git or no repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run(
        [git, "-C", str(_TREE), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout
