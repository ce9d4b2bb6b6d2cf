"""What the code says of its options: the docstrings of classes and of their fields."""

import ast
import inspect

from sse_server.options import Options


def class_docstring(options: type[Options]) -> str:
    """What stands below `class …:`."""
    return inspect.cleandoc(options.__doc__ or "")


def field_docstrings(options: type[Options]) -> dict[str, str]:
    """What stands below each field, those of base classes included. Python does not keep it."""
    found: dict[str, str] = {}
    for owner in reversed(options.__mro__):
        if owner is not object:
            found.update(_docstrings(ast.parse(inspect.getsource(owner)).body[0]))
    return found


def _docstrings(definition: ast.stmt) -> dict[str, str]:
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
    return found
