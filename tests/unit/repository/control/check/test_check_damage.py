"""Check names each damaged object and just what restores miss, for every kind of object."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from tests.sampling import some_of
from tests.unit.repository.control.check_bench import Whole, filled
from tests.unit.repository.control.damage_drawn import (
    DAMAGES,
    KINDS,
    Damage,
    check_is_told,
    damage,
    damages,
    losses,
)
from tests.unit.repository.control.log_bench import MemoryHeads, run
from tests.unit.repository.data.samples import SEEDS


@cache
def undamaged() -> Whole:
    return filled()


def heads() -> MemoryHeads:
    """Return heads that remember the undamaged log to its end."""
    remembered = MemoryHeads()
    undamaged().log(remembered).read()
    return remembered


def test_nothing_is_found_where_nothing_is_damaged() -> None:
    for read_data in (False, True):
        report = undamaged().check(read_data=read_data)

        assert report.findings == ()
        assert report.good
        assert (report.points, report.chains, report.commits) == (4, 2, 8)
    assert losses(undamaged()) == {}


@pytest.mark.parametrize("how", some_of(DAMAGES))
@pytest.mark.parametrize("kind", some_of(KINDS))
def test_a_damaged_object_is_named_with_all_that_it_costs_and_no_more(
    kind: str, how: Damage
) -> None:
    at = -(DAMAGES.index(how) % 2)  # the first that was put, or the last
    whole = undamaged().copy()
    found = damage(whole, kind, at, how, random.Random(7))  # noqa: S311 - the same each time

    check_is_told(whole, [found], heads())


#: A case is small as it is drawn: making it smaller takes minutes and shows no more.
@settings(phases=[Phase.generate])
@given(
    SEEDS,
    st.lists(
        st.tuples(st.sampled_from(list(KINDS)), st.integers(0, 50), st.sampled_from(DAMAGES)),
        min_size=2,
        max_size=3,
    ),
)
def test_no_damage_hides_another(draw: random.Random, drawn: list[tuple[str, int, Damage]]) -> None:
    whole = undamaged().copy()
    damaged = damages(whole, drawn, draw)
    note(str(damaged))

    check_is_told(whole, damaged, heads())


def test_a_plain_check_reads_no_record() -> None:
    whole = undamaged().copy()
    (found,) = [damage(whole, "pack", 0, "flipped", random.Random(3))]  # noqa: S311

    assert whole.check(read_data=False).good
    report = whole.check(read_data=True)
    assert [each.object for each in report.findings] == [found.name]
    assert report.read_bytes > 0


def test_threads_find_the_same() -> None:
    whole = undamaged().copy()
    damage(whole, "pack", 0, "junk", random.Random(1))  # noqa: S311
    damage(whole, "point", 1, "cut", random.Random(1))  # noqa: S311

    assert whole.check(threads=4) == whole.check(threads=1)
    assert run(2) in whole.check(threads=4).findings[-1].points
