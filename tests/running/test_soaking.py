"""`make soak` draws from a seed, which draws the same again, and writes down what it did."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PROPERTY = """
from pathlib import Path
from hypothesis import given, strategies as st

@given(st.integers(0, 2**40))
def test_any(number):
    with Path("drawn").open("a") as drawn:
        print(number, file=drawn)
    assert number < 2**63 - {below}
"""


def soak(folder: Path, seed: int, below: int = 0) -> tuple[int, list[str], dict[str, Any]]:
    """Soak one property; return the exit code, what was drawn, and the record."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(PROPERTY.replace("{below}", str(below)))
    words = ["-p", "tests.soak.recording", "-p", "no:cacheprovider", "--hypothesis-profile=soak"]
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "pytest", "-q", *words, f"--hypothesis-seed={seed}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CASES": "40"},
        check=False,
        capture_output=True,
        timeout=280,
    )
    record: dict[str, Any] = json.loads(
        (folder / "build" / "soak" / "test-it-py-test-any.json").read_text()
    )
    return done.returncode, (folder / "drawn").read_text().split(), record


def test_a_seed_draws_the_same_cases_again(tmp_path: Path) -> None:
    first, again, other = (
        soak(tmp_path / name, seed) for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )

    assert first[1] == again[1]
    assert first[1] != other[1]


def test_what_was_tried_is_written_down_with_its_seed(tmp_path: Path) -> None:
    code, drawn, record = soak(tmp_path / "a", 7)

    assert code == 0
    assert record["test"] == "test_it.py::test_any"
    assert record["seed"] == "7"
    assert record["cases"] == len(drawn) == 40
    assert record["failed"] is None
    assert record["repeat"] == "make soak SEED=7 CASES=40 TEST='test_it.py::test_any'"


def test_a_failure_is_written_down_and_repeated_by_its_seed(tmp_path: Path) -> None:
    code, drawn, record = soak(tmp_path / "a", 9, below=2**63 - 5)
    _, again, _ = soak(tmp_path / "b", 9, below=2**63 - 5)

    assert code == 1
    assert "assert 5 < " in record["failed"]
    assert drawn == again


def test_make_test_takes_every_folder_of_tests_but_this_one() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    folders = {
        f"tests/{path.relative_to(ROOT / 'tests').parts[0]}"
        for path in ROOT.glob("tests/*/**/test_*.py")
    }

    assert folders - set(settings["testpaths"]) == {"tests/soak"}
    assert set(settings["testpaths"]) <= folders


def test_no_property_has_a_deadline_or_a_number_of_cases_of_its_own() -> None:
    """Those of the profiles hold for all: no deadline, and as many as were asked for."""
    profiles = {ROOT / "tests" / "conftest.py", ROOT / "tests" / "soak" / "recording.py"}
    own = [
        str(path.relative_to(ROOT))
        for path in ROOT.glob("tests/**/*.py")
        if path not in profiles and re.search(r"(max_examples|\bdeadline)=", path.read_text())
    ]

    assert own == []
