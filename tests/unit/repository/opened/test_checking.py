"""A check through the façade: it finds damage, and nobody waits for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.unit.repository.opened.whole_bench import WholeBench, replace, some_disks
from tests.unit.repository.primitives.keepers import A
from vmbackup_core.repository.control.log.heads import Head
from vmbackup_core.repository.primitives.names import commit_name


def with_point() -> WholeBench:
    bench = WholeBench()
    bench.begun()
    bench.back_up(1, some_disks(1))
    return bench


class TestCheck:
    def test_a_whole_repository_is_good(self) -> None:
        bench = with_point()
        bench.opened().rotate([A])
        bench.back_up(2, some_disks(2))

        report = bench.opened(appliance=None).check(read_data=True)

        assert report.good, report.findings
        assert (report.points, report.chains, report.commits) == (2, 2, 4)
        assert report.read_bytes > 0

    def test_a_damaged_commit_is_found(self) -> None:
        bench = with_point()
        opened = bench.opened()
        disk = next(opened.points()).point.disks[0]
        name = commit_name(disk.chain_id, disk.slot)
        replace(bench.places.control, name, b"VMBKCOMM")

        report = opened.check(read_data=False)

        assert name in {each.object for each in report.findings}

    def test_nobody_waits_for_a_check(self) -> None:
        bench = with_point()
        opened = bench.opened()

        with ThreadPoolExecutor(1) as pool:

            def look() -> None:
                assert len(pool.submit(opened.counted).result(timeout=60)) == 1

            assert opened.check(read_data=False, on_look=look).good

    def test_each_name_of_either_place_is_a_look(self) -> None:
        """Who asks for a check ends it at a look: a long listing is none that it must wait for."""
        bench, looks = with_point(), []
        for many in (0, 400):
            for number in range(many):
                bench.places.data.put_new(f"foreign/{number}", b"x")
            looked: list[None] = []
            bench.opened().check(read_data=False, on_look=partial(looked.append, None))
            looks.append(len(looked))

        assert looks[1] - looks[0] >= 400

    def test_a_head_that_was_written_down_is_looked_for(self) -> None:
        bench = with_point()
        opened = bench.opened(appliance=None)
        head = opened.head()

        assert opened.check(read_data=False, expect_head=head).good
        assert not opened.check(read_data=False, expect_head=Head(2, "0" * 64)).good
