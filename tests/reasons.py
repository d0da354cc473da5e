"""The reasons that the code can set, read from its source: for the documents that explain them.

A reason is a text in one of a few places: the argument called ``reason``, the place of a reason in
a call that states something (`STATES`), what a function called ``…reason…`` or ``…refusal…``
returns, and whatever was given to a name that stands in one of those places.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.sources import statements, tree_of

WORD = re.compile(r"^[A-Z][a-z]+(?:[A-Z][a-z0-9]*)*$")

#: What states a reason, and the place of it among the arguments.
STATES = {
    "Failed": 0,
    "TryAgain": 0,
    "Finding": 0,
    "Waiting": 2,
    "Statement": 2,
    "_state": 3,
    "Troubled": 0,
    "complaint": 0,
    "tell": 2,
    "failure": 2,
    "of": 0,
    "NoDifferences": 0,
    "as_ready": 1,
    "as_reconciling": 0,
    "as_stalled": 0,
}
Meanings = dict[str, list[ast.expr]]


def reasons_in(folder: Path) -> dict[str, str]:
    """Return each reason that the modules under *folder* can set, and a module that sets it."""
    return reasons_of(sorted(folder.rglob("*.py")))


def reasons_of(modules: Iterable[Path]) -> dict[str, str]:
    """Return each reason that these *modules* can set, and one of them that sets it."""
    trees = {path: tree_of(path) for path in modules}
    constants: Meanings = defaultdict(list)
    for tree in trees.values():
        _gather(tree.body, constants)
    found: dict[str, str] = {}
    for path, tree in trees.items():
        for place, local in _places(tree):
            for reason in _words(place, {**constants, **local}):
                found.setdefault(reason, path.name)
    return found


def _gather(body: Iterable[ast.AST], meanings: Meanings) -> None:
    """Add what the assignments in *body* give to plain names."""
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                meanings[name].append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                meanings[name].append(value)
            case _:
                continue


def _places(tree: ast.Module) -> Iterator[tuple[ast.expr, Meanings]]:
    """Yield each expression that is a reason, with what the names of its function stand for."""
    for function in statements(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            local: Meanings = defaultdict(list)
            _gather(statements(function), local)
            names_one = re.search(r"reason|refusal|one_word", function.name) is not None
            for node in ast.walk(function):
                for place in _of(node, returns=names_one):
                    yield place, local
        elif isinstance(function, ast.ClassDef):
            for place in _defaults(function):
                yield place, {}


def _of(node: ast.AST, *, returns: bool) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments):
            yield from (word.value for word in node.keywords if word.arg == "reason")
            if name in STATES:
                yield from arguments[STATES[name] : STATES[name] + 1]
        case ast.Return(value=ast.Tuple(elts=[first, *_])) if returns:
            yield first
        case ast.Return(value=ast.expr() as value) if returns:
            yield value
        case _:
            return


def _defaults(class_: ast.ClassDef) -> Iterator[ast.expr]:
    for statement in class_.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id="reason"), value=ast.expr() as value):
                yield value
            case _:
                continue


def _words(place: ast.expr, meanings: Meanings) -> Iterator[str]:
    """Yield the reasons that *place* can be, through conditions, names and tables."""
    match place:
        case ast.Constant(value=str(text)) if WORD.match(text):
            yield text
        case ast.IfExp(body=first, orelse=second):
            yield from _words(first, meanings)
            yield from _words(second, meanings)
        case ast.BoolOp(values=values) | ast.Dict(values=values):
            for value in values:
                yield from _words(value, meanings)
        case ast.Name(id=name):
            for value in meanings.get(name, []):
                yield from _words(value, {**meanings, name: []})
        case ast.Call(func=ast.Attribute(value=ast.Name() as table, attr="get")):
            yield from _words(table, meanings)
        case _:
            return
