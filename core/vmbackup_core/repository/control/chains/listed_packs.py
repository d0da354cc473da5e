"""The packs of a recovery point, as a listing of the data place has them.

Which packs a point needs its commits' lists say, or its manifests' tables where a list is lost:
like all else but packs both are always online.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.chains.manifest_versions import open_manifest_kept
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.commits.counting import Counted, recount_what_opens
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import PACK, ListEntry
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.primitives.chain_keys import for_prune
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId
from vmbackup_core.repository.primitives.names import pack_name, prefix_of_folder
from vmbackup_core.stores.port import ObjectUnreadable, Store, StoredObject


def listed_packs(control: Control, data: Store, point: RecoveryPoint) -> Iterator[StoredObject]:
    """Yield the packs that *point* needs and that are there, each with its size and its tier.

    Healing packs are left out: they never leave the tier that they are put into. Raise
    CorruptRepository where nothing says which packs a disk of it needs.
    """
    for disk in point.disks:
        listed = data.list(prefix_of_folder(disk.chain_id, "p"))
        yield from _listed(_needed(control, data, disk), listed)


def _needed(control: Control, data: Store, disk: PointDisk) -> Iterator[str]:
    """Yield the names of the packs that the disk needs, in order of listings.

    The commit's list says them, and where one of the two is lost the tables of the point's manifest
    do, which a restore goes by as well.
    """
    last = ""
    try:
        for name in _names(disk, _by_list(control, disk)):
            yield name
            last = name
    except (CorruptRepository, ObjectUnreadable):
        yield from (name for name in _names(disk, _by_tables(control, data, disk)) if name > last)


def _by_list(control: Control, disk: PointDisk) -> Iterator[ListEntry]:
    found = find_commit(control, disk.chain_id, disk.slot)
    if found is None or found.sha256 != disk.commit_sha256:
        raise CorruptRepository(f"{disk.name}: the commit in slot {disk.slot} is lost")
    if found.commit is None:
        raise CorruptRepository(f"{disk.name}: the commit in slot {disk.slot}: {found.damage}")
    for part in OpenList.of(control, found.commit, disk.chain_id).parts():
        yield from part


def _by_tables(control: Control, data: Store, disk: PointDisk) -> Iterator[ListEntry]:
    """Count the tables that open: of a section whose table does not, nothing can be restored."""
    keys = for_prune(control.ring, disk.chain_id, max(control.ring.masters))
    manifest = open_manifest_kept(data, keys, disk.manifest_name, disk.manifest_sha256)
    return recount_what_opens(Counted(manifest, IndexReader(data, keys, manifest))).entries()


def _names(disk: PointDisk, entries: Iterable[ListEntry]) -> Iterator[str]:
    """Yield the names of packs; healing packs never leave the tier that they are put into."""
    for entry in entries:
        if entry.kind == PACK and entry.session.slot != HEALING_SLOT:
            pack = PackId(entry.session.slot, entry.session.session, entry.number)
            yield pack_name(disk.chain_id, pack)


def _listed(needed: Iterable[str], listed: Iterator[StoredObject]) -> Iterator[StoredObject]:
    """Yield those of *listed* that are *needed*; both are in order."""
    at = next(listed, None)
    for name in needed:
        while at is not None and at.name < name:
            at = next(listed, None)
        if at is not None and at.name == name:
            yield at
