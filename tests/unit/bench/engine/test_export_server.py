"""The lean source answers a worker as the simulator's export host does."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import trustme
import urllib3

from azure_simulator.disks.pages import one_answer, page_list, page_ranges, within
from tools.bench.engine.export_blobs import Blob, Pages
from tools.bench.engine.export_server import HOST, ExportServer
from tools.bench.engine.source import Source, Spread
from vmbackup_core.extents import Extent
from vmbackup_worker.access import Renewable
from vmbackup_worker.page_blob import ExportPool, export_pool
from vmbackup_worker.page_ranges import parse_page_list
from vmbackup_worker.source import Export

KIB, MIB = 1 << 10, 1 << 20


def test_a_part_of_a_list_is_what_the_simulator_answers() -> None:
    drawn = random.Random(7)  # noqa: S311 - content, no secret
    marks = sorted(drawn.sample(range(0, 4 * MIB, 512), 200))
    extents = [(start, end - start) for start, end in zip(marks[::2], marks[1::2], strict=True)]
    pages, ranges = Pages.of(extents), page_ranges(extents)
    for _ in range(200):
        first, last = sorted(drawn.sample(range(4 * MIB), 2))
        most, marker = drawn.randrange(1, 120), drawn.choice([0, *marks])
        chosen, following = one_answer(within(ranges, first, last), most, marker)

        answer = pages.answer(first, last, most, marker)
        assert answer == page_list(chosen, following, paged=True)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    authority, folder = trustme.CA(), tmp_path / "exports"
    folder.mkdir()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with ExportServer(folder, context) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Source(folder, ca_file, server.url, 0)
        server.shutdown()
        thread.join(60)


@pytest.fixture
def pool(source: Source) -> Iterator[ExportPool]:
    del source  # whose CA it trusts
    made = export_pool(2)
    yield made
    made.clear()


def export_of(source: Source, pool: ExportPool, name: str, disk_bytes: int) -> Export:
    url = Renewable(source.url(name))
    return Export(name, url, disk_bytes, pool, threading.Event(), renewal_s=1)


def get(source: Source, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(ca_certs=str(source.ca_file)) as pool:
        return pool.request("GET", url, headers=headers)


def test_a_worker_reads_a_disk_and_what_of_it_is_allocated(
    source: Source, pool: ExportPool, tmp_path: Path
) -> None:
    image, content = tmp_path / "disk.img", random.Random(3).randbytes(5 * MIB)  # noqa: S311 - content, no secret
    with image.open("wb") as file:
        file.truncate(16 * MIB)
        file.seek(8 * MIB)
        file.write(content)
    source.show("disk", image)
    export = export_of(source, pool, "disk", 16 * MIB)
    buffer = bytearray(6 * MIB)
    export.read_into(7 * MIB, memoryview(buffer))

    assert list(export.allocated().extents) == [Extent(8 * MIB, 5 * MIB)]
    assert bytes(buffer) == bytes(MIB) + content


def test_what_has_changed_since_another_state_is_told_of_that_state_alone(
    source: Source, tmp_path: Path
) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"x" * MIB)
    source.show("v2", image)
    source.show_changes("v2", [(4096, 8192), (512 * KIB, 4096)], "v1")
    asked = {
        "x-ms-version": "2020-10-02",
        "x-ms-range": f"bytes=0-{MIB - 1}",
        "x-ms-previous-snapshot-url": source.url("v1"),
    }
    answer = get(source, f"{source.url('v2')}&comp=pagelist", asked)

    listed = parse_page_list(answer.data, Extent(0, MIB), MIB + 512)
    assert (listed.ranges, listed.listed_bytes) == (2, 12288)
    assert list(listed.extents) == [Extent(4096, 8192), Extent(512 * KIB, 4096)]


def test_a_disk_that_is_not_shown_is_not_there(source: Source) -> None:
    answer = get(source, source.url("none"), {})

    assert (answer.status, answer.headers["x-ms-error-code"]) == (404, "BlobNotFound")


def test_a_spread_disk_is_its_extents_and_zeros_between_them(
    source: Source, pool: ExportPool
) -> None:
    spread = Spread(disk_bytes=64 * MIB, step=16 * MIB, length=256 * KIB)
    text = bytes(random.Random(5).randbytes(MIB))  # noqa: S311 - content, no secret
    source.show_spread("spread", spread, text)
    export = export_of(source, pool, "spread", spread.disk_bytes)
    buffer = bytearray(17 * MIB)
    export.read_into(16 * MIB, memoryview(buffer))
    pieces = [spread.piece(text, number * spread.length) for number in range(4)]

    assert list(export.allocated().extents) == [Extent(at * 16 * MIB, 256 * KIB) for at in range(4)]
    assert bytes(buffer[: 256 * KIB]) == pieces[1]
    assert not any(buffer[256 * KIB : 16 * MIB])
    assert bytes(buffer[16 * MIB : 16 * MIB + 256 * KIB]) == pieces[2]
    assert len(set(pieces)) == 4


def test_the_end_of_a_blob_is_a_fixed_disks_footer(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"y" * MIB)
    pieces = Blob(path).pieces(MIB - 1, MIB + 511)

    assert b"".join(pieces)[:9] == b"yconectix"
    assert sum(map(len, pieces)) == 513
