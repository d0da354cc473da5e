"""Backing one disk up into its chain, however often it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_core.extents import Extent, aligned, merged, total_bytes
from vmbackup_core.ids import CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.adoption import packs_left
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.disk_writer import DiskToWrite, DiskWriter
from vmbackup_core.repository.names import Written, checked_id, commit_name, new_writing_session
from vmbackup_core.repository.pack_writer import PACK_BYTES
from vmbackup_core.repository.records import Commit, Manifest, PointKind
from vmbackup_core.repository.transfer import DiskSource, OnProgress, Progress, Tally
from vmbackup_core.stores.port import AlreadyStored, NotStored

#: Whoever loses so often competes with something that is wrong.
MOST_RACES = 8


@dataclass(frozen=True, slots=True)
class CommittedDisk:
    """One disk's commit, and what it took to write: the same however often it is asked for."""

    slot: CommitSlot
    commit_digest: str
    kind: PointKind
    read_bytes: int
    stored_bytes: int
    blocks_new: int
    blocks_reused: int
    blocks_zero: int


@dataclass(frozen=True, slots=True)
class _Newest:
    """The end of the chain; *manifest* is None where there is no commit, or an aborted first."""

    slot: CommitSlot
    digest: str | None
    manifest: Manifest | None


def _silent(_progress: Progress) -> None:
    return


def back_up_disk(  # noqa: PLR0913 - the disk, the run, and how it is to be done
    chain: Chain,
    source: DiskSource,
    *,
    run_id: RunId,
    snapshot: SnapshotUniqueId,
    disk_bytes: int,
    extents: Iterable[Extent],
    base: CommitSlot | None,
    progress: OnProgress = _silent,
    threads: int = 4,
    pack_bytes: int = PACK_BYTES,
) -> CommittedDisk:
    """Return *run_id*'s commit of the disk's *snapshot*, made by this call or by one before.

    Without *base* the blocks of *extents* are read and all others are zero: a full. With one,
    only *extents* have changed since that commit. No block is stored that the chain's newest
    commit has in the same 64 GiB, or that a session before this one stored and could not commit.
    Where another run takes the slot meanwhile, all is done again on top of its commit.
    """
    if disk_bytes <= 0:
        raise ValueError(f"a disk of {disk_bytes} bytes")
    checked_id(run_id, "run id")  # else no listing would find what this run has committed
    given = list(merged(extents))
    for _ in range(MOST_RACES):
        # First the slot, then the run: a session of this run that commits in between takes that
        # slot. The other way round it would go unseen, and the run commit twice.
        slot = chain.newest_slot()
        done = find_committed(chain, run_id, snapshot)
        if done is not None:
            return done
        try:
            newest = _newest(chain, slot)
            asked = _asked(chain, source, disk_bytes, given, _base(chain, base, newest))
            tally = Tally(total_bytes(asked.extents), progress)
            written = Written(CommitSlot(slot + 1), run_id, new_writing_session())
            left = packs_left(chain, written.slot)
            writer = DiskWriter(
                chain,
                written,
                asked,
                newest.manifest,
                left,
                pack_bytes=pack_bytes,
                threads=threads,
                tally=tally,
            )
            manifest = _manifest(chain, written, asked, writer, snapshot)
            return _commit(chain, manifest, newest.digest)
        except (AlreadyStored, NotStored):
            # The slot was taken, by this run's other session or by another run; then what was the
            # newest commit may also expire, and its objects go, while they are being read.
            if chain.newest_slot() == slot:
                raise
    raise TransientError(
        f"chain {chain.chain_id}: others took the next slot {MOST_RACES} times in a row"
    )


def find_committed(chain: Chain, run_id: RunId, snapshot: SnapshotUniqueId) -> CommittedDisk | None:
    """Return *run_id*'s commit of the disk's *snapshot*, or None where there is none yet."""
    found = chain.find_commit_of(run_id, snapshot)
    return None if found is None else _committed(found[0].slot, found[1], found[0])


def _asked(
    chain: Chain,
    source: DiskSource,
    disk_bytes: int,
    extents: list[Extent],
    base: Manifest | None,
) -> DiskToWrite:
    """Return what is to be written, *extents* grown to blocks."""
    if base is not None and base.disk_bytes < disk_bytes:
        # What the base's disk did not have yet is unknown, whatever the changed extents say.
        extents = [*extents, Extent(base.disk_bytes, disk_bytes - base.disk_bytes)]
    whole = tuple(aligned(extents, chain.parameters.block_bytes, disk_bytes))
    return DiskToWrite(source, disk_bytes, whole, base)


def _newest(chain: Chain, slot: CommitSlot) -> _Newest:
    """Return the commit in *slot*, which is the newest one; 0 stands for none."""
    if slot == 0:
        return _Newest(slot, None, None)
    found = chain.find_commit(slot)
    if found is None:
        raise CorruptRepository(
            f"{chain.full_name(commit_name(slot))}: listed, and not there when read"
        )
    commit, digest = found
    return _Newest(slot, digest, chain.manifest_of(commit))


def _base(chain: Chain, base: CommitSlot | None, newest: _Newest) -> Manifest | None:
    """Return the manifest that an incremental starts from."""
    if base is None:
        return None
    if base == newest.slot and newest.manifest is not None:
        return newest.manifest
    found = chain.find_commit(base)
    try:
        manifest = None if found is None else chain.manifest_of(found[0])
    except NotStored:
        manifest = None
    if manifest is None:
        raise PermanentError(
            f"chain {chain.chain_id}: slot {base} holds nothing to start an incremental from",
            reason="BaseNotFound",
        )
    return manifest


def _manifest(
    chain: Chain,
    written: Written,
    asked: DiskToWrite,
    writer: DiskWriter,
    snapshot: SnapshotUniqueId,
) -> Manifest:
    shards = writer.write()
    return Manifest(
        slot=written.slot,
        run_id=written.run,
        session=written.session,
        kind="full" if asked.base is None else "incremental",
        base_slot=None if asked.base is None else asked.base.slot,
        disk_bytes=asked.disk_bytes,
        block_bytes=chain.parameters.block_bytes,
        shard_bytes=chain.parameters.shard_bytes,
        shards=shards,
        digest=chain.disk_digest(asked.disk_bytes, shards),
        statistics=writer.statistics(shards),
        snapshot_unique_id=snapshot,
    )


def _commit(chain: Chain, manifest: Manifest, previous: str | None) -> CommittedDisk:
    """Store *manifest* and take its slot; raise AlreadyStored where that is taken."""
    written = Written(manifest.slot, manifest.run_id, manifest.session)
    sha256 = chain.put("MANI", written.manifest(), msgspec.json.encode(manifest))
    commit = Commit(
        slot=written.slot,
        kind="backup",
        run_id=written.run,
        session=written.session,
        manifest=written.manifest(),
        manifest_sha256=sha256,
        previous=previous,
    )
    digest = chain.put("COMM", commit_name(written.slot), msgspec.json.encode(commit))
    return _committed(written.slot, digest, manifest)


def _committed(slot: CommitSlot, digest: str, manifest: Manifest) -> CommittedDisk:
    took = manifest.statistics
    return CommittedDisk(
        slot=slot,
        commit_digest=digest,
        kind=manifest.kind,
        read_bytes=took.read_bytes,
        stored_bytes=took.stored_bytes,
        blocks_new=took.new_blocks,
        blocks_reused=took.reused_blocks,
        blocks_zero=took.zero_blocks,
    )
