"""What a reader allocates and a writer accepts is bounded whatever the other side says."""

from __future__ import annotations

import tracemalloc

import pytest
import zstandard

from tests.unit.repository.bench import BLOCK, SMALL, Bench, MemoryDisk, snapshot_of
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.ids import RunId
from vmbackup_core.repository import back_up_disk
from vmbackup_core.repository.envelope import unzstd

MIB = 1024 * 1024


def test_a_frame_that_says_more_than_its_object_is_refused_before_it_is_unpacked() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(64 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(CorruptRepository, match=r"^i/1: "):
            unzstd("i/1", bomb, BLOCK)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_a_run_id_that_no_name_can_hold_is_refused_before_anything_is_written(
    bench: Bench,
) -> None:
    chain = bench.chain()
    before = [each.name for each in bench.store.list("")]

    with pytest.raises(ValueError, match="run id"):
        back_up_disk(
            chain,
            MemoryDisk(bytes(BLOCK)),
            run_id=RunId("0b7a6c1e-3c3f-4a4e-9a53-111111111111"),
            snapshot=snapshot_of(1),
            disk_bytes=BLOCK,
            extents=[Extent(0, BLOCK)],
            base=None,
        )
    assert [each.name for each in bench.store.list("")] == before
    assert chain.parameters == SMALL
