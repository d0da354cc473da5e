"""A log with long gaps, as an object of a high number makes them, is read by what is listed."""

from __future__ import annotations

import pytest
from typing_extensions import override

from tests.unit.repository.control.log_bench import LogBench, recorded, wanting
from vmbackup_core.repository.control.check.log import check_log
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.primitives.names import log_name
from vmbackup_core.stores.memory import MemoryStore


class CountedStore(MemoryStore):
    """The same objects as *inner*; lets nobody ask for more than a few of them."""

    def __init__(self, inner: MemoryStore) -> None:
        self.__dict__.update(inner.__dict__)
        self.asked = 0

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.asked += 1
        assert self.asked < 200, name
        return super().get_range(name, offset, length)


@pytest.mark.parametrize("side_by_side", [1, 32])
@pytest.mark.parametrize("planted", [5_001, 2**39 - 2001, 2**39 - 2])
def test_a_planted_object_of_a_high_number_has_nobody_try_all_below_it(
    planted: int, side_by_side: int
) -> None:
    bench = LogBench(state_every=5, side_by_side=side_by_side).begun()
    for number in range(1, 8):
        bench.log().append(wanting(recorded(number, number)))
    before = bench.log().read().state
    bench.store.put_new(log_name(planted), b"junk")
    store = CountedStore(bench.store)

    reading = bench.log(store=store).read()
    check = Observations(lambda: None)
    check_log(bench.log(store=store), None, check)

    assert (reading.number, reading.state) == (planted, before)
    assert [(each.number, each.trouble) for each in reading.findings] == [
        (9, "LogDamaged"),
        (planted, "LogDamaged"),
    ]
    assert reading.findings[0].what == f"it is missing, and all others up to number {planted - 1}"
    assert {name for _, name in check.faults} == {log_name(9), log_name(planted)}


def test_the_log_goes_on_behind_a_planted_object() -> None:
    bench = LogBench(state_every=5).begun()
    bench.store.put_new(log_name(2**38), b"junk")
    log = bench.log()
    for number in range(1, 6):
        log.append(wanting(recorded(number, number)))

    reading = bench.log(store=CountedStore(bench.store)).read()

    assert (reading.number, len(reading.state.counted)) == (2**38 + 5, 5)


def test_what_is_missing_of_a_long_log_is_said_one_by_one() -> None:
    bench = LogBench(state_every=5_000).begun()
    log = bench.log()
    for number in range(1, 1_100):
        log.append(wanting(recorded(number, number)))
    for number in (3, 4, 700):
        bench.store.delete(log_name(number))

    reading = bench.log().read()

    assert [(each.number, each.what) for each in reading.findings] == [
        (number, "it is missing") for number in (3, 4, 700)
    ]
    assert len(reading.state.counted) == 1_096
