"""A full disk of 1 TiB: what one changed block stores, and what the index of scattered changes is.

Its first point is written once and kept beside the images: every block stored, each with a record
and a line in the index of its own, little in any of them. See `numbered` for what the disk is.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tools.bench.engine.images import GIB, KIB, MIB
from tools.bench.engine.numbered import BLOCK, Numbered, NumberedSource
from tools.bench.engine.ours import Ours
from tools.bench.engine.processes import folder_mb
from tools.bench.engine.ratios import medians
from tools.bench.engine.repository import Disk, Repository
from tools.bench.engine.scratch import KEPT, scratch_folder
from tools.bench.engine.source import source
from tools.bench.engine.time_limit import OutOfTime
from tools.local_cloud.toolchains import made_once
from vmbackup_core.extents import Extent as Whole
from vmbackup_core.protocol import DiskDone
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.grants import ManifestAt, Parameters
from vmbackup_core.repository.primitives.chain_keys import ChainKeys

Figures = dict[str, Any]

DISK_BYTES: Final = 1024 * GIB
#: As small as the format has them: records are small, and a real disk of that size has many packs.
PARAMETERS: Final = Parameters(pack_bytes=MIB)
#: The most that a block has of its own, first and where it is changed.
OWN, CHANGED_OWN = 256, 4 * KIB
PAGE = 4 * KIB
SHARE = 0.001
#: All of the share in all of the disk would be 268,435 requests, and an export bears 400 a second.
#: An index has a section for each shard: of one part in so many it has as much of all of it.
PART: Final = 16

_DISK, _FIRST, _ONE, _SCATTERED = "disk", "full-1", "full-one", "full-scattered"
_MADE = "made.json"


class _Made(msgspec.Struct, frozen=True):
    """The first point's manifest, from which increments count."""

    manifest: ManifestAt


def first_state(disk_bytes: int = DISK_BYTES) -> Numbered:
    """Return the disk as it is first."""
    return Numbered(disk_bytes, OWN)


def one_changed_block(disk_bytes: int = DISK_BYTES) -> Numbered:
    """Return the disk with other content in one block, which compresses to nothing less."""
    at = disk_bytes // BLOCK // 2 * BLOCK
    return Numbered(disk_bytes, OWN, 2, BLOCK, [(at, PAGE)])


def scattered_pages(
    disk_bytes: int = DISK_BYTES, share: float = SHARE, part: int = PART
) -> Numbered:
    """Return the disk with *share* of its first *part* changed in pages of 4 KiB.

    No two are in one block; a part of 16 is the first sixteenth.
    """
    drawn = random.Random(42)  # noqa: S311 - content, no secret
    changing = disk_bytes // part
    blocks = drawn.sample(range(changing // BLOCK), round(changing * share) // PAGE)
    pages = [(block * BLOCK + drawn.randrange(BLOCK // PAGE) * PAGE, PAGE) for block in blocks]
    return Numbered(disk_bytes, OWN, 3, CHANGED_OWN, sorted(pages))


def chain(disk_bytes: int = DISK_BYTES, folder: Path = KEPT / "chains") -> Path:
    """Return the repository with the first point of the disk, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"full-{disk_bytes // MIB}-{OWN}-{BLOCK}-{PARAMETERS.pack_bytes}"
    return made_once(folder / name, lambda unfinished: _make(unfinished, disk_bytes))


def _make(folder: Path, disk_bytes: int) -> None:
    repository = Repository(folder / "repository", PARAMETERS)
    ordered = repository.order(1, [Disk(_DISK, "unread", disk_bytes)], level=1)
    (asked,) = ordered.job.disks
    written = write_disk(
        repository.places.data,
        ChainKeys.parse(asked.keys),
        asked.grant,
        DiskToRead(NumberedSource(first_state(disk_bytes)), [Whole(0, disk_bytes)]),
        threads=os.cpu_count() or 1,
        progress=lambda _now: None,
    )
    done = DiskDone(asked.disk_id, written.manifest, written.sha256, written.statistics, 0, 0, 0.0)
    (committed,) = repository.commit(ordered, [done])
    made = _Made(repository.manifest_of(committed))
    (folder / _MADE).write_bytes(msgspec.json.encode(made))


def measure(disk_bytes: int = DISK_BYTES) -> Figures:
    """Return what increments of the full disk take, each alone after its first point."""
    kept = chain(disk_bytes)
    base = msgspec.json.decode((kept / _MADE).read_bytes(), type=_Made).manifest
    found: Figures = {}
    with scratch_folder() as scratch, source(scratch) as exports:
        exports.show_numbered(_FIRST, first_state(disk_bytes))
        exports.show_numbered(_ONE, one_changed_block(disk_bytes), _FIRST)
        exports.show_numbered(_SCATTERED, scattered_pages(disk_bytes), _FIRST)
        for name, called in ((_ONE, "one_block"), (_SCATTERED, "scattered")):
            copied = scratch / "repository"
            copy_of(kept / "repository", copied)
            disk = Disk(_DISK, exports.url(name), disk_bytes, exports.url(_FIRST), base)
            try:
                found[called] = _increment(Ours(exports, copied, runs=2), disk)
            except OutOfTime as error:
                why = f"{called}: {error}"
                return {"full_1_tib": found, "not_measured": {"engine-full-disk": why}}
            shutil.rmtree(copied)
    found["scattered"]["index_of_all_mb"] = found["scattered"]["index_mb"] * PART
    return {"full_1_tib": found}


def _increment(ours: Ours, disk: Disk) -> Figures:
    before = _stored(ours.repository)
    took = ours.back_up([disk]).figures()
    after = _stored(ours.repository)
    grown = {f"{name}_mb": after[name] - before[name] for name in after}
    return medians([{**took, **grown}])


def _stored(repository: Repository) -> dict[str, float]:
    """Return what lies in the repository: all of it, and of that what is index."""
    index = sum(path.stat().st_size for path in repository.data.glob("c/*/i/**/*"))
    return {"all": folder_mb(repository.folder), "index": index / 1e6}


def copy_of(repository: Path, target: Path) -> None:
    """Make *target* a copy of *repository* that shares the files of data, which nobody changes."""
    shutil.copytree(repository, target, ignore=_but_data)
    shutil.copytree(repository / "data", target / "data", copy_function=os.link)


def _but_data(folder: str, names: Sequence[str]) -> set[str]:
    return {"data"} & set(names) if (Path(folder) / "key").exists() else set()
