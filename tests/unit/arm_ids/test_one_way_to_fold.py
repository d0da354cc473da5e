"""Ids, names and words of Azure lose their case in one place, and ASCII letters alone do."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources import ROOT, modules, text_of, tree_of
from tests.worlds.samples import VM, session_of
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.book import SessionBook

OPERATOR = ROOT / "operator/vmbackup_operator"
#: Python's own ways, which take the Kelvin sign for a k.
OWN_WAYS = {"lower", "casefold", "swapcase", "IGNORECASE"}
#: What is no word of Azure's.
NO_IDS = {
    "arm_ids.py": "the one place",
    "cli/addresses.py": "the parameter of a signature; to see one too often hurts nobody",
    "cli/file_names.py": "names of files, as file systems compare them",
    "handlers/logs.py": "names of levels",
}

KELVIN = "\N{KELVIN SIGN}"


def test_nothing_else_folds_case() -> None:
    astray = [
        f"{name}:{each.lineno}: {each.attr}"
        for path in modules("operator/vmbackup_operator")
        if (name := path.relative_to(OPERATOR).as_posix()) not in NO_IDS
        if any(way in text_of(path) for way in OWN_WAYS)
        for each in ast.walk(tree_of(path))
        if isinstance(each, ast.Attribute) and each.attr in OWN_WAYS
    ]

    assert astray == []


def test_what_is_excepted_needs_it() -> None:
    for name in NO_IDS:
        tree = tree_of(OPERATOR / name)
        assert {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)} & OWN_WAYS


@pytest.mark.parametrize(
    "letter",
    [KELVIN, "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "Ä", "\N{LATIN SMALL LETTER LONG S}"],
)
def test_letters_that_are_not_ascii_stay(letter: str) -> None:
    assert folded(f"AbC{letter}XyZ") == f"abc{letter}xyz"


@given(st.text())
def test_folding_changes_ascii_capitals_and_nothing_else(text: str) -> None:
    expected = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)

    assert folded(text) == expected
    assert folded(folded(text)) == folded(text)


def test_vms_whose_names_differ_by_such_a_letter_are_two() -> None:
    other = ArmId(VM.replace("web-01", f"web-{KELVIN}"))
    kept = ArmId(VM.replace("web-01", "web-k"))
    book = SessionBook()
    book.note(session_of(ObjectKey("team", "one"), kept))
    book.note(session_of(ObjectKey("team", "two"), other))

    assert not same_id(other, kept)
    assert [each.metadata.name for each in book.of_vm(kept)] == ["one"]
    assert [each.metadata.name for each in book.of_vm(kept.upper())] == ["one"]
    assert [each.metadata.name for each in book.of_vm(other)] == ["two"]
