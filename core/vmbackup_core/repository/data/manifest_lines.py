"""The lines of a manifest that is being made: sections of the one before, and new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vmbackup_core.repository.data.manifest import (
    IndexObject,
    Manifest,
    SectionRef,
    ShardLine,
    ShardLines,
)
from vmbackup_core.repository.data.tables import SectionType


@dataclass(frozen=True, slots=True)
class LineMade:
    """What the manifest will say of a shard.

    *kept* is the newest manifest's line, of which stays named what is not new.
    """

    shard: int
    used_blocks: int
    kept: ShardLine | None
    new_base: bool = False
    new_patch: bool = False
    patches_bytes: int = 0


def crowded(manifest: Manifest, most: int) -> frozenset[int]:
    """Return which index objects are to be named no longer, so that *most* are left.

    They are those with the fewest sections that are named.
    """
    named = Counter(ref.object for ref in manifest.lines.sections())
    fewest = sorted(named, key=lambda row: (named[row], row))
    return frozenset(fewest[: max(0, len(named) - most)])


def lines_of(
    made: Sequence[LineMade],
    before: Sequence[IndexObject],
    placed: Mapping[tuple[int, SectionType], SectionRef],
    own: Sequence[IndexObject],
) -> tuple[tuple[IndexObject, ...], ShardLines]:
    """Return the index objects and the lines of the new manifest.

    *before* are the index objects of the newest manifest, *own* those in which new sections are
    *placed*.
    """
    named = {ref.object for line in made for ref in _kept(line)}
    rows = {row: number for number, row in enumerate(sorted(named))}
    objects = (*(before[row] for row in rows), *own)

    def kept(ref: SectionRef) -> SectionRef:
        return SectionRef(rows[ref.object], ref.offset, ref.length, ref.sha256)

    def new(shard: int, kind: SectionType) -> SectionRef:
        ref = placed[shard, kind]
        return SectionRef(ref.object + len(rows), ref.offset, ref.length, ref.sha256)

    return objects, ShardLines.of(_line(each, kept, new) for each in made)


def _kept(line: LineMade) -> list[SectionRef]:
    """Return the sections of the newest manifest that stay named."""
    before = line.kept
    if before is None:
        return []
    base = [] if line.new_base else [before.base]
    return base if before.patch is None or line.new_patch else [*base, before.patch]


def _line(
    made: LineMade,
    kept: Callable[[SectionRef], SectionRef],
    new: Callable[[int, SectionType], SectionRef],
) -> ShardLine:
    shard, used, before = made.shard, made.used_blocks, made.kept
    if made.new_base or before is None:
        return ShardLine(shard, new(shard, "base"), used)
    if made.new_patch:
        patch = new(shard, "patch")
        return ShardLine(shard, kept(before.base), used, patch, made.patches_bytes)
    if before.patch is None:
        return ShardLine(shard, kept(before.base), used)
    return ShardLine(shard, kept(before.base), used, kept(before.patch), before.patches_bytes)
