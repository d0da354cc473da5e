"""What it costs a worker to learn what a disk holds, and to ask an export for what it bears.

The export is served here, over HTTP; the worker is a process of its own, whose processor time and
memory are measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tools.local_cloud.toolchains import ROOT
from vmbackup_core.extents import aligned
from vmbackup_core.repository.data.shard_content import by_shard
from vmbackup_worker.access import Renewable
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.source import Export

Figures = dict[str, Any]

EXTENTS = 1_000_000
EXTENT_BYTES = 4096
KIB, GIB = 1024, 1024**3
BLOCK_BYTES, SHARD_BYTES = 256 * KIB, 64 * GIB
FOOTER_BYTES = 512

#: The slow export gives an answer after that long, and refuses who asks for more than this at once.
ANSWER_S, BEARS = 0.02, 3
READERS, READS = 16, 1_000


def measure_planning() -> Figures:
    """Return what lists of a million extents cost, and how an export that refuses is read."""
    return {
        "extents": EXTENTS,
        "far_apart": _planned(512 * KIB),
        "near": _planned(64 * KIB),
        "refusing": _refusing(),
    }


def _planned(every: int) -> Figures:
    """Return what a disk with an extent at each multiple of *every* costs to plan."""
    disk_bytes = -(-EXTENTS * every // GIB) * GIB
    with _serving(lambda handler: _list(handler, every, disk_bytes)) as url:
        asked = [sys.executable, "-m", "tools.bench.planning", url, str(disk_bytes)]
        done = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, env=_environment())
        found: Figures = json.loads(done.stdout)
        return found


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path)}


def _refusing() -> Figures:
    """Return how an export is read that bears few requests at once and refuses others.

    By as many readers as it bears, which is the best there is; by more that share what they learn
    from refusals, as a job's do; and by as many of which each learns alone.
    """
    return {
        "bears": BEARS,
        "as_many": _read_by([BEARS]),
        "more": _read_by([READERS]),
        "each_alone": _read_by([1] * READERS),
    }


def _read_by(shares: list[int]) -> Figures:
    """Return how the export is read by groups of readers of which each has a pace of its own."""
    counts = {"served": 0, "refused": 0}
    with _serving(_refuser(counts)) as url, ThreadPoolExecutor(sum(shares)) as readers:
        pools = [ExportPool(share) for share in shares]
        exports = [
            Export("disk", Renewable(url), GIB, pool, threading.Event(), renewal_s=1)
            for pool in pools
        ]
        began = time.monotonic()
        reads = [readers.submit(_read_sector, exports[n % len(exports)], n) for n in range(READS)]
        for read in reads:
            read.result()
        seconds = time.monotonic() - began
        for pool in pools:
            pool.clear()
    return {**counts, "s": round(seconds, 2)}


def _refuser(counts: dict[str, int]) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what answers sectors, to so many at once, and counts."""
    under_way, lock = 0, threading.Lock()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal under_way
        with lock:
            under_way += 1
            bears = under_way <= BEARS
            counts["served" if bears else "refused"] += 1
        time.sleep(ANSWER_S if bears else 0)
        with lock:
            under_way -= 1
        start = _window(handler, "Range")[0]
        said = {"Content-Range": f"bytes {start}-{start + 511}/{GIB}"}
        _send(handler, 206 if bears else 503, bytes(512), said)

    return answer


def _read_sector(export: Export, number: int) -> None:
    export.read_into(512 * number, memoryview(bytearray(512)))


@contextmanager
def _serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            answer(self)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/x/abcd?sig=x"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _list(handler: BaseHTTPRequestHandler, every: int, disk_bytes: int) -> None:
    most = int(parse_qs(urlsplit(handler.path).query)["maxresults"][0])
    start, end = _window(handler, "x-ms-range")
    first, stop = -(-start // every), min(end // every + 1, EXTENTS)
    shown = range(first, min(stop, first + most))
    last = EXTENT_BYTES - 1
    body = "".join(
        f"<PageRange><Start>{start}</Start><End>{start + last}</End></PageRange>"
        for start in (n * every for n in shown)
    )
    more = "<NextMarker>more</NextMarker>" if stop - first > most else "<NextMarker />"
    data = f'<?xml version="1.0" encoding="utf-8"?><PageList>{body}{more}</PageList>'.encode()
    _send(handler, 200, data, {"x-ms-blob-content-length": str(disk_bytes + FOOTER_BYTES)})


def _window(handler: BaseHTTPRequestHandler, header: str) -> tuple[int, int]:
    start, _, end = handler.headers[header].removeprefix("bytes=").partition("-")
    return int(start), int(end)


def _send(
    handler: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str]
) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(data))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def plan(url: str, disk_bytes: int) -> Figures:
    """Plan the disk behind *url* as a backup does; return what that cost this process."""
    pool = ExportPool(4)
    export = Export("disk", Renewable(url), disk_bytes, pool, threading.Event(), renewal_s=1)
    before_kib, began = _kib_of("VmRSS"), time.monotonic()
    cpu = time.process_time()
    listed = export.allocated()
    listed_cpu = time.process_time() - cpu
    blocks = aligned(listed.extents, BLOCK_BYTES, disk_bytes)
    shards = sum(1 for _ in by_shard(blocks, SHARD_BYTES))
    grown_kib = _kib_of("VmHWM") - before_kib
    pool.clear()
    return {
        "s": round(time.monotonic() - began, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "cpu_of_lists_s": round(listed_cpu, 2),
        "memory_mb": round(grown_kib * KIB / 1e6, 1),
        "to_read": len(listed.extents),
        "listed_bytes": listed.listed_bytes,
        "shards": shards,
    }


def _kib_of(name: str) -> int:
    """Return a figure of this process's memory; `getrusage` would give its parent's peak."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(plan(sys.argv[1], int(sys.argv[2]))))
