"""Reading an export: exactly what is allocated, through faults and renewed credentials."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3

from tests.unit.worker.export_host import ExportHost
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.extents import Extent
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import AccessRefused, Renewable, Stopped
from vmbackup_worker.disk_reader import DiskReader
from vmbackup_worker.source import EXPORT_VERSION, Export, export_pool

MIB = 1024 * 1024


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    made = export_pool(2)
    yield made
    made.clear()


class Reader:
    """An export of *host* with what a test turns at."""

    def __init__(
        self, host: ExportHost, pool: urllib3.PoolManager, renewal_s: float = 0.05
    ) -> None:
        self.url = Renewable(host.url)
        self.stop = threading.Event()
        patience = Patience(attempts=4, pause=lambda _seconds: None)
        self.export = Export(
            "disk",
            self.url,
            len(host.disk),
            pool,
            self.stop,
            renewal_s=renewal_s,
            patience=patience,
        )


@contextmanager
def shortly(act: object) -> Iterator[None]:
    assert callable(act)
    timer = threading.Timer(0.2, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def read(reader: Reader, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    reader.export.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def test_the_allocated_extents_end_with_the_disk_and_not_in_the_footer(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    table = Reader(export_host, pool).export.allocated()

    assert list(table) == [
        Extent(0, 4096),
        Extent(3 * MIB, 6 * MIB),
        Extent(10 * MIB - 512, 512),
    ]


@pytest.mark.parametrize("says_marker", [True, False], ids=["with markers", "cut silently"])
def test_no_range_is_lost_where_a_list_is_longer_than_an_answer(
    export_host: ExportHost, pool: urllib3.PoolManager, *, says_marker: bool
) -> None:
    ranges = [(1024 * n, 1024 * n + 511) for n in range(10 * 1024)]  # 10,240 of them
    export_host.ranges, export_host.says_marker = ranges, says_marker

    table = Reader(export_host, pool).export.allocated()
    assert [(one.offset, one.end - 1) for one in table] == ranges


def test_bytes_are_read_in_ranges_of_4_mib_with_the_pinned_version(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    data = read(Reader(export_host, pool), 3 * MIB, 6 * MIB)

    assert data == export_host.disk[3 * MIB : 9 * MIB]
    assert export_host.read == [(3 * MIB, 4 * MIB), (7 * MIB, 2 * MIB)]
    assert export_host.versions == {EXPORT_VERSION}


def test_the_footer_is_never_read(export_host: ExportHost, pool: urllib3.PoolManager) -> None:
    with pytest.raises(ValueError, match="behind the disk"):
        read(Reader(export_host, pool), 10 * MIB - 512, 1024)
    assert export_host.read == []


def test_a_disk_reader_asks_for_the_allocated_bytes_once_and_for_no_others(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    reader = Reader(export_host, pool)
    table, counted = reader.export.allocated(), list[int]()
    disk = DiskReader(reader.export, table, counted.append)
    whole = bytearray(b"\xee") * len(export_host.disk)
    unit = 4 * MIB
    for offset in range(0, len(whole), unit):
        disk.read_into(offset, memoryview(whole)[offset : offset + unit])

    assert whole == export_host.disk
    asked = sorted(export_host.read)
    assert sum(length for _, length in asked) == sum(counted) == table.total_bytes
    assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(asked))


@pytest.mark.parametrize("fault", [500, 503, 429, 408, "cut", "wrong range"])
def test_a_passing_fault_is_asked_through(
    export_host: ExportHost, pool: urllib3.PoolManager, fault: int | str
) -> None:
    export_host.faults = [fault, fault]

    assert read(Reader(export_host, pool), 0, 4096) == export_host.disk[:4096]


def test_a_fault_that_stays_is_told_without_the_sas(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    export_host.faults = [503] * 4

    with pytest.raises(TransientError) as told:
        read(Reader(export_host, pool), 0, 4096)
    assert "503" in str(told.value)
    assert "sig=" not in str(told.value)


def test_a_host_that_is_not_there_is_told_without_the_sas(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    reader = Reader(export_host, pool)
    reader.url.renew("http://127.0.0.1:1/snapshot?sig=secret")

    with pytest.raises(TransientError) as told:
        read(reader, 0, 4096)
    assert "secret" not in str(told.value)


def test_an_export_that_is_gone_fails_for_good(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    export_host.faults = [404]

    with pytest.raises(PermanentError) as told:
        read(Reader(export_host, pool), 0, 4096)
    assert told.value.reason == "ExportRefused"


def test_a_refused_sas_without_a_successor_ends_the_transfer(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    reader = Reader(export_host, pool)
    export_host.sas = "sig=second"

    with pytest.raises(AccessRefused) as told:
        read(reader, 0, 4096)
    assert "sig=" not in str(told.value)


def test_a_refused_sas_waits_for_its_successor(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    reader = Reader(export_host, pool, renewal_s=10)
    export_host.sas = "sig=second"

    with shortly(lambda: reader.url.renew(export_host.url)):
        assert read(reader, 0, 4096) == export_host.disk[:4096]


def test_waiting_for_a_fresh_sas_ends_when_told_to_stop(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    reader = Reader(export_host, pool, renewal_s=60)
    export_host.sas = "sig=second"

    with shortly(reader.stop.set), pytest.raises(Stopped):
        read(reader, 0, 4096)


def test_nothing_is_read_after_a_stop(export_host: ExportHost, pool: urllib3.PoolManager) -> None:
    reader = Reader(export_host, pool)
    reader.stop.set()

    with pytest.raises(Stopped):
        read(reader, 0, 4096)
    assert export_host.read == []


def test_a_last_list_that_is_just_full_is_not_asked_for_again_where_there_are_markers(
    export_host: ExportHost, pool: urllib3.PoolManager
) -> None:
    export_host.disk = bytes(20 * MIB)
    ranges = [(1024 * n, 1024 * n + 511) for n in range(20_000)]
    export_host.ranges = ranges

    table = Reader(export_host, pool).export.allocated()
    assert [(one.offset, one.end - 1) for one in table] == ranges


@pytest.mark.parametrize("grown", [-MIB, 4 * MIB], ids=["smaller", "larger"])
def test_an_export_of_another_size_than_the_job_says_is_refused_before_a_byte_is_taken(
    export_host: ExportHost, pool: urllib3.PoolManager, grown: int
) -> None:
    reader = Reader(export_host, pool)
    disk = export_host.disk
    export_host.disk = (disk + bytes(4 * MIB))[: len(disk) + grown]

    with pytest.raises(PermanentError, match=str(len(disk))) as told:
        read(reader, 0, 4096)
    assert told.value.reason == "DiskSizeDiffers"
    with pytest.raises(PermanentError) as told:
        reader.export.allocated()
    assert told.value.reason == "DiskSizeDiffers"
