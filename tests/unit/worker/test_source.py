"""Reading an export: exactly what is allocated, through faults and renewed credentials."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.worker.export_host import ExportHost
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.extents import Extent
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import AccessRefused, Renewable, Stopped
from vmbackup_worker.connections import Waits
from vmbackup_worker.disk_reader import DiskReader
from vmbackup_worker.page_blob import EXPORT_VERSION, ExportPool
from vmbackup_worker.source import Export

MIB = 1024 * 1024
WAITS = Waits(connect_s=10, silence_s=1, answer_s=60)


@pytest.fixture
def pool() -> Iterator[ExportPool]:
    made = ExportPool(2, WAITS)
    yield made
    made.clear()


class Reader:
    """An export of *host* with what a test turns at."""

    def __init__(
        self, host: ExportHost, pool: ExportPool, renewal_s: float = 0.05, attempts: int = 4
    ) -> None:
        self.url = Renewable(host.url)
        self.stop = threading.Event()
        patience = Patience(attempts=attempts, pause=lambda _seconds: None)
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
    export_host: ExportHost, pool: ExportPool
) -> None:
    listed = Reader(export_host, pool).export.allocated()

    assert list(listed.extents) == [
        Extent(0, 4096),
        Extent(3 * MIB, 6 * MIB),
        Extent(10 * MIB - 512, 512),
    ]
    assert listed.listed_bytes == 4096 + 6 * MIB + 512


def test_bytes_are_read_in_ranges_of_4_mib_with_the_pinned_version(
    export_host: ExportHost, pool: ExportPool
) -> None:
    data = read(Reader(export_host, pool), 3 * MIB, 6 * MIB)

    assert data == export_host.disk[3 * MIB : 9 * MIB]
    assert export_host.read == [(3 * MIB, 4 * MIB), (7 * MIB, 2 * MIB)]
    assert export_host.versions == {EXPORT_VERSION}


def test_the_footer_is_never_read(export_host: ExportHost, pool: ExportPool) -> None:
    with pytest.raises(ValueError, match="behind the disk"):
        read(Reader(export_host, pool), 10 * MIB - 512, 1024)
    assert export_host.read == []


def test_a_disk_reader_asks_for_the_allocated_bytes_once_and_for_no_others(
    export_host: ExportHost, pool: ExportPool
) -> None:
    reader = Reader(export_host, pool)
    table, counted = reader.export.allocated().extents, list[int]()
    disk = DiskReader(reader.export, table, counted.append)
    whole = bytearray(b"\xee") * len(export_host.disk)
    unit = 4 * MIB
    for offset in range(0, len(whole), unit):
        disk.read_into(offset, memoryview(whole)[offset : offset + unit])

    assert whole == export_host.disk
    asked = sorted(export_host.read)
    assert sum(length for _, length in asked) == sum(counted) == table.total_bytes
    assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(asked))


BAD_ANSWERS = [
    "cut",
    "hang up",
    "stall",
    "wrong range",
    "any total",
    "no range",
    "whole",
    "gzip",
    "short",
    "long",
    "chunked",
    "moved",
]


@pytest.mark.parametrize("fault", [500, 502, 503, 504, 429, 408, *BAD_ANSWERS])
def test_a_passing_fault_is_asked_through(
    export_host: ExportHost, pool: ExportPool, fault: int | str
) -> None:
    export_host.faults = [fault, fault]

    assert read(Reader(export_host, pool), 0, 4096) == export_host.disk[:4096]


@pytest.mark.parametrize("status", [400, 404, 409, 412, 416, 501])
def test_a_refusal_that_nothing_explains_may_have_been_one_of_its_kind(
    export_host: ExportHost, pool: ExportPool, status: int
) -> None:
    export_host.faults = [status, status]

    assert read(Reader(export_host, pool), 0, 4096) == export_host.disk[:4096]


@pytest.mark.parametrize("fault", BAD_ANSWERS)
def test_an_answer_that_is_not_what_was_asked_for_is_never_taken(
    export_host: ExportHost, pool: ExportPool, fault: str
) -> None:
    export_host.faults = [fault] * 9
    buffer = bytearray(4096)

    with pytest.raises((TransientError, PermanentError), match=r"^disk: ") as told:
        Reader(export_host, pool).export.read_into(0, memoryview(buffer))
    assert "sig=" not in str(told.value)
    assert len(export_host.faults) >= 5


def test_a_fault_that_stays_is_told_without_the_sas(
    export_host: ExportHost, pool: ExportPool
) -> None:
    export_host.faults = [503] * 4

    with pytest.raises(TransientError) as told:
        read(Reader(export_host, pool), 0, 4096)
    assert "503" in str(told.value)
    assert "sig=" not in str(told.value)


def test_a_host_that_is_not_there_is_told_without_the_sas(
    export_host: ExportHost, pool: ExportPool
) -> None:
    reader = Reader(export_host, pool)
    reader.url.renew("http://127.0.0.1:1/snapshot?sig=secret")

    with pytest.raises(TransientError) as told:
        read(reader, 0, 4096)
    assert "secret" not in str(told.value)


def test_an_export_that_is_gone_fails_for_good(export_host: ExportHost, pool: ExportPool) -> None:
    export_host.faults = [404] * 3

    with pytest.raises(PermanentError) as told:
        read(Reader(export_host, pool), 0, 4096)
    assert told.value.reason == "ExportRefused"


def test_a_refused_sas_without_a_successor_ends_the_transfer(
    export_host: ExportHost, pool: ExportPool
) -> None:
    reader = Reader(export_host, pool)
    export_host.sas = "sig=second"

    with pytest.raises(AccessRefused) as told:
        read(reader, 0, 4096)
    assert "sig=" not in str(told.value)


def test_a_refused_sas_waits_for_its_successor(export_host: ExportHost, pool: ExportPool) -> None:
    reader = Reader(export_host, pool, renewal_s=10)
    export_host.sas = "sig=second"

    with shortly(lambda: reader.url.renew(export_host.url)):
        assert read(reader, 0, 4096) == export_host.disk[:4096]


def test_waiting_for_a_fresh_sas_ends_when_told_to_stop(
    export_host: ExportHost, pool: ExportPool
) -> None:
    reader = Reader(export_host, pool, renewal_s=60)
    export_host.sas = "sig=second"

    with shortly(reader.stop.set), pytest.raises(Stopped):
        read(reader, 0, 4096)


def test_nothing_is_read_after_a_stop(export_host: ExportHost, pool: ExportPool) -> None:
    reader = Reader(export_host, pool)
    reader.stop.set()

    with pytest.raises(Stopped):
        read(reader, 0, 4096)
    assert export_host.read == []


def test_a_stop_ends_an_answer_that_hangs(export_host: ExportHost) -> None:
    pool = ExportPool(2, Waits(silence_s=30))
    reader = Reader(export_host, pool)
    export_host.faults = ["stall"]

    def stop() -> None:
        reader.stop.set()
        export_host.gate.set()

    with shortly(stop), pytest.raises(Stopped):
        read(reader, 0, 4096)
    pool.clear()


def test_a_host_that_drips_is_given_up_after_the_time_of_a_whole_answer(
    export_host: ExportHost,
) -> None:
    pool = ExportPool(2, Waits(silence_s=30, answer_s=0))
    with pytest.raises(TransientError, match="disk: no answer in time"):
        read(Reader(export_host, pool), 0, 4096)
    pool.clear()


def test_a_connection_serves_one_request_after_another_and_refusals_too(
    export_host: ExportHost, pool: ExportPool
) -> None:
    reader = Reader(export_host, pool)
    reader.export.allocated()
    export_host.faults = [503, 404]
    for offset in range(0, 4096, 512):
        read(reader, offset, 512)

    assert len(export_host.connections) == 1


def test_a_connection_that_the_host_has_closed_meanwhile_is_no_failure(
    export_host: ExportHost, pool: ExportPool
) -> None:
    reader = Reader(export_host, pool, attempts=1)
    read(reader, 0, 512)
    export_host.faults = ["hang up"]

    assert read(reader, 0, 4096) == export_host.disk[:4096]


def test_an_address_that_is_none_is_told_without_the_sas(
    export_host: ExportHost, pool: ExportPool
) -> None:
    reader = Reader(export_host, pool)
    for url in (
        "http://127.0.0.1:99999/x?sig=secret",
        "http://[/x?sig=secret",
        "http://h/\xe9 sig",
    ):
        reader.url.renew(url)
        with pytest.raises(TransientError) as told:
            read(reader, 0, 4096)
        assert "sig" not in str(told.value)


def test_the_bytes_between_extents_with_small_gaps_come_with_one_request(
    export_host: ExportHost, pool: ExportPool
) -> None:
    export_host.ranges = [(64 * 1024 * n, 64 * 1024 * n + 4095) for n in range(128)]
    reader, counted = Reader(export_host, pool), list[int]()
    listed = reader.export.allocated()
    disk = DiskReader(reader.export, listed.extents, counted.append)
    whole = bytearray(b"\xee") * len(export_host.disk)
    for offset in range(0, len(whole), 4 * MIB):
        disk.read_into(offset, memoryview(whole)[offset : offset + 4 * MIB])

    end = 127 * 64 * 1024 + 4096
    assert listed.listed_bytes == 128 * 4096
    assert sorted(export_host.read) == [(0, 4 * MIB), (4 * MIB, end - 4 * MIB)]
    assert sum(counted) == end
    # What the export shows is the disk: in the gaps as well, whatever the list says of them.
    assert whole[:end] == export_host.disk[:end]
    assert whole[end:] == bytes(len(whole) - end)


def test_a_gap_of_256_kib_is_not_read(export_host: ExportHost, pool: ExportPool) -> None:
    gap = 256 * 1024
    export_host.ranges = [(0, 511), (512 + gap, 1023 + gap), (1023 + 2 * gap, 2047 + 2 * gap)]

    assert list(Reader(export_host, pool).export.allocated().extents) == [
        Extent(0, 512),
        Extent(512 + gap, 1536 + gap),
    ]


@pytest.mark.parametrize("grown", [-MIB, 4 * MIB], ids=["smaller", "larger"])
def test_an_export_of_another_size_than_the_job_says_is_refused_before_a_byte_is_taken(
    export_host: ExportHost, pool: ExportPool, grown: int
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
