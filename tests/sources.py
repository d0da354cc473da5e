"""The modules of this checkout as text and as trees, for tests that hold rules over all of them.

There are many: each process lists and reads them once. A tree is parsed anew each time it is asked
for, as all of them at once would fill memory. So look for a word in the text first, where a module
without it is of no matter, and keep what was found in a tree instead of the tree.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Where what ships lies, and the simulator.
SOURCE_ROOTS = ("core", "operator", "simulator", "worker_agent")


def modules(*folders: str) -> Iterator[Path]:
    """Yield the modules below each of *folders*, which are named from the root of the checkout."""
    for folder in folders:
        yield from _modules_below(ROOT / folder)


@cache
def _modules_below(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.rglob("*.py")))


@cache
def text_of(path: Path) -> str:
    """Return the module's text."""
    return path.read_text()


def tree_of(path: Path) -> ast.Module:
    """Return the module, parsed."""
    return ast.parse(text_of(path))


@cache
def imports_of(path: Path) -> tuple[str, ...]:
    """Return the modules that this one imports by name, anywhere in it."""
    return tuple(name for node in statements(tree_of(path)) for name in _imported(node))


@cache
def classes_of(path: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each class of the module, with the last words of its bases."""
    if "class " not in text_of(path):
        return ()
    return tuple(
        (node.name, tuple(_last_word(base) for base in node.bases))
        for node in statements(tree_of(path))
        if isinstance(node, ast.ClassDef)
    )


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements within *node*, and what is within them, but for expressions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from statements(child)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""


def _last_word(node: ast.expr) -> str:
    return ast.unparse(node.value if isinstance(node, ast.Subscript) else node).rsplit(".", 1)[-1]
