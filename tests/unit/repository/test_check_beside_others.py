"""A check while others write or prune, and what a check has to see in an index."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Callable, Iterator

import msgspec
from typing_extensions import override

from tests.unit.repository.bench import BLOCK, Bench, new_bench, noise, run_id
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository import Repository, open_repository
from vmbackup_core.repository.index import encode_index
from vmbackup_core.repository.names import Written, commit_name, new_writing_session
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import StoredObject

CONTENT = noise(1, 6 * BLOCK)


class StoreWithOthers(MemoryStore):
    """Lets somebody else act once, as soon as *after* (a prefix's end) was listed."""

    def __init__(self) -> None:
        super().__init__()
        self.after = ""
        self.other: Callable[[], object] | None = None

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        yield from list(super().list(prefix, limit=limit))
        if self.other is not None and prefix.endswith(self.after):
            act, self.other = self.other, None
            act()


def watched() -> tuple[Bench, StoreWithOthers]:
    bench, store = new_bench(), StoreWithOthers()
    for each in bench.store.list(""):
        store.put_new(each.name, bench.store.get(each.name))
    return Bench(store, bench.key, open_repository(store, bench.key)), store


def test_a_backup_that_commits_during_a_check_is_no_damage() -> None:
    for after in ("r/", "/p/", "/k/"):
        bench, store = watched()
        bench.record(1, bench.back_up(1, CONTENT), len(CONTENT))
        store.after = after
        store.other = lambda: bench.back_up(2, noise(2, 6 * BLOCK))  # noqa: B023 - used in this turn

        report = bench.repository.check(read_data=True)

        assert store.other is None
        assert report.findings == (), after


def test_garbage_that_is_pruned_during_a_check_is_no_damage() -> None:
    bench, store = watched()
    bench.record(1, bench.back_up(1, CONTENT), len(CONTENT))
    lost = Written(CommitSlot(1), run_id(9), new_writing_session())
    garbage = bench.chain().full_name(f"p/{lost}-00000000")
    store.put_new(garbage, b"a pack of a session that lost its slot")
    store.after, store.other = "/p/", lambda: store.delete(garbage)

    assert bench.repository.check(read_data=True).findings == ()


def test_a_record_that_is_not_where_its_index_says_is_found() -> None:
    bench = new_bench()
    bench.back_up(1, CONTENT)
    point = wrong_offsets(bench)

    report = bench.repository.check(read_data=True)

    assert [finding.object for finding in report.findings] == [point]


def wrong_offsets(bench: Bench) -> str:
    """Commit slot 2 with an index whose offsets are a byte off; return the index's name."""
    chain = bench.chain()
    found = chain.find_commit(CommitSlot(1))
    assert found is not None
    commit, digest = found
    manifest = chain.manifest_of(commit)
    assert manifest is not None
    index = chain.index_of(manifest.shards[0])
    moved = dataclasses.replace(index, offsets=array("I", (at + 1 for at in index.offsets)))
    written = Written(CommitSlot(2), run_id(2), new_writing_session())
    sha256 = chain.put("INDX", written.index(0), encode_index(moved))
    line = msgspec.structs.replace(manifest.shards[0], index=written.index(0), sha256=sha256)
    second = msgspec.structs.replace(
        manifest, slot=written.slot, run_id=written.run, session=written.session, shards=(line,)
    )
    sha256 = chain.put("MANI", written.manifest(), msgspec.json.encode(second))
    taken = msgspec.structs.replace(
        commit,
        slot=written.slot,
        run_id=written.run,
        session=written.session,
        manifest=written.manifest(),
        manifest_sha256=sha256,
        previous=digest,
    )
    chain.put("COMM", commit_name(written.slot), msgspec.json.encode(taken))
    return chain.full_name(written.index(0))


def test_objects_with_other_names_are_left_alone() -> None:
    bench = new_bench()
    point = bench.record(1, bench.back_up(1, CONTENT), len(CONTENT))
    for name in ("r/README", "c/README", "c/not-a-chain/k/00000001", "keys/2", "a/b/c"):
        bench.store.put_new(name, b"somebody's")

    again: Repository = open_repository(bench.store, bench.key)
    assert list(again.points()) == [point]
    assert again.check(read_data=True).findings == ()
