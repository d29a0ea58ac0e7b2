"""What is public says what it is, and which errors it raises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from test_architecture import PROJECT, all_modules

Function = ast.FunctionDef | ast.AsyncFunctionDef

MAKERS = {"refused": "Refused", "unprocessable": "Problem", "not_found": "Problem"}
"""Functions whose answer is raised, with what that is."""


def public(module: Path) -> Iterator[tuple[str, Function | ast.ClassDef, str]]:
    """Where each public class and function of a module stands, it itself, and the docstring of the class around it."""
    yield from _public(ast.parse(module.read_text()).body, str(module.relative_to(PROJECT)), "")


def _public(body: list[ast.stmt], prefix: str, around: str) -> Iterator[tuple[str, Function | ast.ClassDef, str]]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            place = f"{prefix}:{node.lineno} {node.name}"
            yield place, node, around
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, place, ast.get_docstring(node) or "")


def is_stub(node: Function | ast.ClassDef) -> bool:
    """A line of a Protocol or an overload: `...` alone."""
    return [ast.unparse(statement) for statement in node.body] == ["..."]


def answers_requests(node: Function) -> bool:
    """Whether it is a view: the Problem that it raises is its answer, and the endpoint or the page says which."""
    takes = node.args.args[0].annotation if node.args.args else None
    decorators = [ast.unparse(each) for each in node.decorator_list]
    return any(each.startswith("allow(") for each in decorators) or (takes is not None and ast.unparse(takes) == "Call")


def raised(node: Function) -> set[str]:
    """The names of the errors that stand in `raise` in the function itself."""
    found = set()
    for each in _own_nodes(node):
        if isinstance(each, ast.Raise) and each.exc is not None:
            error = each.exc.func if isinstance(each.exc, ast.Call) else each.exc
            name = ast.unparse(error).rpartition(".")[2]
            found.add(MAKERS.get(name, name))
    return {name for name in found if name[0].isupper()} - {"AssertionError", "NotImplementedError"}


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.ClassDef | ast.Lambda):
            yield child
            yield from _own_nodes(child)


def test_public_classes_and_functions_say_what_they_are() -> None:
    assert not [
        place
        for module in all_modules()
        for place, node, _ in public(module)
        if not ast.get_docstring(node) and not is_stub(node)
    ]


def test_public_functions_name_the_errors_that_they_raise() -> None:
    """In their docstring, or in that of their class where all its methods raise the same."""
    unsaid = {}
    for module in all_modules():
        for place, node, around in public(module):
            if isinstance(node, Function):
                told = f"{ast.get_docstring(node)} {around}"
                missing = {name for name in raised(node) if name not in told}
                if missing - ({"Problem"} if answers_requests(node) else set()):
                    unsaid[place] = missing
    assert not unsaid
