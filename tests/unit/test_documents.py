"""What the documents name is there, and nothing is left half done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reasons import reasons_in

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "charts",
    "core",
    "crds",
    "docs",
    "examples",
    "operator",
    "simulator",
    "tests",
    "tools",
    "worker_agent",
)
WRITTEN = {".md", ".py", ".sh", ".yaml", ".json"}

#: Words that say "later"; written apart here, so that this module does not say them.
UNFINISHED = re.compile("|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b")))
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
ANCHOR = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")
SOURCES = ("core/vmbackup_core", "operator/vmbackup_operator", "worker_agent/vmbackup_worker")
EXAMPLE = re.compile(r"\bexamples/[\w./-]*\w")
CODE = re.compile(r"^ *```.*?^ *```|`[^`]+`", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\bmake ([a-z]+)\b")


def texts() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            inside = path.relative_to(ROOT).parts
            if path.suffix in WRITTEN and not {"node_modules", "build"} & set(inside):
                yield path


DOCUMENTS = [path for path in texts() if path.suffix == ".md"]
documents = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS]
)


def anchors(path: Path) -> set[str]:
    """Return what links into *path* may name, as GitHub makes it of headings."""
    kept = (
        re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(path.read_text())
    )
    return {heading.strip().replace(" ", "-") for heading in kept}


def explained() -> set[str]:
    """Return the reasons that docs/operations.md explains, and kubectl.md of the plugin."""
    text = (ROOT / "docs" / "operations.md").read_text()
    text = text[text.index("## When something is wrong") :]
    harmless = text[text.index("These are no trouble") : text.index("### ")]
    words = re.findall(r"`([A-Z]\w+)`", harmless)
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| reason "):
            words += re.findall(r"\b[A-Z]\w+", line.split("|")[1])
    page = (ROOT / "docs" / "kubectl.md").read_text()  # what the plugin says itself
    words += re.findall(
        r"^\| ([A-Z]\w+) \|", page[page.index("### When it says no") :], re.MULTILINE
    )
    return set(words)


def test_every_reason_is_explained_and_none_that_nobody_gives() -> None:
    given: set[str] = set()
    for source in SOURCES:
        given |= set(reasons_in(ROOT / source))

    told = explained()
    passed_on = {reason for reason in told if reason.endswith("NotFound")}  # some are Azure's words
    assert sorted(given - told) == []
    assert sorted(told - given - passed_on) == []


def test_nothing_is_left_for_later() -> None:
    left = [str(path.relative_to(ROOT)) for path in texts() if UNFINISHED.search(path.read_text())]

    assert not left


@documents
def test_links_lead_somewhere(path: Path) -> None:
    text = CODE.sub("", path.read_text())
    broken = [link for link in LINK.findall(text) if not (path.parent / link.strip()).exists()]

    assert not broken


@documents
def test_links_into_a_document_name_one_of_its_headings(path: Path) -> None:
    broken = [
        f"{file}#{anchor}"
        for file, anchor in ANCHOR.findall(path.read_text())
        if anchor not in anchors(path.parent / file if file else path)
    ]

    assert not broken


@documents
def test_examples_that_are_named_are_there(path: Path) -> None:
    missing = {name for name in EXAMPLE.findall(path.read_text()) if not (ROOT / name).exists()}

    assert not missing


@documents
def test_commands_that_are_named_are_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = " ".join(CODE.findall(path.read_text()))

    assert set(TARGET.findall(code)) <= targets


def test_every_folder_of_the_source_has_its_line_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    roots = ("core", "operator", "simulator", "worker_agent")
    packages = {path.parent for root in roots for path in (ROOT / root).glob("*/*/__init__.py")}

    assert packages
    assert {package.name for package in packages if f"/{package.name}/`" not in text} == set()


def test_decisions_are_numbered_without_gaps_and_as_their_titles_say() -> None:
    paths = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(path.name[:4]) for path in paths]

    assert numbers == list(range(1, len(paths) + 1))
    for number, path in zip(numbers, paths, strict=True):
        assert path.read_text().startswith(f"# {number}. ")


def test_every_test_that_the_threat_table_names_is_there() -> None:
    table = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`((?:unit|command_line|contract|cluster|format|scenario)/[\w/.]*)`", table)

    assert named
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_every_example_is_explained() -> None:
    silent = [
        path.name
        for path in (ROOT / "examples").rglob("*.yaml")
        if not path.read_text().startswith("# ")
    ]

    assert not silent
