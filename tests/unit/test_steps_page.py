"""docs/steps.md names tests that are there, and lines that the demo prints."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "steps.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINE = re.compile(r"(?<!\*)\*([^*]+)\*(?!\*)")
PRINTED = re.compile(r"^  ✓ (.+?)(?: \(\d+\.\d s\))?$", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    """Return each sentence of the page with what it says to be shown by."""
    found = re.findall(r"^\| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    return [row for row in found if row[0] not in {"what it does", "---"}]


def printed_by_the_demo() -> set[str]:
    """Return the lines that README shows of the demo's run, without the times."""
    return set(PRINTED.findall((ROOT / "README.md").read_text()))


@cache
def defined_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, kinds))


@pytest.mark.parametrize("sentence", [row[0] for row in rows()])
def test_each_sentence_is_shown_by_a_test_or_a_line_of_the_demo(sentence: str) -> None:
    shown = dict(rows())[sentence]

    assert TEST.findall(shown) or LINE.findall(shown)


def test_every_test_that_is_named_is_there() -> None:
    named = TEST.findall(PAGE)

    assert len(named) > len(rows()) / 2
    assert [f"{path}::{test}" for path, test in named if test not in defined_in(path)] == []


def test_every_line_that_is_named_is_printed_by_the_demo() -> None:
    named = [line for _, shown in rows() for line in LINE.findall(shown)]

    assert named
    assert set(named) - printed_by_the_demo() == set()


def test_nothing_in_a_row_looks_like_a_test_and_is_not_read_as_one() -> None:
    quoted = {each for _, shown in rows() for each in re.findall(r"`([^`]+)`", shown)}

    assert quoted == {f"{path}::{test}" for path, test in TEST.findall(PAGE)}
