"""Each safeguard of what a worker refers to, taken away in turn, is missed.

The commits here look at no row (S3), which would be a second line behind them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace
from typing_extensions import override

from tests.unit.repository.control.chain_bench import DISK_BYTES, ChainBench
from tests.unit.repository.data.bench import Disk, noise, silent
from tests.unit.repository.data.samples import BLOCK
from tests.unit.repository.safeguards import is_seen, with_and_without
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.control.log.log_entries import Bad
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.data.disk_writer import DiskToRead, DiskWriter, WrittenDisk
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.known_places import KnownPlaces
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.writing_ids import MOST_DRAWS, WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import pack_name, prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import AlreadyStored

Removed = Literal["", "S2", "S23", "S26"]

PLAIN = noise(1, DISK_BYTES)
CHANGED = noise(2, BLOCK) + PLAIN[BLOCK:]


#: Gives the shards of a manifest.
Shards = Callable[[int], ShardView[PackRow]]


class KnowsMore(KnownPlaces):
    """Knows the places of another manifest, too."""

    def add_other(self, view: ShardView[PackRow]) -> None:
        first, theirs = len(self._rows), view.entries
        self._rows.extend(view.rows)
        for entry in range(len(theirs)):
            if self.find(theirs.hash_at(entry)) is None:
                number, _ = self.claim(theirs.hash_at(entry))
                place = theirs.numbers[entry], theirs.offsets[entry], theirs.lengths[entry]
                self._fill(number, (first + theirs.rows[entry], *place), theirs.codecs[entry])


class RemembersAnother(DiskWriter):
    """Refers to what a manifest has that it read for an earlier backup (S2 removed)."""

    remembered: Shards

    @override
    def known_places(self, shard: int, newest: ShardView[PackRow] | None) -> KnownPlaces:
        known = KnowsMore()
        if newest is not None:
            known.add_newest(newest, None)
        known.add_other(self.remembered(shard))
        known.new_blocks = 0
        return known


class CountsItsSessions(DiskWriter):
    """Goes under ids that follow each other (S23 removed)."""

    @override
    def writing_ids(self) -> WritingIds:
        ids = (session(number) for number in itertools.count())
        return WritingIds(self._grant.slot, self._grant.run_id, 1, lambda: next(ids))


def session(number: int) -> WritingSession:
    return WritingSession(f"{number:032x}")


@dataclass
class Scene:
    """A chain whose workers lack a safeguard."""

    removed: Removed
    bench: ChainBench = field(default_factory=lambda: ChainBench().begun())

    @property
    def data(self) -> MemoryStore:
        assert isinstance(self.bench.places.data, MemoryStore)
        return self.bench.places.data

    def back_up(self, *contents: bytes) -> list[ManifestAt]:
        """Back *contents* up by runs 1, 2 and so on; return their manifests."""
        return [self.finish(each, *self.written(each, at)) for each, at in enumerate(contents, 1)]

    def written(self, number: int, content: bytes) -> tuple[PreparedDisk, WrittenDisk]:
        prepared = self.bench.prepared(number)
        return prepared, self.write(prepared, content)

    def write(
        self, prepared: PreparedDisk, content: bytes, remembered: Shards | None = None
    ) -> WrittenDisk:
        """Have a worker write the whole disk, which has read *remembered* before."""
        grant = prepared.grant
        if self.removed == "S26":
            grant = replace(grant, bad=())
        keys = ChainKeys.parse(prepared.keys.text)
        disk = DiskToRead(Disk(content), [Extent(0, len(content))])
        if self.removed == "S2" and remembered is not None:
            another = RemembersAnother(self.data, keys, grant, disk, 1, silent)
            another.remembered = remembered
            done = another.write()
        elif self.removed == "S23":
            done = CountsItsSessions(self.data, keys, grant, disk, 1, silent).write()
        else:
            done = DiskWriter(self.data, keys, grant, disk, 1, silent).write()
        self.bench.contents[done.manifest] = content
        return done

    def finish(self, number: int, prepared: PreparedDisk, done: WrittenDisk) -> ManifestAt:
        """Commit what was written and have its point count."""
        found = self.bench.commit(prepared, done)
        assert found is not None
        record(self.bench.log(), self.data, self.bench.point(number, found))
        return ManifestAt(done.manifest, done.sha256, found.slot)

    def shards_of(self, at: ManifestAt) -> Shards:
        """Return what reads the shards of the manifest at *at*, as they are now."""
        keys = self.bench.keys(self.bench.chain())
        manifest = open_manifest(self.data, keys, at.name, bytes.fromhex(at.sha256))
        reader = IndexReader(self.data, keys, manifest)
        views = [reader.shard(line, reader.base(line)) for line in manifest.lines]
        return {view.shard: view for view in views}.__getitem__

    def first_pack(self) -> PackName:
        prefix = prefix_of_folder(self.bench.chain().chain, "p")
        name = parse_data(next(iter(self.data.list(prefix))).name)
        assert isinstance(name, PackName)
        return name


def a_worker_has_read_what_expires(scene: Scene) -> list[str]:
    """Blocks that the newest manifest has not are those of an earlier one, whose point goes."""
    _, earlier, _ = scene.back_up(PLAIN, CHANGED, PLAIN)
    prepared = scene.bench.prepared(4)
    done = scene.write(prepared, CHANGED, scene.shards_of(earlier))

    scene.bench.let_go(2)
    scene.bench.finish()
    scene.bench.prune()
    scene.finish(4, prepared, done)
    return scene.bench.complaints()


def backed_up_after(
    scene: Scene,
    what: Literal["missing", "resized", "damaged"],
    spoil: Callable[[str, int], object],
) -> list[str]:
    """Spoil the first backup's pack, have the log say so, and return what the next one lacks."""
    scene.back_up(PLAIN)
    named = scene.first_pack()
    footer, size = read_footer(scene.data, scene.bench.keys(scene.bench.chain()), named.pack)
    offset = footer.records.offsets()[0]
    spoil(pack_name(named.chain, named.pack), offset)
    bad = Bad(
        chain=named.chain,
        object="pack",
        id=named.pack.packed().hex(),
        size=size,
        what=what,
        parts=(offset,) if what == "damaged" else None,
    )
    scene.bench.say(bad)

    scene.finish(2, *scene.written(2, PLAIN))
    return [each for each in scene.bench.complaints() if scene.bench.is_of(each, 2)]


def a_pack_is_missing(scene: Scene) -> list[str]:
    return backed_up_after(scene, "missing", lambda name, _: scene.data.delete(name))


def a_pack_is_cut(scene: Scene) -> list[str]:
    def cut(name: str, offset: int) -> None:
        scene.data.overwrite(name, scene.data.get(name)[: offset + 100])

    return backed_up_after(scene, "resized", cut)


def a_record_is_damaged(scene: Scene) -> list[str]:
    def flip(name: str, offset: int) -> None:
        content = bytearray(scene.data.get(name))
        content[offset + 20] ^= 1
        scene.data.overwrite(name, bytes(content))

    return backed_up_after(scene, "damaged", flip)


def a_neighbour_takes_names(scene: Scene) -> list[str]:
    """Whoever may create objects takes the names that would come next, if ids were counted."""
    prepared = scene.bench.prepared(1)
    for number in range(MOST_DRAWS):
        pack = PackId(prepared.grant.slot, session(number), 0)
        scene.data.put_new(pack_name(prepared.chain.chain, pack), b"squatted")
    try:
        scene.finish(1, prepared, scene.write(prepared, PLAIN))
    except AlreadyStored as error:
        return [f"the backup fails: {error}"]
    return scene.bench.complaints()


SCHEDULES: list[tuple[str, Callable[[Scene], list[str]]]] = [
    ("S2", a_worker_has_read_what_expires),
    ("S23", a_neighbour_takes_names),
    ("S26", a_pack_is_missing),
    ("S26", a_pack_is_cut),
    ("S26", a_record_is_damaged),
]


@with_and_without(SCHEDULES)
def test_something_is_lost_only_where_the_safeguard_is_removed(
    removed: Removed, schedule: Callable[[Scene], list[str]], *, is_lost: bool
) -> None:
    assert is_seen(schedule(Scene(removed)), is_lost=is_lost)
