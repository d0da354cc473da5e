"""What the engine takes where disks are many, huge, scattered, or far away; each is a part."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from azure_simulator.disks import sparse
from azure_simulator.disks.sparse import Extent
from tools.bench.engine.images import (
    FIRST,
    GIB,
    KIB,
    Images,
    changed_extents,
    changing,
    images,
)
from tools.bench.engine.ours import BackedUp, Ours
from tools.bench.engine.processes import measured
from tools.bench.engine.ratios import medians
from tools.bench.engine.repository import Disk
from tools.bench.engine.scratch import scratch_folder
from tools.bench.engine.source import Source, Spread, source
from tools.local_cloud.disk_images import allocated_extents
from tools.local_cloud.toolchains import ROOT

Figures = dict[str, Any]

#: What scenarios are called in the result, beside which the others are written anew.
NAMES: Final = (
    "disks_4",
    "store_latency",
    "extents",
    "sizes",
    "changed",
    "full_1_tib",
    "aged_chain",
)

TIB = 1024 * GIB
SIZES_TIB = (1, 8, 32)
LATENCIES_MS = (0, 5, 20)
SHARES = (0.001, 0.02, 0.2)
DISKS = 4

#: One block in every shard: each is looked at, and little is read.
SPARSE_STEP, SPARSE_LENGTH = 4 * GIB, 256 * KIB
#: Extents that are asked for; those that are read too, one request for each where none are joined.
LISTED, READ = 1_000_000, 20_000
EXTENT_STEP, EXTENT_LENGTH = 64 * KIB, 4 * KIB

_TEXT: Final = "".join(f"{number:09d} the quick brown fox\n" for number in range(40_000)).encode()


def four_disks(made: Images | None = None) -> Figures:
    """Return what four disks in one job take."""
    made = made or images()
    with scratch_folder() as scratch, source(scratch) as exports:
        exports.show(FIRST, made.first)
        ours = Ours(exports, scratch / "ours")
        url, size_bytes = exports.url(FIRST), made.kind.size_bytes
        disks = [Disk(f"disk-{number}", url, size_bytes) for number in range(DISKS)]
        return {"disks_4": _rounded(ours.back_up(disks).figures())}


def latencies(made: Images | None = None) -> Figures:
    """Return what a full takes where each request to the store is late."""
    made = made or images()
    found = {}
    with scratch_folder() as scratch, source(scratch) as exports:
        exports.show(FIRST, made.first)
        disk = Disk("disk", exports.url(FIRST), made.kind.size_bytes)
        for late_ms in LATENCIES_MS:
            ours = Ours(exports, scratch / "ours")
            full = ours.back_up([disk], latency_ms=late_ms)
            found[f"{late_ms} ms"] = {"full": _rounded(full.figures())}
            shutil.rmtree(scratch / "ours")
    return {"store_latency": found}


def many_extents(listed: int = LISTED, read: int = READ) -> Figures:
    """Return what it takes to ask for a long list of extents, and to read a shorter one."""
    with scratch_folder() as scratch, source(scratch) as exports:
        spread = Spread(listed * EXTENT_STEP, EXTENT_STEP, EXTENT_LENGTH)
        exports.show_spread("listed", spread, None)
        command = [sys.executable, "-m", "tools.bench.engine.planning_process"]
        command += [exports.url("listed"), str(spread.disk_bytes)]
        trusted = {"SSL_CERT_FILE": str(exports.ca_file)}
        planned = measured(command, environment=trusted, folder=ROOT)
        spread = Spread(read * EXTENT_STEP, EXTENT_STEP, EXTENT_LENGTH)
        exports.show_spread("read", spread, _TEXT)
        ours = Ours(exports, scratch / "ours")
        full = ours.back_up([Disk("disk", exports.url("read"), spread.disk_bytes)])
    return {
        "extents": {
            "listed": {"count": listed, **_rounded(planned.figures())},
            "read": {"count": read, **_rounded(full.figures())},
        }
    }


def sizes(sizes_tib: tuple[int, ...] = SIZES_TIB) -> Figures:
    """Return what sparse disks of several sizes take, first and unchanged."""
    found: dict[str, Mapping[str, Mapping[str, float]]] = {}
    for tib in sizes_tib:
        with scratch_folder() as scratch, source(scratch) as exports:
            found[f"{tib} TiB"] = _first_and_unchanged(exports, scratch, tib)
    return {"sizes": found}


def _first_and_unchanged(
    exports: Source, scratch: Path, tib: int
) -> Mapping[str, Mapping[str, float]]:
    spread = Spread(tib * TIB, SPARSE_STEP, SPARSE_LENGTH)
    exports.show_spread("sparse", spread, _TEXT)
    exports.show_unchanged("later", "sparse")
    ours = Ours(exports, scratch / "ours")
    first, later = exports.url("sparse"), exports.url("later")
    full = ours.back_up([Disk("disk", first, spread.disk_bytes)])
    base = ours.repository.manifest_of(full.committed[0])
    unchanged = ours.back_up([Disk("disk", later, spread.disk_bytes, first, base)])
    return {"full": _rounded(full.figures()), "unchanged": _rounded(unchanged.figures())}


def changed_shares(made: Images | None = None, shares: Sequence[float] = SHARES) -> Figures:
    """Return what increments take of which more and more has changed, each after the one before."""
    made = made or images()
    size_bytes, found = made.kind.size_bytes, {}
    with scratch_folder() as scratch, source(scratch) as exports:
        path = scratch / "changing.img"
        sparse.copy(made.first, path, size_bytes)
        exports.show(FIRST, made.first)
        ours = Ours(exports, scratch / "ours")
        done = ours.back_up([Disk("disk", exports.url(FIRST), size_bytes)])
        before = FIRST
        for number, share in enumerate(shares, 1):
            name, base = f"changed-{number}", ours.repository.manifest_of(done.committed[0])
            extents = changed_extents(allocated_extents(made.first), changing(made.kind, share))
            made.change(path, number, extents)
            exports.show(name, path)
            exports.show_changes(name, extents, before)
            os.sync()  # no other's time
            disk = Disk("disk", exports.url(name), size_bytes, exports.url(before), base)
            done, before = ours.back_up([disk]), name
            found[f"{share * 100:g} %"] = _share(done, extents)
    return {"changed": found}


def _share(done: BackedUp, extents: Sequence[Extent]) -> Figures:
    changed_mb = round(sum(length for _, length in extents) / 1e6, 1)
    return {"changed_mb": changed_mb, "incremental": _rounded(done.figures())}


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return medians([figures])
