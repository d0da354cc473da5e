"""Which folder may know which library, and how the source is laid out."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from tests.sources import ROOT, SOURCE_ROOTS, imports_of, modules, text_of, tree_of

#: All of ours: what ships, and what is run here.
EVERYWHERE = (*SOURCE_ROOTS, "tests", "tools")
OURS = {"azure_simulator", "vmbackup_core", "vmbackup_operator", "vmbackup_worker"}
OPERATOR = "operator/vmbackup_operator"

#: How values are written down, anywhere.
VALUES = {"msgspec", "typing_extensions"}
SEALING = {"cryptography"}

#: What each folder may import beside the standard library and us; import-linter holds who of us may
#: import whom, but it cannot tell azure.mgmt from azure.storage.
MAY_IMPORT = {
    "core/vmbackup_core/protocol": VALUES | SEALING,
    "core/vmbackup_core/repository": VALUES | SEALING | {"blake3", "zstandard"},
    "core/vmbackup_core/stores": VALUES | {"azure.core", "azure.storage.blob"},
    f"{OPERATOR}/model": VALUES,
    f"{OPERATOR}/reconciling": VALUES,
    f"{OPERATOR}/sessions": VALUES | SEALING,
    f"{OPERATOR}/backups": VALUES,
    f"{OPERATOR}/restores": VALUES,
    f"{OPERATOR}/archives": VALUES,
    f"{OPERATOR}/verifications": VALUES,
    f"{OPERATOR}/environments": VALUES,
    f"{OPERATOR}/policies": VALUES | {"cronsim"},
    f"{OPERATOR}/repositories": VALUES,
    f"{OPERATOR}/upkeep": VALUES,
    f"{OPERATOR}/sweeping": VALUES,
    f"{OPERATOR}/services": VALUES
    | SEALING
    | {"aiohttp", "azure.core", "azure.identity", "azure.mgmt", "azure.storage"},
    f"{OPERATOR}/cluster": VALUES | {"aiohttp", "kubernetes.aio"},
    f"{OPERATOR}/handlers": VALUES | {"aiohttp", "kopf"},
    f"{OPERATOR}/kubectl_plugin": VALUES | {"click", "rich", "typer", "yaml"},
    "worker_agent/vmbackup_worker": VALUES
    | {"azure.core", "azure.storage.blob", "azure.storage.queue", "urllib3"},
    "simulator/azure_simulator": VALUES | SEALING | {"aiohttp", "trustme", "yarl"},
}

MAX_LINES = 400
#: A docstring, behind comments alone.
BEGINNING = re.compile(r'(?:#.*\n|\s)*"""\s*[^\s"]')


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_it_may(folder: str) -> None:
    allowed = MAY_IMPORT[folder]
    strays = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(folder)
        for name in imports_of(path)
        if name.split(".")[0] not in OURS | set(sys.stdlib_module_names)
        and not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)
    }

    assert not strays


def test_what_threads_decode_has_a_decoder_before_they_do() -> None:
    """Of a struct that two threads decode first at once msgspec crashes.

    What reads repositories and messages works in threads; the operator decodes in its loop alone.
    """
    made_while_decoding = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules("core", "worker_agent")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"decode", "convert"}
        and any(keyword.arg == "type" for keyword in node.keywords)
    }

    assert not made_while_decoding


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_what_is_ruled_about_is_there(folder: str) -> None:
    assert list(modules(folder))


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_a_source_root_holds_one_package_and_is_none(root: str) -> None:
    """`operator/__init__.py` would hide the standard library's module: Python would not start."""
    assert not (ROOT / root / "__init__.py").exists()
    assert len(list((ROOT / root).glob("*/__init__.py"))) == 1


@pytest.mark.parametrize("name", ["azure", "kubernetes", "queue", "types"])
def test_no_folder_hides_a_library(name: str) -> None:
    assert not [str(path) for path in modules(*EVERYWHERE) if path.parent.name == name]


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "common", "base", "manager", "misc"])
def test_no_module_is_a_drawer(name: str) -> None:
    assert not [str(path) for path in modules(*EVERYWHERE) if name in (path.stem, path.parent.name)]


def test_no_module_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules(*EVERYWHERE)
        if (lines := len(text_of(path).splitlines())) > MAX_LINES
    }

    assert not long


def test_every_module_begins_with_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules(*EVERYWHERE)
        if not BEGINNING.match(text_of(path))
    ]

    assert not silent


def test_nothing_is_patched_in_tests() -> None:
    patched = "mock"
    offenders = [
        str(path.relative_to(ROOT))
        for path in modules("tests")
        if patched in text_of(path)  # reading all of them is fast, parsing all is not
        for name in imports_of(path)
        if patched in name.split(".")
    ]

    assert not offenders
