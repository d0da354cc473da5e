"""One word for one thing: what the project does not call things, in the names of its whole tree.

A word that the field uses for something else as well cannot be told by a name alone: a resource
*group*, the worker's *bundle*, a blob *container*, an asyncio *task*, a Run *Command*, an HTTP
*proxy*, a file *descriptor*. Those are left to whoever reads a change.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.sources import ROOT, SOURCE_ROOTS, modules, text_of, tree_of

#: What is not said, and what is said instead.
REFUSED = {
    "backuprun": "BackupSession",
    "bucket": "repository",
    "chunk": "block",
    "compact": "prune",
    "diff": "changed extents",
    "gc": "prune",
    "helper": "what it does",
    "hint": "extent",
    "hub": "appliance",
    "infra": "RegionEnvironment",
    "infrastructure": "RegionEnvironment",
    "instance": "appliance, or VM",
    "lifecycle": "retention",
    "location": "region",
    "misc": "what it holds",
    "node": "worker",
    "restorepoint": "recovery point",
    "scrub": "check",
    "segment": "pack",
    "site": "RegionEnvironment",
    "ttl": "retention",
    "util": "what it does",
    "vacuum": "prune",
    "validate": "check",
    "vault": "repository",
}
#: What a function does not begin with, and what it says instead.
REFUSED_VERBS = {
    "do": "the verb of what is done",
    "fetch": "find, get or read",
    "handle": "answer, or the verb of what is done",
    "process": "the verb of what is done",
    "retrieve": "find, get or read",
}
#: Names in which a refused word is somebody else's term: where they are allowed, and whose it is.
OTHERS_TERMS = {
    r"(?i:_?(token_?)?buckets?)": ("", "a token bucket, as the field calls that way of pacing"),
    r"do_[A-Z]+|process_request|handle_error": ("tests tools", "methods that http.server calls"),
    r"chunk_size": ("operator/vmbackup_operator/handlers", "a setting of kopf's"),
    r"\w*in_chunks": ("tests/unit/worker/export_host.py", "HTTP's chunked transfer"),
    r"compact": ("tests/format/golden/moved.py", "the format's word for what is not built yet"),
    r"diff_(id|disk_settings)": ("operator tools", "Azure's ephemeral disks; an image's layers"),
    r"_?instance_?views?|_?InstanceView": ("operator simulator", "Azure's word for a VM's state"),
    r"_?instance": (
        "operator/vmbackup_operator simulator/azure_simulator/identities tools tests/cluster",
        "one process of the operator, as Kubernetes' Events and Leases say; Entra's discovery",
    ),
    r"location": ("operator/vmbackup_operator/services", "a field of Azure's bodies"),
    r"_?locations?|_LOCATION": ("simulator", "a field of Azure's bodies; a header of HTTP's"),
    r"_?(oldest_|with_)?node(_program)?|OLDEST_NODE": (
        "simulator/azure_simulator/storage tests tools",
        "Node.js; a node of Python's syntax trees",
    ),
    r"(\w+_)?nodes?|Node|NODES": (
        "tests/chart tests/unit/nodeagent tools",
        "a machine of a Kubernetes cluster, real or played",
    ),
    r"pytest_configure_node": ("tests", "a hook of pytest-xdist's"),
    r"ttl_seconds_after_finished": ("operator/vmbackup_operator/model", "as Kubernetes' Jobs say"),
    r"idle_ttl_seconds|IDLE_TTL_S": (
        "operator/vmbackup_operator/settings.py tests",
        "how long what is idle stays, as Kubernetes says it of Jobs",
    ),
    r"ttl": ("simulator/azure_simulator/arm", "of a DNS record"),
    r"test_\w+": ("tests", "a sentence, which speaks of all of these"),
}

EVERYWHERE = (*SOURCE_ROOTS, "tests", "tools")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: A text without any of these holds no name that is refused: its tree is not made.
_LIKELY = re.compile(
    rf"def _*({'|'.join(REFUSED_VERBS)})(?![a-z])|(?i:backup_?run|restore_?point)"
    rf"|(?<![A-Za-z])(?i:{'|'.join(REFUSED)})s?(?![a-z])"
    rf"|({'|'.join(word.capitalize() for word in REFUSED)})s?(?![a-z])"
)


def words_of(name: str) -> list[str]:
    """Return the words of a name, in whatever case it is written."""
    return [word.lower() for word in _WORD.findall(name)]


def refused_in(name: str, *, is_function: bool = False) -> str | None:
    """Return the first word of *name* that is not said, if there is one."""
    words = words_of(name)
    pairs = [one + other for one, other in pairwise(words)]
    singular = [word.removesuffix("s") for word in words]
    if is_function and words and words[0] in REFUSED_VERBS:
        return words[0]
    return next((word for word in (*words, *singular, *pairs) if word in REFUSED), None)


def names_given(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Yield each name that the module gives to something, its line, and whether a function's."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno, True
            case ast.ClassDef():
                yield node.name, node.lineno, False
            case ast.arg():
                yield node.arg, node.lineno, False
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno, False
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno, False
            case ast.alias(asname=str(name)):
                yield name, node.lineno, False
            case _:
                pass


def terms_of(name: str, where: str) -> list[str]:
    """Return the terms of others that *name*, given in the module *where*, is."""
    return [
        term
        for term, (places, _whose) in OTHERS_TERMS.items()
        if re.fullmatch(term, name) and any(where.startswith(each) for each in places.split(" "))
    ]


def given_in(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Yield what the module is called, and what it names."""
    yield path.stem, 1, False
    if _LIKELY.search(text_of(path)):
        yield from names_given(tree_of(path))


def refusals() -> Iterator[tuple[str, str, str, int]]:
    """Yield each name with a refused word in it, that word, and where it is given."""
    for path in modules(*EVERYWHERE):
        where = path.relative_to(ROOT).as_posix()
        for name, line, is_function in given_in(path):
            word = refused_in(name, is_function=is_function)
            if word is not None:
                yield name, word, where, line


def test_things_are_called_by_one_word_in_all_names_and_no_exception_is_idle() -> None:
    astray: list[str] = []
    used: set[str] = set()
    for name, word, where, line in refusals():
        terms = terms_of(name, where)
        used.update(terms)
        if not terms:
            instead = (REFUSED | REFUSED_VERBS)[word]
            astray.append(f"{where}:{line}: {name}: not {word}, but {instead}")

    assert astray == []
    assert OTHERS_TERMS.keys() - used == set()


def test_fields_of_objects_are_called_as_the_names_in_code() -> None:
    fields = {
        field
        for path in sorted((ROOT / "crds").glob("*.yaml"))
        for field in re.findall(r"^ +([a-z][A-Za-z]+):", path.read_text(), re.MULTILINE)
    }

    assert {"virtualMachineId", "spec"} <= fields
    assert {field for field in fields if refused_in(field)} == {"ttlSecondsAfterFinished"}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("read_chunk", "chunk"),
        ("ChunkReader", "chunk"),
        ("chunks", "chunk"),
        ("MAX_CHUNKS", "chunk"),
        ("RestorePoint", "restorepoint"),
        ("the_restore_point", "restorepoint"),
        ("_nodes", "node"),
        ("sites", "site"),
        ("recovery_point", None),
        ("prerequisite", None),
        ("different", None),
        ("fetch", None),
    ],
)
def test_a_word_is_found_in_any_way_of_writing_names(name: str, word: str | None) -> None:
    assert refused_in(name) == word


@pytest.mark.parametrize("name", ["fetch", "_fetch_all", "process_disk", "handle", "do", "_do_it"])
def test_what_acts_says_what_it_does(name: str) -> None:
    assert refused_in(name, is_function=True) is not None
