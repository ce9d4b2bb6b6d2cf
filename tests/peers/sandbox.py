"""Runs a command in what a unit allows, as far as one process can do that to itself.

    python sandbox.py UNIT COMMAND…

That is MemoryDenyWriteExecute=, SystemCallFilter= and SystemCallErrorNumber=, by the library that
systemd uses and in the way in which it does. What stands behind the names of groups of system calls
is asked of the systemd that is installed.
"""

import ctypes
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

# seccomp.h
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_MASKED_EQUAL = 7
# mman.h, shm.h
_PROT_WRITE = 2
_PROT_EXEC = 4
_SHM_EXEC = 0o100000

# Which bits of which argument systemd refuses for MemoryDenyWriteExecute=.
_WRITE_EXECUTE = {
    "mmap": (2, _PROT_WRITE | _PROT_EXEC),
    "mprotect": (2, _PROT_EXEC),
    "pkey_mprotect": (2, _PROT_EXEC),
    "shmat": (2, _SHM_EXEC),
}


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


class _Filter:
    """What becomes of system calls; the strictest of the filters that are loaded counts."""

    def __init__(self, action: int) -> None:
        """`action` where no rule says otherwise."""
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(action))

    def add(self, action: int, name: str, *comparisons: _Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # it is another machine's
            return
        rules = (_Comparison * len(comparisons))(*comparisons)
        count = len(comparisons)
        added = self._library.seccomp_rule_add_array(self._context, action, number, count, rules)
        assert added == 0, name

    def load(self) -> None:
        """It holds from here on, for what is executed too."""
        assert self._library.seccomp_load(self._context) == 0


def main(unit: str, *command: str) -> None:
    """Become `command`."""
    service = read_unit(Path(unit))["Service"]
    assert service["MemoryDenyWriteExecute"] == ["yes"]
    memory = _Filter(_ALLOW)
    for name, (argument, bits) in _WRITE_EXECUTE.items():
        comparison = _Comparison(argument, _MASKED_EQUAL, bits, bits)
        memory.add(_ERRNO | errno.EPERM, name, comparison)
    (error,) = service["SystemCallErrorNumber"]
    calls = _Filter(_ERRNO | getattr(errno, error))
    for name in allowed_calls(service["SystemCallFilter"]):
        calls.add(_ALLOW, name)
    memory.load()
    calls.load()
    os.execvp(command[0], command)


def read_unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Sections, their settings, and the values of each: a setting may be there more than once."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in map(str.strip, path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return found


def allowed_calls(lines: list[str]) -> set[str]:
    """The names of the system calls that these lines of SystemCallFilter= leave."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    groups: dict[str, list[str]] = {}
    for block in re.split(r"\n(?=\S)", text):
        name, *entries = (line.strip() for line in block.splitlines())
        groups[name] = [entry for entry in entries if entry and not entry.startswith("#")]

    def expand(name: str) -> set[str]:
        return set().union(*map(expand, groups[name])) if name.startswith("@") else {name}

    allowed: set[str] = set()
    for line in lines:
        names: set[str] = set().union(*map(expand, line.removeprefix("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


if __name__ == "__main__":
    main(*sys.argv[1:])
