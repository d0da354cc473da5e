"""What prune reads of manifests, over disks that were really written."""

from __future__ import annotations

import pytest

from tests.unit.repository.data.bench import Bench, Written, changes, noise, ring
from tests.unit.repository.data.samples import BLOCK, SHARD
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.commits.counting import Counted, recount
from vmbackup_core.repository.control.commits.pack_list import ListEntry
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.stores.port import NotStored

DISK = 3 * SHARD


def adapter(bench: Bench) -> StoredManifests:
    return StoredManifests(bench.store, ring(bench.epochs), bench.epochs)


def two_backups() -> tuple[Bench, Written, Written]:
    """A full, then an increment that changes the first shard only."""
    bench = Bench()
    first = noise(1, DISK)
    second = noise(2, BLOCK) + first[BLOCK:]
    full = bench.write(bench.grant(1, DISK), first)
    grant = bench.grant(2, DISK, newest=full, base=full)
    return bench, full, bench.write(grant, second, changes(first, second))


def keys(entries: list[ListEntry]) -> set[object]:
    return {each.key for each in entries}


def test_a_manifests_needs_are_counted_from_its_tables() -> None:
    bench, full, second = two_backups()
    manifests = adapter(bench)

    for written in (full, second):
        at = written.at
        manifests.check(at.name, at.sha256)
        whole = list(recount(Counted(bench.manifest(written), bench.index(written))).entries())
        assert list(manifests.recount(at.name, at.sha256)) == whole
        assert list(manifests.recount(at.name, None)) == whole
        assert list(manifests.count_what_opens(at.name, at.sha256)) == whole


def test_no_block_is_opened_and_no_section() -> None:
    bench, _, second = two_backups()
    bench.store.ranges.clear()

    adapter(bench).recount(second.at.name, second.at.sha256)

    assert len(bench.store.ranges) == len(bench.manifest(second).objects)
    assert {name.split("/")[2] for name in bench.store.ranges} == {"i"}


def test_a_table_that_is_lost_ends_the_count_and_the_others_still_count() -> None:
    bench, _, second = two_backups()
    manifests, at = adapter(bench), second.at
    whole = list(manifests.recount(at.name, at.sha256))
    bench.store.delete(bench.store.names("i", 2)[0])

    manifests.check(at.name, at.sha256)
    with pytest.raises(CorruptRepository, match="not there"):
        manifests.recount(at.name, at.sha256)
    left = list(manifests.count_what_opens(at.name, at.sha256))
    assert left
    assert keys(left) < keys(whole)


def test_a_manifest_that_is_gone_is_told_from_a_damaged_one() -> None:
    bench, full, second = two_backups()
    manifests = adapter(bench)
    bench.store.delete(full.at.name)
    bench.store.replace(second.at.name, b"VMBKMANI")

    with pytest.raises(NotStored):
        manifests.check(full.at.name, full.at.sha256)
    with pytest.raises(NotStored):
        manifests.count_what_opens(full.at.name, None)
    for sha256 in (second.at.sha256, None):
        with pytest.raises(CorruptRepository):
            manifests.check(second.at.name, sha256)
        assert manifests.count_what_opens(second.at.name, sha256) == []


def test_another_digest_or_another_name_is_damage() -> None:
    bench, full, second = two_backups()
    manifests = adapter(bench)
    bench.store.put_new(full.at.name[:-32] + "f" * 32, bench.store.get(full.at.name))

    for name, sha256 in (
        (full.at.name, second.at.sha256),
        (full.at.name[:-32] + "f" * 32, None),
        (f"{full.at.name}/x", None),
    ):
        with pytest.raises(CorruptRepository):
            manifests.check(name, sha256)
