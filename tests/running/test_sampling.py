"""`make unit` tries a sample of what `make test` tries whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

from tests.sampling import CASES, SAMPLE, sample_of, some_of

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TESTS = """
import pytest

@pytest.mark.at_length
def test_large():
    pass

def test_small():
    pass
"""


def recipe(target: str) -> str:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("many", range(12))
def test_a_sample_has_the_first_the_last_and_no_more_than_it_should(many: int) -> None:
    cases = list(range(many))
    sample = sample_of(cases)

    assert sample == sorted(set(sample))
    assert sample[:1] == cases[:1]
    assert sample[-1:] == cases[-1:]
    assert len(sample) == min(many, CASES)


def test_only_a_run_of_samples_leaves_cases_out() -> None:
    before = hypothesis.settings.get_current_profile_name()
    try:
        hypothesis.settings.load_profile("tests")
        whole = some_of(range(100))
        hypothesis.settings.load_profile(SAMPLE)
        sample = some_of(range(100))
    finally:
        hypothesis.settings.load_profile(before)

    assert whole == list(range(100))
    assert len(sample) == CASES


def test_make_unit_runs_samples_and_make_test_all() -> None:
    assert f"--hypothesis-profile {SAMPLE}" in recipe("unit")
    assert "--hypothesis-profile" not in recipe("test")


@pytest.mark.parametrize(
    ("words", "ran"),
    [((f"--hypothesis-profile={SAMPLE}",), ["small"]), ((), ["large", "small"])],
    ids=["make unit", "make test"],
)
def test_what_is_large_is_left_to_make_test(
    tmp_path: Path, words: tuple[str, ...], ran: list[str]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  at_length: large\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    profile = f"import hypothesis\nhypothesis.settings.register_profile({SAMPLE!r})\n"
    (tmp_path / "conftest.py").write_text(profile)
    said = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "pytest", "-v", "-p", "tests.sampling", "-p", "no:cacheprovider",
         "--rootdir=.", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout  # fmt: skip

    assert re.findall(r"::test_(\w+) PASSED", said) == ran
