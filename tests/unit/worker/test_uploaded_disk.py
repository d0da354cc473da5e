"""Blocks that come in any order, written in whole pages and few requests, the footer last."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.export_host import Refused
from tests.unit.worker.upload_host import UploadHost, upload_host
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.access import AccessRefused, Renewable, Stopped
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.upload_target import WRITTEN_BYTES, UploadTarget
from vmbackup_worker.uploaded_disk import Joined, Run, UploadedDisk

KIB = 1024
MIB = 1024 * KIB
BLOCK = 256 * KIB
SIZE = 16 * MIB
FOOTER = b"conectix".ljust(512, b"\1")


def pieces_of(run: Run) -> bytes:
    return b"".join(bytes(piece) for piece in run.pieces)


def test_blocks_in_order_become_requests_of_four_mebibytes() -> None:
    joined = Joined(2)
    runs = [run for at in range(0, SIZE, BLOCK) for run in joined.add(at, bytes(BLOCK))]

    assert [(run.offset, run.length) for run in runs] == [
        (at, WRITTEN_BYTES) for at in range(0, SIZE, WRITTEN_BYTES)
    ]
    assert joined.rest() == []


@given(
    st.lists(st.integers(0, 255), unique=True),
    st.sampled_from([4 * KIB, 64 * KIB, BLOCK, 4 * MIB]),
    st.integers(1, 4),
)
def test_in_any_order_each_block_is_written_once_and_few_wait(
    numbers: list[int], block: int, most: int
) -> None:
    joined, runs, given_bytes = Joined(most), list[Run](), 0
    for number in numbers:
        content = number.to_bytes(2, "little") * 8
        runs += joined.add(number * block, content.ljust(block, b"\1"))
        given_bytes += block
        assert given_bytes - sum(run.length for run in runs) <= most * WRITTEN_BYTES
    runs += joined.rest()

    found = dict[int, bytes]()
    for run in runs:
        assert run.length <= WRITTEN_BYTES
        content = pieces_of(run)
        for at in range(0, run.length, block):
            assert run.offset + at not in found
            found[run.offset + at] = content[at : at + 2]
    assert found == {number * block: number.to_bytes(2, "little") for number in numbers}


@pytest.fixture
def host() -> Iterator[UploadHost]:
    with upload_host(SIZE) as made:
        yield made


@pytest.fixture
def pool() -> Iterator[ExportPool]:
    made = ExportPool(4)
    yield made
    made.clear()


@dataclass(frozen=True)
class Ways:
    """The host, and the way to it."""

    host: UploadHost
    pool: ExportPool

    def target(
        self, url: Renewable[str] | None = None, stop: threading.Event | None = None
    ) -> UploadTarget:
        return UploadTarget(
            "data",
            url or Renewable(self.host.url),
            self.pool,
            stop or threading.Event(),
            renewal_s=0.2,
            patience=Patience(attempts=4, first_wait_s=0, pause=lambda _s: None),
        )

    def disk(self, size_bytes: int = SIZE) -> UploadedDisk:
        return UploadedDisk(self.target(), size_bytes, 2, lambda _bytes: None)


@pytest.fixture
def ways(host: UploadHost, pool: ExportPool) -> Ways:
    return Ways(host, pool)


def test_every_block_lands_where_it_belongs_and_the_footer_is_last(ways: Ways) -> None:
    content = random.Random(1).randbytes(SIZE)  # noqa: S311 - repeatable
    blocks = [at for at in range(0, SIZE, BLOCK) if at not in {0, 5 * BLOCK}]
    random.Random(2).shuffle(blocks)  # noqa: S311 - repeatable
    disk = ways.disk()
    for at in blocks:
        disk.write_at(at, content[at : at + BLOCK])
    in_all = disk.finish(SIZE, FOOTER)

    expected = bytearray(content)
    for at in {0, 5 * BLOCK}:
        expected[at : at + BLOCK] = bytes(BLOCK)
    assert bytes(ways.host.pages) == bytes(expected) + FOOTER
    assert ways.host.puts[-1].first == SIZE
    assert in_all == len(blocks) * BLOCK == sum(put.length for put in ways.host.puts) - 512


def test_a_disk_that_ends_within_a_page_is_filled_with_zeros(ways: Ways) -> None:
    disk = ways.disk(5 * KIB + 100)
    disk.write_at(4 * KIB, b"x" * (KIB + 100))
    disk.finish(SIZE, FOOTER)

    assert ways.host.disk[4 * KIB : 6 * KIB] == (b"x" * (KIB + 100)).ljust(2 * KIB, b"\0")


def test_the_size_is_what_the_blob_says(ways: Ways) -> None:
    assert ways.target().size_bytes() == SIZE + 512


def test_what_passes_is_asked_for_again(ways: Ways) -> None:
    for fault in (500, 503, "hang up", "answer lost", Refused(503, "ServerBusy", "0"), 408):
        ways.host.faults = [fault]
        one: Buffer = b"%d" % len(ways.host.puts) * 512
        ways.target().write(512, (one[:512],))

        assert bytes(ways.host.pages[512:1024]) == one[:512]


def test_a_refusal_before_the_pages_were_read_is_asked_for_again(ways: Ways) -> None:
    pages = random.Random(3).randbytes(WRITTEN_BYTES)  # noqa: S311 - repeatable
    ways.host.faults = ["refused early"] * 2
    ways.target().write(0, [pages[at : at + BLOCK] for at in range(0, WRITTEN_BYTES, BLOCK)])

    assert ways.host.disk[:WRITTEN_BYTES] == pages
    assert len(ways.host.puts) == 1


def test_what_does_not_pass_is_said_to_be_transient(ways: Ways) -> None:
    ways.host.faults = [500] * 4

    with pytest.raises(TransientError, match=r"data: HTTP 500"):
        ways.target().write(0, (bytes(512),))


@pytest.mark.parametrize(
    "refusal", [Refused(404, "BlobNotFound"), Refused(409, "BlobBeingRehydrated"), Refused(412, "")]
)
def test_an_answer_that_nothing_explains_is_final_after_three(ways: Ways, refusal: Refused) -> None:
    ways.host.faults = [refusal] * 4

    with pytest.raises(PermanentError) as failed:
        ways.target().write(0, (bytes(512),))
    assert failed.value.reason == "UploadRefused"
    assert f"HTTP {refusal.status} {refusal.code}".rstrip() in str(failed.value)
    assert len(ways.host.faults) == 1


def test_pages_that_the_target_would_not_take_are_no_success(ways: Ways) -> None:
    with pytest.raises(PermanentError, match="HTTP 416 InvalidPageRange"):
        ways.target().write(100, (bytes(512),))


def test_a_sas_that_is_refused_waits_for_a_fresh_one(ways: Ways) -> None:
    url = Renewable(ways.host.url)
    ways.host.sas = "sig=fresh"
    with pytest.raises(AccessRefused):
        ways.target(url).write(0, (b"x" * 512,))
    assert ways.host.puts == []

    url.renew(ways.host.url)
    ways.target(url).write(0, (b"x" * 512,))
    assert ways.host.disk[:512] == b"x" * 512


def test_who_is_told_to_stop_asks_nothing_more(ways: Ways) -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        ways.target(stop=stop).write(0, (bytes(512),))
    assert ways.host.puts == []
