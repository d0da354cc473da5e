"""Several begin a disk's chain, make it again or anew at once; section 27."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import some_of
from tests.unit.repository.control.chain_bench import (
    ChainBench,
    after,
    killed_after,
    over_and_over,
)
from tests.unit.repository.control.chains.chain_work import (
    OTHERS,
    anew,
    beginning_anew,
    ensure,
    ensuring,
    find,
)
from tests.unit.repository.data.bench import PARAMETERS
from tests.unit.repository.turns import Stopped, interleave
from vmbackup_core.repository.primitives.names import chain_header_name
from vmbackup_core.repository.primitives.reading import Places

CHOICES = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(CHOICES)
def test_whoever_is_faster_all_have_one_chain_with_one_set_of_parameters(
    choices: list[int],
) -> None:
    bench = ChainBench().begun()

    ended = interleave(
        bench.places,
        [
            ensuring(bench, PARAMETERS),
            ensuring(bench, OTHERS),
            ensuring(bench, PARAMETERS),
        ],
        over_and_over(choices),
    )

    assert ended == [find(bench)] * 3


@given(CHOICES)
def test_a_lost_header_is_made_again_beside_others_and_a_commit(choices: list[int]) -> None:
    bench = ChainBench().begun()
    bench.back_up(1)
    chain = bench.chain()
    bench.places.control.delete(chain_header_name(chain.chain))

    ended = interleave(
        bench.places,
        [
            ensuring(bench, OTHERS),
            ensuring(bench, OTHERS),
        ],
        over_and_over(choices),
    )

    assert ended == [chain] * 2


@given(CHOICES)
def test_two_orders_begin_one_chain_anew(choices: list[int]) -> None:
    bench = ChainBench().begun()
    ensure(bench)

    ended = interleave(
        bench.places,
        [
            beginning_anew(bench, 8),
            beginning_anew(bench, 9),
            lambda places: ensure(bench, PARAMETERS, places).generation < 0,
        ],
        over_and_over(choices),
    )

    assert ended[2] is False
    last = find(bench)
    assert last is not None
    assert ended[0] == last or ended[1] == last
    assert len(bench.state().begun_anew) == last.generation


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("committed", [False, True])
def test_a_first_backup_beside_another_s_first_one_is_never_unclear(
    *,
    damaged: bool,
    committed: bool,
) -> None:
    """The other begins the chain and writes, and commits, between any two looks of ours."""
    for calls in some_of(range(12)):
        bench = ChainBench().begun()
        if damaged:
            bench.spoil(chain_header_name(ensure(bench).chain))

        def other(places: Places, bench: ChainBench = bench) -> None:
            seen = bench.seen(places)
            prepared = seen.prepared(2)
            done = seen.write(prepared)
            assert not committed or seen.commit(prepared, done) is not None

        ended = interleave(bench.places, [ensuring(bench, OTHERS), other], after(calls))

        assert ended == [find(bench), None]


def test_killed_at_any_call_it_is_made_good_by_whoever_comes_next() -> None:
    for calls in some_of(range(1, 40)):
        bench = ChainBench().begun()
        bench.back_up(1)
        chain = bench.chain()
        bench.spoil(chain_header_name(chain.chain))
        (ended,) = interleave(
            bench.places,
            [beginning_anew(bench, 9)],
            killed_after(calls),
        )

        second = anew(bench)
        assert (second.generation, find(bench)) == (1, second)
        assert ensure(bench, OTHERS) == second
        if not isinstance(ended, Stopped):
            assert ended == second
            break
    else:
        raise AssertionError("it was never done")
