"""Asking for differences since another export: who is refused, who is waited for, what is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.unit.worker.export_host import ExportHost, ListAsked, Refused, export_host
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.extents import Extent
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import AccessRefused, Renewable
from vmbackup_worker.connections import Waits
from vmbackup_worker.export_answers import NoDifferences
from vmbackup_worker.jobs.planning import differences
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.page_listing import Listed
from vmbackup_worker.source import Export, PredecessorExport

MIB = 1024 * 1024
SIZE = 16 * MIB
PATIENCE = Patience(attempts=3, pause=lambda _seconds: None)


class Exports:
    """Two of them, of one disk, as a worker asks them."""

    def __init__(self, now: ExportHost, before: ExportHost, pool: ExportPool) -> None:
        self.now, self.before = now, before
        self.now_url, self.before_url = Renewable(now.url), Renewable(before.url)
        self._pool = pool

    def differences(self, renewal_s: float = 0.05, disk_bytes: int = SIZE) -> Listed:
        stop = threading.Event()
        now = Export(
            "disk", self.now_url, disk_bytes, self._pool, stop,
            renewal_s=renewal_s, patience=PATIENCE,
        )  # fmt: skip
        before = PredecessorExport(
            "before", self.before_url, self._pool, stop, renewal_s=renewal_s, patience=PATIENCE
        )
        return differences(now, before, "disk")

    def refusal(self) -> NoDifferences:
        with pytest.raises(NoDifferences) as refused:
            self.differences()
        return refused.value


@pytest.fixture
def exports() -> Iterator[Exports]:
    pool = ExportPool(4, Waits(connect_s=10, silence_s=1, answer_s=60))
    with export_host(bytes(SIZE), []) as now, export_host(bytes(SIZE), []) as before:
        before.sas = "sig=secret-before"
        now.predecessor = before
        now.differences = [
            (0, 4095, False),
            (MIB, 3 * MIB - 1, True),
            (3 * MIB, 3 * MIB + 511, False),
        ]
        yield Exports(now, before, pool)
    pool.clear()


def test_written_and_cleared_ranges_have_changed_and_cleared_ones_are_zero(
    exports: Exports,
) -> None:
    listed = exports.differences()

    assert list(listed.extents) == [Extent(0, 4096), Extent(MIB, 2 * MIB + 512)]
    assert list(listed.cleared) == [Extent(MIB, 2 * MIB)]
    assert listed.listed_bytes == 4096 + 2 * MIB + 512


def test_ranges_that_go_on_in_the_next_list_are_told_whole(exports: Exports) -> None:
    exports.now.differences = [(at, at + 8191, at // 8192 % 2 == 1) for at in range(0, SIZE, 8192)]
    exports.now.page_ranges = 7
    listed = exports.differences()

    assert list(listed.extents) == [Extent(0, SIZE)]
    assert list(listed.cleared) == [Extent(at, 8192) for at in range(8192, SIZE, 16384)]


@pytest.mark.parametrize(
    "refused",
    [
        Refused(400, "PreviousSnapshotCannotBeNewer"),
        Refused(404, "BlobNotFound"),
        Refused(409, "PreviousSnapshotOperationNotSupported"),
        Refused(412, "ConditionNotMet"),
        Refused(418, ""),
    ],
)
def test_an_answer_that_refuses_is_asked_for_once_and_told_with_its_code(
    exports: Exports, refused: Refused
) -> None:
    exports.now.refusals = [refused]
    told = exports.refusal()

    assert (told.reason, len(exports.now.listed)) == ("DifferencesRefused", 1)
    assert str(told) == f"HTTP {refused.status} {refused.code}".rstrip()


@pytest.mark.parametrize(
    "answer", [Refused(500, "OperationTimedOut"), Refused(500, "InternalError"), Refused(502, "")]
)
def test_a_service_that_never_tells_is_given_up(exports: Exports, answer: Refused) -> None:
    exports.now.refusals = [answer] * 1000
    told = exports.refusal()

    assert told.reason == "DifferencesRefused"
    assert str(told) == f"HTTP {answer.status} {answer.code}".rstrip()


def test_lists_that_nobody_can_read_are_given_up(exports: Exports) -> None:
    exports.now.lists = lambda _asked: b"<PageList><PageRange><Start>9</Start></PageList>"
    told = exports.refusal()

    assert told.reason == "DifferencesRefused"
    assert str(told) == "a page list of 48 bytes that cannot be read"


def test_a_service_that_asks_for_patience_is_not_given_up_for_a_full_read(
    exports: Exports,
) -> None:
    exports.now.refusals = [Refused(503, "ServerBusy")] * 1000

    with pytest.raises(TransientError, match="ServerBusy"):
        exports.differences()


def test_a_snapshot_of_another_size_is_no_matter_of_differences(exports: Exports) -> None:
    with pytest.raises(PermanentError) as refused:
        exports.differences(disk_bytes=SIZE - MIB)

    assert refused.value.reason == "DiskSizeDiffers"


def test_a_snapshot_whose_sas_is_refused_is_told_as_ever(exports: Exports) -> None:
    exports.now.sas = "sig=revoked"

    with pytest.raises(AccessRefused):
        exports.differences()


def test_a_predecessor_whose_sas_is_refused_is_told_without_it(exports: Exports) -> None:
    exports.before.sas = "sig=revoked"
    told = exports.refusal()

    assert told.reason == "PredecessorUnreadable"
    assert str(told) == "HTTP 403 AuthenticationFailed, no fresh SAS came"


def test_a_predecessor_that_is_gone_is_unreadable_too(exports: Exports) -> None:
    exports.now.refusals = [Refused(403, "AuthenticationFailed")]
    exports.before.faults = [404] * 3

    assert exports.refusal().reason == "PredecessorUnreadable"


def test_a_refusal_although_both_open_is_one_of_the_differences(exports: Exports) -> None:
    exports.now.refusals = [Refused(403, "AuthorizationPermissionMismatch")] * 2
    told = exports.refusal()

    assert told.reason == "DifferencesRefused"
    assert str(told) == "HTTP 403 AuthorizationPermissionMismatch"


@pytest.mark.parametrize("whose", ["snapshot", "predecessor"])
def test_a_fresh_sas_in_the_middle_of_a_list_is_taken(exports: Exports, whose: str) -> None:
    host, url = exports.now, exports.now_url
    if whose == "predecessor":
        host, url = exports.before, exports.before_url
    asked = list[ListAsked]()

    def lists(question: ListAsked) -> bytes:
        asked.append(question)
        if len(asked) == 3:  # from now on another one is good
            host.sas = "sig=fresh"
            threading.Timer(0.2, lambda: url.renew(host.url)).start()
        return exports.now.page_list(question)

    exports.now.differences = [(at, at + 511, False) for at in range(0, SIZE, MIB)]
    exports.now.page_ranges = 3
    exports.now.lists = lists
    listed = exports.differences(renewal_s=30)

    assert listed.listed_bytes == 16 * 512
    assert {"sig=fresh" in (each.since or "") for each in asked} == (
        {True, False} if whose == "predecessor" else {False}
    )


@pytest.mark.parametrize("url", ["https://h/x?sig=secret\r\nx: y", "https://h/x?sig=sécret"])
def test_what_no_header_can_hold_is_unreadable_and_not_shown(exports: Exports, url: str) -> None:
    exports.before_url.renew(url)
    told = exports.refusal()

    assert told.reason == "PredecessorUnreadable"
    assert "cret" not in str(told)
