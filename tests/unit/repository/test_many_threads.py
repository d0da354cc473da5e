"""Threads that fill packs together, and the memory that they take."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from tests.unit.repository.bench import BLOCK, DISK, Bench, MemoryDisk, noise, run_id, snapshot_of
from vmbackup_core.errors import TransientError
from vmbackup_core.extents import Extent
from vmbackup_core.repository import ChainParameters, CommittedDisk, back_up_disk, open_chain
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.transfer import UNIT_BYTES, DiskSource
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer, Store

#: Units of 4 MiB are what threads share out, so a shard has to have several.
WIDE = ChainParameters(block_bytes=BLOCK, shard_bytes=8 * UNIT_BYTES)


def back_up_wide(  # noqa: PLR0913 - what a test varies
    bench: Bench,
    store: Store,
    source: DiskSource,
    size: int,
    *,
    threads: int,
    pack_bytes: int,
    parameters: ChainParameters = WIDE,
) -> CommittedDisk:
    chain_id = bench.repository.chain_id(DISK)
    keys = bench.repository.chain_keys(chain_id)
    chain = open_chain(store, chain_id, keys, parameters=parameters, run_id=run_id(1))
    return back_up_disk(
        chain,
        source,
        run_id=run_id(1),
        snapshot=snapshot_of(1),
        disk_bytes=size,
        extents=[Extent(0, size)],
        base=None,
        threads=threads,
        pack_bytes=pack_bytes,
    )


def test_threads_that_fill_packs_together_lose_and_repeat_nothing(bench: Bench) -> None:
    # Each block three times, far apart, so that threads meet the same new block at once.
    once = noise(7, 2 * UNIT_BYTES)
    content = once + bytes(BLOCK) + once + noise(8, 100) + once

    committed = back_up_wide(
        bench, bench.store, MemoryDisk(content), len(content), threads=6, pack_bytes=40 * BLOCK
    )

    point = bench.record(1, committed, len(content))
    assert bench.restored(point, threads=6) == content
    report = bench.repository.check(read_data=True)
    assert report.findings == ()
    assert committed.stored_bytes == report.read_bytes
    # The second copy lies one block further, the third is not aligned with the others.
    assert committed.blocks_new == len(once) // BLOCK * 2 + 1


class CountingStore(MemoryStore):
    """Knows how many puts of packs were under way at most."""

    def __init__(self) -> None:
        super().__init__()
        self._counting = threading.Lock()
        self._now = 0
        self.most = 0

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        with self._counting:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            super().put_new(name, data)
        finally:
            with self._counting:
                self._now -= 1


def test_no_more_packs_are_stored_at_once_than_there_are_threads(bench: Bench) -> None:
    store, content = CountingStore(), noise(1, 8 * UNIT_BYTES)

    back_up_wide(bench, store, MemoryDisk(content), len(content), threads=3, pack_bytes=8 * BLOCK)

    assert 0 < store.most <= 3


class Generated:
    """A disk that is not in memory: every block is its number."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        for at in range(0, len(buffer), BLOCK):
            number = ((offset + at) // BLOCK + 1).to_bytes(8, "little")
            buffer[at : at + BLOCK] = number * (BLOCK // 8)


def peak_bytes(bench: Bench, folder: Path, shards: int) -> int:
    parameters = ChainParameters(block_bytes=BLOCK, shard_bytes=UNIT_BYTES // 4)
    size = shards * parameters.shard_bytes
    tracemalloc.start()
    try:
        back_up_wide(
            bench,
            DirectoryStore(folder),
            Generated(),
            size,
            threads=1,
            pack_bytes=64 * BLOCK,
            parameters=parameters,
        )
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_disk(bench: Bench, tmp_path: Path) -> None:
    small = peak_bytes(bench, tmp_path / "small", shards=2)
    large = peak_bytes(bench, tmp_path / "large", shards=24)

    # What grows is the manifest: a line for each shard.
    assert large < small * 1.1 + 24 * 2000


def test_a_source_that_fails_ends_the_backup_without_a_commit(bench: Bench) -> None:
    class Failing(MemoryDisk):
        @override
        def read_into(self, offset: int, buffer: memoryview) -> None:
            if offset >= 3 * UNIT_BYTES:
                raise TransientError("the disk's host went away")
            super().read_into(offset, buffer)

    content = noise(1, 6 * UNIT_BYTES)
    for threads in (1, 4):
        with pytest.raises(TransientError, match="went away"):
            back_up_wide(
                bench,
                bench.store,
                Failing(content),
                len(content),
                threads=threads,
                pack_bytes=64 * BLOCK,
            )
    assert bench.names("k") == []

    committed = back_up_wide(
        bench, bench.store, MemoryDisk(content), len(content), threads=4, pack_bytes=64 * BLOCK
    )

    assert committed.blocks_reused > 0
    assert bench.restored(bench.record(1, committed, len(content)), threads=4) == content


def test_work_is_taken_only_a_little_ahead() -> None:
    taken: list[int] = []
    done: list[int] = []
    lead: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(200):
            taken.append(piece)
            lead.append(len(taken) - len(done))
            yield piece

    work_through(pieces(), done.append, 3)

    assert sorted(done) == taken == list(range(200))
    assert max(lead) <= 2 * 3 + 1
