"""How often a check asks for packs."""

from __future__ import annotations

from collections import Counter

import pytest
from typing_extensions import override

from tests.unit.repository.control.check_bench import Stored, Whole, changed
from tests.unit.repository.data.bench import noise
from tests.unit.repository.data.samples import BLOCK, SHARD
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data


class Counting(Stored):
    """Counts what is asked for of packs."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.asked[name] += isinstance(parse_data(name), PackName)
        return super().get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        self.asked[name] += isinstance(parse_data(name), PackName)
        return super().get_end(name, length, size=size)


@pytest.mark.parametrize("threads", [1, 4])
def test_each_pack_is_asked_for_three_times_however_many_points_need_it(threads: int) -> None:
    """For start and end of its foot once, when entries are compared, and for its records."""
    whole = Whole().begin()
    content = noise(1, 40 * BLOCK)
    for number in range(1, 21):
        whole.back_up(number, content)
        content = changed(content, 50 * number, *(number * each % 40 for each in (3, 7, 11)))

    asked = asked_by_a_check(whole, threads)

    assert len(asked) == 20
    assert max(asked.values()) == 3


@pytest.mark.parametrize("threads", [1, 4])
def test_deltas_are_read_together_and_once_however_many_points_need_them(threads: int) -> None:
    whole = Whole().begin()
    content = noise(1, SHARD)
    whole.back_up(1, content)
    for number in range(2, 21):
        content = slightly_changed(content, number, SHARD // BLOCK // 2)
        whole.back_up(number, content, deltas=True)

    asked = asked_by_a_check(whole, threads)

    # Three as any other, twice for its deltas and twice as the base of others: not once for each
    # of 32 blocks.
    assert len(asked) == 20
    assert max(asked.values()) <= 7


def asked_by_a_check(whole: Whole, threads: int) -> Counter[str]:
    """Return how often a check that finds nothing asks for each pack."""
    data = Counting()
    for each in whole.data.list(""):
        data.put_new(each.name, whole.data.get(each.name))
    data.asked.clear()

    report = whole.check(data=data, threads=threads)

    assert report.good
    assert report.packs == len(+data.asked)
    return +data.asked


def slightly_changed(content: bytes, seed: int, blocks: int) -> bytes:
    """Return *content* with some bytes of its first *blocks* blocks changed."""
    changed_bytes = bytearray(content)
    for block in range(blocks):
        changed_bytes[block * BLOCK + seed] ^= 0xFF
    return bytes(changed_bytes)
