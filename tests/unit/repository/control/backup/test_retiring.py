"""A retired chain lets all go; section 29."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.control.backup.skip_work import commit_in, damage_commit, three
from tests.unit.repository.control.chain_bench import (
    ChainBench,
    after,
    over_and_over,
)
from tests.unit.repository.turns import interleave
from vmbackup_core.repository.control.backup.skipping import ChainInUse, retire
from vmbackup_core.repository.control.commits.commits import commits
from vmbackup_core.repository.primitives.reading import Places


class TestRetire:
    def retirable(self) -> ChainBench:
        bench = three()
        for number in (1, 2, 3):
            bench.let_go(number)
        bench.finish()
        return bench

    def test_everything_in_the_chain_becomes_garbage(self) -> None:
        bench = self.retirable()

        retire(bench.log(), bench.chain())
        retire(bench.log(), bench.chain())
        bench.finish()
        bench.prune()

        assert [each.name for each in bench.places.data.list("")] == []
        assert (commit_in(bench, 4).reason, bench.newest().slot) == ("retired", 4)
        bench.back_up(8)
        assert bench.complaints() == []

    def test_a_chain_with_a_point_is_not_retired(self) -> None:
        bench = three()

        with pytest.raises(ChainInUse, match="in a recovery point"):
            retire(bench.log(), bench.chain())

        assert bench.newest().slot == 3

    def test_a_damaged_newest_commit_is_no_obstacle(self) -> None:
        bench = self.retirable()
        damage_commit(bench)

        retire(bench.log(), bench.chain())

        assert commit_in(bench, 4).reason == "retired"

    def test_a_backup_that_came_behind_it_is_not_retired(self) -> None:
        behind, chain = 0, RETIRABLE.chain()
        for calls in range(20):
            bench = RETIRABLE.copied()

            def order(places: Places, bench: ChainBench = bench) -> None:
                seen = bench.seen(places)
                retire(seen.log(places.control), chain)

            def other(places: Places, bench: ChainBench = bench) -> int:
                seen = bench.seen(places)
                prepared = seen.prepared(9)
                assert seen.commit(prepared, seen.write(prepared)) is not None
                return prepared.grant.slot

            ended = interleave(bench.places, [order, other], after(calls))

            newest = bench.newest()
            if newest.slot == ended[1] == 5 and isinstance(ended[0], ChainInUse):
                behind += 1
            else:
                assert ended[0] is None
        assert behind

    @given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
    def test_two_orders_and_a_backup_that_comes_meanwhile(self, choices: list[int]) -> None:
        bench = RETIRABLE.copied()
        late = bench.prepared(9)
        done = bench.write(late)

        def order(places: Places) -> None:
            seen = bench.seen(places)
            retire(seen.log(places.control), seen.chain())

        def commit(places: Places) -> object:
            return bench.seen(places).commit(late, done)

        ended = interleave(bench.places, [order, order, commit], over_and_over(choices))

        for outcome in ended[:2]:
            assert outcome is None or isinstance(outcome, ChainInUse)
        assert None in ended[:2]
        found = list(commits(bench.control(), bench.chain().chain))
        kinds = [each.commit and each.commit.kind for each in found]
        assert kinds[-3:] == ["backup"] * 3
        assert "skip" in kinds[:-3]


RETIRABLE = TestRetire().retirable()
