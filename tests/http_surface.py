"""What the code says of its HTTP surface: found by reading it, or by asking it.

Statuses, codes and header fields have to stand in the code as literals to be found here.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import sse_server
from sse_server.auth.anonymous import _HOP_FIELDS
from sse_server.errors import LimitExceeded, RemoteProtocolError, RequestError
from sse_server.http.request import Request
from sse_server.http.request_head import NOT_HTTP
from sse_server.http.response import Answer, Response

PACKAGE = Path(sse_server.__file__).parent

Error = tuple[int, str]
"""Status and code."""

_REFUSERS = ("refuse", "_refuse", "RemoteProtocolError")
_OF_ANSWERS = ("endpoints", "http", "auth", "net", "errors")  # who read and write fields
_FIELD_NAME = re.compile(rb"[a-z]+(?:-[a-z]+)*")
_WRITTEN_FIELD = re.compile(rb"([A-Z][a-z]+(?:-[A-Z][a-z]+)*): ")
_UNKNOWN_PARAMETER = b"surely_unknown"


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its name, as a tree."""
    names = [
        module.name
        for module in pkgutil.walk_packages(sse_server.__path__, "sse_server.")
        if not module.name.endswith("__main__")
    ]
    trees: dict[str, ast.Module] = {}
    for name in names:
        file = importlib.import_module(name).__file__
        assert file is not None, name
        trees[name] = ast.parse(Path(file).read_text(encoding="utf-8"))
    return trees


MODULES = modules()


def errors() -> set[Error]:
    """All that a client can be refused with."""
    found = {(error.status, error.code) for error in _subclasses(RequestError)}
    for name, tree in MODULES.items():
        if name.split(".")[1] not in (*_OF_ANSWERS, "wire"):
            continue
        for call in _calls(tree):
            called = _called(call)
            if called in _REFUSERS:
                status = _argument(name, call, 1, "status", 400)
                code = _argument(name, call, 2, "code", "bad-request")
                assert isinstance(status, int)
                found.add((status, str(code)))
            elif called == "LimitExceeded":
                limit = LimitExceeded(limit=str(_argument(name, call, 0, "limit", "")), allowed=1)
                found.add((limit.status, limit.code))
    return {error for error in found if error[1] != NOT_HTTP}  # which gets no answer


def successes() -> set[int]:
    """The statuses of answers that are no errors."""
    found = {200}  # of streams
    for tree in MODULES.values():
        for call in _calls(tree):
            first = call.args[0] if call.args else None
            if _called(call) in {"Response", "json_response"} and isinstance(first, ast.Constant):
                assert isinstance(first.value, int)
                found.add(first.value)
    return found


def header_fields() -> set[str]:
    """The fields that are read or written, in lower case."""
    found = set(_HOP_FIELDS)
    for name, tree in MODULES.items():
        if name.split(".")[1] in _OF_ANSWERS:
            found.update(_read_fields(tree), _written_fields(tree))
    return {field.decode().lower() for field in found}


def parameters(ask: Callable[[Request], Answer], method: bytes, path: bytes) -> set[str]:
    """The query parameters that make a difference at an address.

    Every word of the endpoints is tried, twice at once and with a value that is good for none: a
    known one is refused then, in another way than one that nobody knows.
    """

    def outcome(parameter: bytes) -> object:
        query = b"%b=%%01&%b=%%01" % (parameter, parameter)
        headers = ((b"host", b"localhost"), (b"content-type", b"application/json"))
        answer = ask(Request(method, path, query, headers))
        if not isinstance(answer, Response) or answer.status < 400:
            return 200
        return answer.status, answer.body.replace(b"'%b'" % parameter, b"it")

    ordinary = outcome(_UNKNOWN_PARAMETER)
    return {word.decode() for word in _words() if outcome(word) != ordinary}


def numbers(options: object, path: str = "") -> dict[str, float | None]:
    """The numbers among frozen options, by the path to them; None where one may be left open."""
    assert is_dataclass(options)
    found: dict[str, float | None] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        name = f"{path}{field.name}"
        if is_dataclass(value):
            found.update(numbers(value, f"{name}."))
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            found[name] = value
    return found


def constants() -> set[str]:
    """The public limits and defaults that are fixed, by dotted name."""
    return {
        f"{name.removeprefix('sse_server.')}.{constant}"
        for name in MODULES
        if name.split(".")[1] in {"endpoints", "http", "wire"}
        for constant in _assigned(MODULES[name])
        if re.match("(?:MAX|DEFAULT)_", constant)
    }


def constant(dotted: str) -> object:
    """The value of what `constants` names."""
    module, _, name = dotted.rpartition(".")
    value: object = getattr(importlib.import_module(f"sse_server.{module}"), name)
    return value


def _subclasses(kind: type[RequestError]) -> Iterator[type[RequestError]]:
    for found in kind.__subclasses__():
        if found.__module__.startswith("sse_server."):
            if found not in {LimitExceeded, RemoteProtocolError}:  # each of theirs has its own
                yield found
            yield from _subclasses(found)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """All calls, but for those with which a refuser passes on what it was given."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and node.name in _REFUSERS:
            continue
        if isinstance(node, ast.Call):
            yield node
        yield from _calls(node)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _argument(module: str, call: ast.Call, index: int, name: str, default: object) -> object:
    """What an argument is: a literal, or a constant of its module."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == name]
    given += call.args[index : index + 1]
    if not given:
        return default
    if isinstance(given[0], ast.Name):
        return getattr(importlib.import_module(module), given[0].id)
    assert isinstance(given[0], ast.Constant), f"{module}:{call.lineno}: write {name} as a literal"
    return given[0].value


def _bytes(node: ast.AST | None) -> bytes | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, bytes) else None


def _read_fields(tree: ast.Module) -> Iterator[bytes]:
    """`request.header(b"…")`, `fields.get(b"…")`, `b"…" in fields`, `name == b"…"`."""
    for node in ast.walk(tree):
        field = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of = getattr(node.func.value, "id", "")
            if node.func.attr in {"header", "header_values"} or (of, node.func.attr) == (
                "fields",
                "get",
            ):
                field = _bytes(node.args[0])
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            if isinstance(node.ops[0], ast.In) and _is_called(node.comparators[0], "fields"):
                field = _bytes(node.left)
            elif isinstance(node.ops[0], ast.Eq) and _is_called(node.left, "name"):
                field = _bytes(node.comparators[0])
        if field:
            yield field


def _is_called(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _written_fields(tree: ast.Module) -> Iterator[bytes]:
    """`(b"name", …)`, and `b"Name: …"`."""
    sets = {id(arg) for call in _calls(tree) if _called(call) == "frozenset" for arg in call.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and id(node) not in sets:
            name = _bytes(node.elts[0])
            if name and _FIELD_NAME.fullmatch(name):
                yield name
        else:
            yield from _WRITTEN_FIELD.findall(_bytes(node) or b"")


def _words() -> set[bytes]:
    """All that a parameter could be called."""
    found = {
        _bytes(node) or b""
        for name, tree in MODULES.items()
        if name.startswith("sse_server.endpoints")
        for node in ast.walk(tree)
    }
    return {word for word in found if re.fullmatch(rb"[a-z_]+", word)}


def _assigned(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
