"""What is kept and told of a job of upkeep fits, however much was found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.check import CheckReport, Finding, Hurt
from vmbackup_operator.model.conditions import MAX_MESSAGE
from vmbackup_operator.services.check_summary import summed_up
from vmbackup_operator.services.upkeep_progress import CURSOR_MOST, SoFar

CHAIN = ChainId("c" * 32)


def report(*findings: Finding, left_out: int = 0, archived: int = 0) -> CheckReport:
    return CheckReport(findings, (), left_out, 7, 2, 9, 4, 12, 0, archived, 1000)


def finding(number: int, points: int, lost_bytes: int = 1 << 20) -> Finding:
    runs = tuple(RunId(f"{each:032x}") for each in range(points))
    hurt = (Hurt(CHAIN, f"data-{number}", (Extent(65536, lost_bytes),), lost_bytes, runs),)
    name = f"c/{CHAIN}/p/00000/001/{'5' * 32}/{number:08x}"
    return Finding(name, "data", "missing", "is missing", hurt=hurt if points else ())


def test_a_repository_without_findings_says_what_was_looked_at() -> None:
    done = summed_up(report())

    assert done.message == (
        "7 recovery points, 2 disk chains, 9 commits and 12 packs looked at: nothing found"
    )
    assert not done.findings


def test_packs_of_which_nothing_can_be_read_are_counted_apart() -> None:
    done = summed_up(report(archived=5))

    assert "12 packs looked at (5 packs of them in the Archive tier): nothing found" in done.message
    assert not done.findings


def test_the_worst_come_first_and_all_are_counted() -> None:
    found = [finding(number, points=number % 7) for number in range(50)]

    done = summed_up(report(*found, left_out=3))

    assert done.message.startswith("53 findings (50 missing), 6 recovery points hurt: c/")
    assert "hurts 1.0 MiB of disk data-48 from byte 65536 in 6 recovery points" in done.message
    assert len(done.message) <= MAX_MESSAGE
    assert len(done.events) == 5
    assert all("in 6 recovery points" in each for each in done.events)


def test_what_hurts_nothing_says_what_was_found() -> None:
    done = summed_up(report(Finding("cat.jpg", "control", "foreign", "is no object of ours")))

    assert "cat.jpg in control: foreign: is no object of ours" in done.message


@given(st.lists(st.text(max_size=400), max_size=20), st.integers(0, 2**53))
def test_a_cursor_fits_into_a_status_and_says_the_same_again(texts: list[str], size: int) -> None:
    so_far = SoFar(step=f"{CHAIN}:{2**31}", after=f"{CHAIN}.{CHAIN}")
    for each in texts:
        so_far.tell(each)
    for what in ("chains", "objects", "bytes", "locked", "alone", "later", "empty"):
        so_far.count(what, size)

    cursor = so_far.cursor()

    assert len(cursor) <= CURSOR_MOST
    assert SoFar.parse(cursor) == so_far


@pytest.mark.parametrize("cursor", ["", "c", "[]", '{"counts": 7}'])
def test_a_cursor_of_nobody_begins_anew(cursor: str) -> None:
    assert SoFar.parse(cursor) == SoFar()
