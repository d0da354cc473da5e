"""What the journal of restores must show; each function yields complaints, none when it holds.

They are pure, as the facts about backups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.demo.blocks import BLOCK_BYTES, blocks_of
from tools.demo.facts import no_access_left, worker_released
from tools.demo.journal import Entry, same, spans

DISKS = "Microsoft.Compute/disks"

#: What a fixed VHD ends with: it is put behind the disk's own bytes.
_FOOTER_BYTES = 512


@dataclass(frozen=True, slots=True)
class Written:
    """A disk that was restored: how long it is, and what of the restored one held data then."""

    size_bytes: int
    allocated: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RestoredScene:
    """By ids: *existing* resources, which restores leave alone, and *machines* and disks *made*."""

    existing: frozenset[str]
    machines: frozenset[str]
    made: Mapping[str, Written]


def nothing_that_exists_is_touched(entries: Sequence[Entry], scene: RestoredScene) -> Iterator[str]:
    """Complain of every change of what was there before the restores."""
    existing = {each.lower() for each in scene.existing}
    for entry in entries:
        at = entry.path.lower()
        owner = at.rpartition("/")[0] if entry.method == "POST" else at
        if entry.service == "arm" and entry.method != "GET" and owner in existing:
            yield f"{entry.method} {entry.path}"


def disks_made_for_one_private_upload(
    entries: Sequence[Entry], scene: RestoredScene
) -> Iterator[str]:
    """Complain unless each disk is made once, for an upload, behind a disk access."""
    for disk in scene.made:
        puts = [e for e in entries if e.is_write(DISKS) and e.path.lower() == disk.lower()]
        puts = [e for e in puts if e.method == "PUT"]
        if len(puts) != 1:
            yield f"{disk} was asked for {len(puts)} times"
        for entry in puts:
            properties = entry.request["properties"]
            is_private = properties.get("networkAccessPolicy") == "AllowPrivate"
            is_closed = properties.get("publicNetworkAccess") == "Disabled"
            if not (is_private and is_closed and properties.get("diskAccessId")):
                yield f"{disk} was made open: {sorted(properties)}"
            if properties["creationData"]["createOption"] != "Upload":
                yield f"{disk} was made by {properties['creationData']}"


def workers_write_the_used_blocks(entries: Sequence[Entry], scene: RestoredScene) -> Iterator[str]:
    """Complain where a block was written that held nothing, or one twice, or not by a worker."""
    for disk, written in scene.made.items():
        pages = [each for each in spans(entries, "PutPage", disk) if each[0] < written.size_bytes]
        seen = blocks_of(pages)
        strange = seen - blocks_of(written.allocated)
        if strange:
            yield f"{disk}: {len(strange)} blocks were written that held nothing"
        if sum(length for _, length in pages) > len(seen) * BLOCK_BYTES:
            yield f"{disk}: blocks were written more than once"
        others = {each.caller for each in _pages_of(entries, disk)} & {"appliance", "internet"}
        if others:
            yield f"{disk} was written by {others}"


def footers_come_last(entries: Sequence[Entry], scene: RestoredScene) -> Iterator[str]:
    """Complain unless what was written last of each disk is a VHD's footer: before, it is none."""
    for disk, written in scene.made.items():
        ends = [
            (entry.detail.get("offset"), entry.detail.get("length"))
            for entry in _pages_of(entries, disk)
        ]
        if ends[-1:] != [(written.size_bytes, _FOOTER_BYTES)]:
            yield f"{disk}: the last that was written is {ends[-1:]}"


def workers_released(entries: Sequence[Entry], scene: RestoredScene) -> Iterator[str]:
    """Complain unless every worker was deallocated in the end; the restored VM is none."""
    restored = {each.lower() for each in scene.machines}
    yield from worker_released([e for e in entries if e.path.lower() not in restored], scene)


def _pages_of(entries: Sequence[Entry], disk: str) -> list[Entry]:
    """Return what was written of the disk, in the order in which that was done."""
    return [
        entry
        for entry in entries
        if entry.service == "export"
        and entry.succeeded
        and entry.detail.get("operation") == "PutPage"
        and same(str(entry.detail.get("disk")), disk)
    ]


#: Facts in the order in which they are asserted.
RestoreRules = Sequence[Callable[[Sequence[Entry], RestoredScene], Iterator[str]]]

#: What must hold after restores, whatever else still runs.
RESTORES: RestoreRules = (
    nothing_that_exists_is_touched,
    disks_made_for_one_private_upload,
    workers_write_the_used_blocks,
    footers_come_last,
)

#: What must hold when the restores and all that ran beside them have ended.
AFTER_ALL: RestoreRules = (no_access_left, workers_released)
