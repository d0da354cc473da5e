"""A manifest that a disk is written on, and what of it may be used again."""

from __future__ import annotations

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.grants import Bad, ManifestAt
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.known_places import bad_entries
from vmbackup_core.repository.data.manifest import Manifest, ShardLine
from vmbackup_core.repository.data.manifest_lines import crowded
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.shard_view import ShardView, StoredBase
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys


class ManifestBefore:
    """The newest manifest, or the one that the changed extents count from.

    *most_objects* is how many of its index objects may stay named.
    """

    def __init__(
        self, store: DataSource, keys: ChainKeys, at: ManifestAt, bad: Bad, most_objects: int
    ) -> None:
        self.manifest: Manifest = open_manifest(store, keys, at.name, bytes.fromhex(at.sha256))
        self._index = IndexReader(store, keys, self.manifest)
        self._bad = bad
        self._crowded = crowded(self.manifest, most_objects)
        self._last: tuple[int, StoredBase] | None = None

    @property
    def disk_bytes(self) -> int:
        """How long the disk was."""
        return self.manifest.said.disk_bytes

    def line_of(self, shard: int) -> ShardLine | None:
        """Return the line of a shard."""
        return self.manifest.lines.line_of(shard)

    def stays(self, line: ShardLine) -> bool:
        """Tell whether the shard's sections may go on being named."""
        return not any(at.object in self._crowded for at in line.sections())

    def names_nothing_bad(self, line: ShardLine) -> bool:
        """Tell whether neither sections, nor their tables, nor a pack of their rows has a bad."""
        if self._has_bad_section(line):
            return False
        if not self._bad.packs:
            return True
        try:
            return not any(self._bad.names(row) for row in self._index.rows(line))
        except CorruptRepository:
            return False

    def find_shard(self, line: ShardLine) -> ShardView[PackRow] | None:
        """Return a shard; None where it does not open, or is said to be bad."""
        if self._has_bad_section(line):
            return None
        try:
            base = self._index.base(line)
            self._last = line.shard, base
            return self._index.shard(line, base)
        except CorruptRepository:
            return None

    def find_base(self, line: ShardLine) -> StoredBase | None:
        """Return the base of the shard that was opened last, where a patch may be put over it."""
        if line.base.object in self._crowded or self._last is None or self._last[0] != line.shard:
            return None
        base = self._last[1]
        if self._bad.packs and any(True for _ in bad_entries(base.view, self._bad.has_record)):
            return None
        return base

    def _has_bad_section(self, line: ShardLine) -> bool:
        objects = self.manifest.objects
        return any(
            self._bad.has_part(objects[at.object].index, at.offset, objects[at.object].table_offset)
            for at in line.sections()
        )


def same_sections(
    base: ManifestBefore, base_line: ShardLine, newest: ManifestBefore, line: ShardLine
) -> bool:
    """Tell whether two manifests name the same sections of a shard, by their digests."""
    if base is newest:
        return True
    return [at.sha256 for at in base_line.sections()] == [at.sha256 for at in line.sections()]
