"""Differences between two exports, as Azure tells them and as a worker asks for them."""

from __future__ import annotations

import ctypes
import os
import threading
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3
from typing_extensions import override

from azure_simulator.resources import Resource
from tests.contract.simulator_storage.cloud import GROUP, Cloud
from tests.contract.simulator_storage.plain_exports import plain_exports
from vmbackup_core.extents import Extent
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import Renewable
from vmbackup_worker.export_answers import NoDifferences
from vmbackup_worker.jobs.planning import differences
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.page_listing import Listed
from vmbackup_worker.source import Export, PredecessorExport

KIB, MIB, TIB = 1024, 1024**2, 1024**4
SIZE = 256 * MIB
HOST = "md-impexp-7.z1.blob.storage.azure.net"
VERSION = {"x-ms-version": "2020-10-02"}


@dataclass
class Disk:
    """A disk of the simulator that a test writes to and takes snapshots of."""

    cloud: Cloud
    size_bytes: int = SIZE
    arm_id: str = field(default_factory=lambda: f"{_disks()}/{uuid.uuid4()}")
    #: The snapshots' ids by their SAS.
    snapshots: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cloud.run(self.cloud.contents.create_empty(self.arm_id, self.size_bytes))

    def write(self, *at: tuple[int, bytes]) -> None:
        with self.cloud.contents.get(self.arm_id).path.open("r+b") as file:
            for offset, data in at:
                file.seek(offset)
                file.write(data)

    def clear(self, offset: int, length: int) -> None:
        file = os.open(self.cloud.contents.get(self.arm_id).path, os.O_RDWR)
        try:
            punch_hole(file, offset, length)
        finally:
            os.close(file)

    def snapshot(
        self, *, size_bytes: int | None = None, incremental: bool = True, duration_s: int = 3600
    ) -> str:
        """Take a snapshot, longer by what the disk has grown; return its SAS."""
        arm_id = f"{GROUP}/providers/Microsoft.Compute/snapshots/{uuid.uuid4()}"
        self.cloud.resources.put(Resource(arm_id, {"properties": {"incremental": incremental}}))
        size_bytes = size_bytes or self.size_bytes
        self.cloud.run(self.cloud.contents.create_from(arm_id, self.arm_id, size_bytes))
        sas = self.cloud.run(self.cloud.grants.grant(arm_id, "Read", duration_s, HOST))
        self.snapshots[sas] = arm_id
        return sas


def _disks() -> str:
    return f"{GROUP}/providers/Microsoft.Compute/disks"


def punch_hole(file: int, offset: int, length: int) -> None:
    """Have the file system forget what it keeps there."""
    libc = ctypes.CDLL(None, use_errno=True)
    keep_size_and_punch = 3
    done = libc.fallocate(file, keep_size_and_punch, ctypes.c_int64(offset), ctypes.c_int64(length))
    assert done == 0, os.strerror(ctypes.get_errno())


@dataclass
class Service:
    """The export hosts on loopback, without TLS: a worker knows no proxy."""

    cloud: Cloud
    port: int

    def url(self, sas: str) -> str:
        return sas.replace(f"https://{HOST}", f"http://127.0.0.1:{self.port}")

    def ask(
        self, now: str, before: str, query: str = "", headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        asked = {**VERSION, "x-ms-previous-snapshot-url": before, **(headers or {})}
        url = f"{self.url(now)}&comp=pagelist{query}"
        return urllib3.request("GET", url, headers=asked, retries=False)


@pytest.fixture(scope="module")
def service(bare_cloud: Cloud) -> Iterator[Service]:
    with plain_exports(bare_cloud, HOST) as port:
        yield Service(bare_cloud, port)


def ranges_of(answer: urllib3.BaseHTTPResponse) -> list[tuple[str, int, int]]:
    assert answer.status == 200, answer.data
    return [
        (each.tag, int(each.findtext("Start", "")), int(each.findtext("End", "")))
        for each in ET.fromstring(answer.data)  # noqa: S314 - the simulator's own
        if each.tag != "NextMarker"
    ]


def marker_of(answer: urllib3.BaseHTTPResponse) -> str:
    return ET.fromstring(answer.data).findtext("NextMarker", "")  # noqa: S314 - the simulator's own


@pytest.fixture(scope="module")
def two(service: Service) -> tuple[str, str]:
    """A snapshot, and one behind it: some of it written, some cleared."""
    disk = Disk(service.cloud)
    disk.write((0, b"a" * 64 * KIB), (MIB, b"b" * MIB), (8 * MIB, b"c" * 4096))
    before = disk.snapshot()
    disk.write((4096, b"x" * 10), (32 * MIB, b"y" * 4096))
    disk.clear(MIB, 512 * KIB)
    return before, disk.snapshot()


CHANGED = [
    ("PageRange", 4096, 8191),
    ("ClearRange", MIB, MIB + 512 * KIB - 1),
    ("PageRange", 32 * MIB, 32 * MIB + 4095),
]


def test_what_was_written_and_what_was_cleared_is_told_in_order(
    service: Service, two: tuple[str, str]
) -> None:
    before, now = two

    assert ranges_of(service.ask(now, before)) == CHANGED


def test_differences_come_in_pages_by_markers_and_in_windows(
    service: Service, two: tuple[str, str]
) -> None:
    before, now = two
    found, marker = list[tuple[str, int, int]](), ""
    for _ in CHANGED:
        answer = service.ask(now, before, f"&maxresults=1&marker={marker}")
        found += ranges_of(answer)
        marker = marker_of(answer)
    window = {"x-ms-range": f"bytes={MIB + 4096}-{32 * MIB + 511}"}

    assert (found, marker) == (CHANGED, "")
    assert ranges_of(service.ask(now, before, headers=window)) == [
        ("ClearRange", MIB + 4096, MIB + 512 * KIB - 1),
        ("PageRange", 32 * MIB, 32 * MIB + 511),
    ]


def test_a_longer_disk_has_another_footer_and_the_old_one_has_gone(service: Service) -> None:
    disk = Disk(service.cloud)
    before = disk.snapshot()
    now = disk.snapshot(size_bytes=SIZE + MIB)

    assert ranges_of(service.ask(now, before)) == [
        ("ClearRange", SIZE, SIZE + 511),
        ("PageRange", SIZE + MIB, SIZE + MIB + 511),
    ]


Refusal = tuple[str, str]


def another_family(cloud: Cloud, disk: Disk) -> Refusal:
    other = Disk(cloud)
    return other.snapshot(), disk.snapshot()


def another_disk_of_that_name(cloud: Cloud, disk: Disk) -> Refusal:
    before = disk.snapshot()
    cloud.run(cloud.contents.delete(disk.arm_id))
    return before, Disk(cloud, arm_id=disk.arm_id).snapshot()


def newer(_cloud: Cloud, disk: Disk) -> Refusal:
    now = disk.snapshot()
    return disk.snapshot(), now


def itself(_cloud: Cloud, disk: Disk) -> Refusal:
    now = disk.snapshot()
    return now, now


def a_full_snapshot(_cloud: Cloud, disk: Disk) -> Refusal:
    return disk.snapshot(incremental=False), disk.snapshot()


def before_it_grew_over_4_tib(_cloud: Cloud, disk: Disk) -> Refusal:
    return disk.snapshot(), disk.snapshot(size_bytes=4 * TIB + MIB)


def expired(_cloud: Cloud, disk: Disk) -> Refusal:
    return disk.snapshot(duration_s=0), disk.snapshot()


def revoked(cloud: Cloud, disk: Disk) -> Refusal:
    before = disk.snapshot()
    cloud.run(cloud.grants.revoke(disk.snapshots[before]))
    return before, disk.snapshot()


def without_a_signature(_cloud: Cloud, disk: Disk) -> Refusal:
    return disk.snapshot().partition("&sig=")[0], disk.snapshot()


def without_tls(_cloud: Cloud, disk: Disk) -> Refusal:
    return disk.snapshot().replace("https:", "http:"), disk.snapshot()


REFUSALS: list[tuple[Callable[[Cloud, Disk], Refusal], int, str]] = [
    (another_family, 409, "BlobOverwritten"),
    (another_disk_of_that_name, 409, "BlobOverwritten"),
    (newer, 400, "PreviousSnapshotCannotBeNewer"),
    (itself, 400, "PreviousSnapshotCannotBeNewer"),
    (a_full_snapshot, 409, "PreviousSnapshotOperationNotSupported"),
    (before_it_grew_over_4_tib, 409, "PreviousSnapshotOperationNotSupported"),
    (expired, 403, "AuthenticationFailed"),
    (revoked, 403, "AuthenticationFailed"),
    (without_a_signature, 401, "NoAuthenticationInformation"),
    (without_tls, 400, "InvalidHeaderValue"),
]


@pytest.mark.parametrize(("make", "status", "code"), REFUSALS)
def test_what_has_no_differences_is_refused_and_shows_no_signature(
    service: Service, make: Callable[[Cloud, Disk], Refusal], status: int, code: str
) -> None:
    before, now = make(service.cloud, Disk(service.cloud))
    answer = service.ask(now, before)

    assert (answer.status, answer.headers["x-ms-error-code"]) == (status, code)
    assert before.encode() not in answer.data
    assert before.rpartition("sig=")[2] not in repr(service.cloud.journal.since(0))


def test_versions_before_managed_disks_had_differences_know_no_such_header(
    service: Service, two: tuple[str, str]
) -> None:
    before, now = two
    answer = service.ask(now, before, headers={"x-ms-version": "2018-11-09"})

    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "InvalidHeaderValue")


def told(service: Service, before: str, now: str, **options: Any) -> Listed:
    """Return what a worker makes of it."""
    pool, stop = ExportPool(4), threading.Event()
    patience = Patience(attempts=3, pause=lambda _seconds: None)
    export = Export(
        "disk",
        Renewable(service.url(now)),
        options.get("size_bytes", SIZE),
        pool,
        stop,
        renewal_s=0.05,
        patience=patience,
    )
    earlier = ByTls(service, before, pool, stop, patience)
    try:
        return differences(export, earlier, "disk")
    finally:
        pool.clear()


class ByTls(PredecessorExport):
    """A predecessor that is named as Azure knows it, and asked on loopback."""

    def __init__(
        self,
        service: Service,
        sas: str,
        pool: ExportPool,
        stop: threading.Event,
        patience: Patience,
    ) -> None:
        asked = Renewable(service.url(sas))
        super().__init__("before", asked, pool, stop, renewal_s=0.05, patience=patience)
        self._sas = sas

    @override
    def named(self) -> tuple[int, dict[str, str]]:
        return super().named()[0], {"x-ms-previous-snapshot-url": self._sas}


def test_a_worker_hears_what_differs(service: Service, two: tuple[str, str]) -> None:
    listed = told(service, *two)

    assert list(listed.cleared) == [Extent(MIB, 512 * KIB)]
    assert listed.listed_bytes == 2 * 4096 + 512 * KIB
    # Gaps below 256 KiB are joined, and these are longer.
    assert list(listed.extents) == [
        Extent(4096, 4096),
        Extent(MIB, 512 * KIB),
        Extent(32 * MIB, 4096),
    ]


def test_a_worker_hears_of_more_than_one_answer_holds(service: Service) -> None:
    disk = Disk(service.cloud)
    places = range(0, SIZE, 8192)
    disk.write(*((at, b"a" * 4096) for at in places))
    before = disk.snapshot()
    disk.write(*((at, b"b" * 4096) for at in places if at % 16384))
    for at in range(0, MIB, 16384):
        disk.clear(at, 4096)
    listed = told(service, before, disk.snapshot())

    assert len(places) // 2 > 10_000
    assert listed.listed_bytes == 4096 * (len(places) // 2 + 64)
    assert list(listed.cleared) == [Extent(at, 4096) for at in range(0, MIB, 16384)]


@pytest.mark.parametrize(("make", "status", "code"), REFUSALS)
def test_a_worker_says_why_it_hears_nothing(
    service: Service, make: Callable[[Cloud, Disk], Refusal], status: int, code: str
) -> None:
    before, now = make(service.cloud, Disk(service.cloud))
    size_bytes = 4 * TIB + MIB if make is before_it_grew_over_4_tib else SIZE
    with pytest.raises(NoDifferences) as none:
        told(service, before, now, size_bytes=size_bytes)

    its_sas = make in {expired, revoked, without_a_signature}
    assert none.value.reason == ("PredecessorUnreadable" if its_sas else "DifferencesRefused")
    assert str(none.value).startswith(f"HTTP {status} {code}")
    assert before not in str(none.value)
