"""What the journal of a second backup must show, in whose middle the operator was killed.

As the facts about a first one: each function yields complaints, none when it holds, and is pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tools.demo.blocks import BLOCK_BYTES, blocks_of
from tools.demo.facts import (
    DISK_ACCESSES,
    ENDPOINTS,
    ENVIRONMENT_TYPES,
    Rules,
    Scene,
    access_only_when_private,
    commits_after_packs,
    no_access_left,
    snapshots_tagged_when_created,
    worker_released,
    workers_reach_data_alone,
)
from tools.demo.journal import Entry, is_put, same, spans

#: Of what has not changed so many blocks of a disk are read again, and compared.
SAMPLE_BLOCKS = 32
#: A pack has a head and a foot beside its blocks, and each block a few bytes of its own.
_PACK_OVERHEAD_BYTES = 16 * 1024

_WRITES = frozenset({"PUT", "PATCH", "DELETE"})


def nothing_built_but_one_disk_access(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain of every write to a resource of the environment, but for a disk access with its way.

    A set and those before it are six exports, and a disk access has five at once.
    """
    del scene
    made = {e.path.lower() for e in entries if e.is_write(DISK_ACCESSES)}
    ways = {e.path.lower() for e in entries if _leads_to_a_disk_access(e)}
    for entry in entries:
        is_expected = len(made) <= 1 and entry.path.lower().startswith((*made, *ways))
        if any(entry.is_write(kind) for kind in ENVIRONMENT_TYPES) and not is_expected:
            yield f"{entry.method} {entry.path}"


def _leads_to_a_disk_access(entry: Entry) -> bool:
    return entry.is_write(ENDPOINTS) and "/diskaccesses/" in str(entry.request).lower()


def reads_are_the_changed_extents_and_a_sample(
    entries: Sequence[Entry], scene: Scene
) -> Iterator[str]:
    """Complain unless each block that has changed was read once, and no more others than a sample.

    Changes in one block, and in blocks side by side, are joined. What has changed is taken from
    the disks' own bytes, not from what Azure has told. Nothing is read of the snapshots before.
    """
    for snapshot, changes in scene.snapshot_changes.items():
        if not any(_asks_for_changes(entry, snapshot) for entry in entries):
            yield f"{snapshot}: nobody asked what has changed"
        owed, read = blocks_of(changes), spans(entries, "GetBlob", snapshot)
        seen = blocks_of(read)
        if owed - seen:
            yield f"{snapshot}: {len(owed - seen)} of {len(owed)} changed blocks were not read"
        if len(seen - owed) > SAMPLE_BLOCKS:
            yield f"{snapshot}: {len(seen - owed)} blocks were read that have not changed"
        total = sum(length for _, length in read)
        if total != len(seen) * BLOCK_BYTES:
            yield f"{snapshot}: {total} bytes were read of {len(seen)} blocks"
    for entry in entries:
        disk = str(entry.detail.get("disk")).lower()
        is_known = any(same(disk, each) for each in scene.snapshot_changes)
        is_read = entry.service == "export" and entry.detail.get("operation") == "GetBlob"
        if is_read and not is_known:
            yield f"{disk} was read, which is none of this session's snapshots"


def _asks_for_changes(entry: Entry, snapshot: str) -> bool:
    asks = entry.succeeded and entry.detail.get("operation") == "GetPageRangesDiff"
    return asks and same(str(entry.detail.get("disk")), snapshot)


def nothing_stored_but_what_has_changed(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain where packs are larger than the changed blocks, or nothing was stored at all."""
    packs = [e.received_bytes for e in entries if is_put(e, scene.repository_host, "/p/")]
    owed = sum(len(blocks_of(changes)) for changes in scene.snapshot_changes.values()) * BLOCK_BYTES
    if not packs:
        yield "no pack was stored"
    if sum(packs) > owed + len(packs) * _PACK_OVERHEAD_BYTES:
        yield f"{sum(packs)} bytes of packs were stored where {owed} bytes of blocks have changed"


def no_write_repeated(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain of every change that Azure was asked for twice in the same words.

    The operator that was started again looks first at what the one that was killed had done.
    """
    del scene
    asked = Counter(
        (entry.method, entry.path.lower(), str(entry.request))
        for entry in entries
        if entry.service == "arm" and entry.method in _WRITES
    )
    for (method, path, _), times in asked.items():
        if times > 1:
            yield f"{method} {path} was asked for {times} times"


#: What must hold after a second backup.
SECOND_BACKUP: Rules = (
    nothing_built_but_one_disk_access,
    snapshots_tagged_when_created,
    access_only_when_private,
    no_access_left,
    reads_are_the_changed_extents_and_a_sample,
    nothing_stored_but_what_has_changed,
    commits_after_packs,
    workers_reach_data_alone,
    no_write_repeated,
    worker_released,
)
