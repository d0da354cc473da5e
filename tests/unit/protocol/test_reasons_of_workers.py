"""The closed list of reasons: as the document has it, and all that ends a job is on it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_args

from tests.reasons import reasons_of
from tests.sources import statements, tree_of
from vmbackup_core.protocol import FALLBACK_REASONS, REASONS
from vmbackup_operator.model.session import Outcome

ROOT = Path(__file__).parents[3]
ROOTS = {"vmbackup_core": ROOT / "core", "vmbackup_worker": ROOT / "worker_agent"}
#: Of the bundle and the settings: no job has begun where they are found.
BEFORE_ANY_JOB = {"BadBundle", "BadSettings"}
#: Azure's own words, which a store's failure passes on.
CODES_OF_STORAGE: set[str] = set()
#: Of repositories and user keys as a whole: who has one chain's keys meets none of these.
OF_REPOSITORIES = {
    "ChainUnclear",
    "ForeignObjects",
    "ImmutabilityNotSupported",
    "KeyMismatch",
    "LastKey",
    "NotInitialised",
    "RepositoryThere",
    "WrapMistyped",
}


def test_the_document_lists_just_these() -> None:
    text = (ROOT / "docs/worker-protocol.md").read_text()
    table = text.split("### Reasons")[1].split("\n## ")[0].split("| --- | --- |")[1]

    assert sorted(re.findall("`([A-Za-z]+)`", table)) == sorted(REASONS)


def test_the_document_lists_just_these_reasons_to_read_a_disk_whole() -> None:
    text = (ROOT / "docs/worker-protocol.md").read_text()
    table = text.split("| `fallback.reason` |")[1].split("\n\n")[0]

    assert sorted(re.findall("^\\| `([A-Za-z]+)` \\|", table, re.MULTILINE)) == sorted(
        FALLBACK_REASONS
    )


def path_of(module: str) -> Path | None:
    """Return the file of a module of ours."""
    root = ROOTS.get(module.split(".", maxsplit=1)[0])
    if root is None:
        return None
    path = root / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported(path: Path) -> set[str]:
    """Return the modules that are named by the imports of a file."""
    found = set()
    for node in statements(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


@cache
def modules_of_the_agent() -> tuple[Path, ...]:
    """Return the files of all modules that the agent loads, by way of others too."""
    reached, left = set[Path](), ["vmbackup_worker.__main__"]
    while left:
        path = path_of(left.pop())
        if path is not None and path.is_file() and path not in reached:
            reached.add(path)
            left += imported(path)
    return tuple(sorted(reached))


@cache
def reasons_of_the_agent() -> frozenset[str]:
    return frozenset(reasons_of(modules_of_the_agent()))


def test_whatever_the_agent_says_is_on_one_of_the_lists() -> None:
    listed = {*REASONS, *FALLBACK_REASONS}
    missing = reasons_of_the_agent() - listed - BEFORE_ANY_JOB - OF_REPOSITORIES
    assert not missing, f"the agent can end a job, or read a disk whole, for {missing}"


def test_nothing_on_the_lists_is_without_a_place_that_says_it() -> None:
    listed = {*REASONS, *FALLBACK_REASONS}
    assert not listed - reasons_of_the_agent() - CODES_OF_STORAGE


def test_the_agent_loads_nothing_of_the_control_place() -> None:
    assert not [path for path in modules_of_the_agent() if "/control/" in str(path)]


def test_no_reason_is_a_way_for_a_session_to_end() -> None:
    assert not set(REASONS) & {*get_args(Outcome), "Deleted", "Complete"}
