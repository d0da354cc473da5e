"""`make unit` tries a sample of what `make test` tries whole."""

from __future__ import annotations

import re
from pathlib import Path

import hypothesis
import pytest

from tests.sampling import CASES, SAMPLE, sample_of, some_of

MAKEFILE = (Path(__file__).resolve().parents[2] / "Makefile").read_text()


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
