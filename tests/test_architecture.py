"""docs/architecture.md is about this code: what it names exists, and it leaves no module out."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "sse_server"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

SPANS = sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```$", "", PAGE))))
FILES = [span for span in SPANS if re.fullmatch(r"[\w/.-]+\.(?:py|md|html|toml)", span)]
NAMES = [span for span in SPANS if re.fullmatch(r"\w+(?:\.\w+)+", span) and span not in FILES]
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if not path.name.startswith("_")
)


def resolve(name: str) -> object:
    """What a dotted name stands for: a module, or something in one.

    Raises:
        AttributeError: there is no such thing.
    """
    found: object = importlib.import_module("sse_server")
    done = "sse_server"
    for part in name.split("."):
        if inspect.ismodule(found) and not hasattr(found, part):
            try:
                importlib.import_module(f"{done}.{part}")
            except ModuleNotFoundError:
                raise AttributeError(f"{done} has no {part}") from None
        if inspect.isclass(found) and not hasattr(found, part):
            # An attribute that only instances have.
            if not re.search(rf"\bself\.{part}\b.* = ", inspect.getsource(found)):
                raise AttributeError(f"{done} has no {part}")
            return None
        found = getattr(found, part)
        done += f".{part}"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_name_exists(name: str) -> None:
    resolve(name)


@pytest.mark.parametrize("file", FILES)
def test_file_exists(file: str) -> None:
    assert (ROOT / file).is_file() or (PACKAGE / file).is_file()


@pytest.mark.parametrize("module", MODULES)
def test_module_is_named(module: str) -> None:
    assert f"`{module}`" in PAGE, f"docs/architecture.md says nothing of {module}"


@pytest.mark.parametrize(
    "name",
    ["core.nothing", "core.log.Nothing", "core.log.Log.nothing", "core.hub.Hub.nothing", "a.b"],
)
def test_name_that_does_not_exist_is_found(name: str) -> None:
    with pytest.raises(AttributeError):
        resolve(name)
