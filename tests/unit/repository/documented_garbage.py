"""Expire and prune as docs/repository-format.md has them, to interleave with the writers.

They are not the product's (it deletes nothing yet): they show that what the writers keep to is
enough.
"""

from __future__ import annotations

from contextlib import suppress

from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.names import point_name, written_of
from vmbackup_core.repository.records import Commit, Manifest
from vmbackup_core.stores.port import AlreadyStored, NotStored


def expire(chain: Chain, slot: CommitSlot, run: RunId) -> None:
    """Have the commit in *slot*, which is not the newest, and the point of *run* expire."""
    found = chain.find_commit(slot)
    assert found is not None
    assert slot < chain.newest_slot()
    with suppress(AlreadyStored):
        chain.store.put_new(chain.full_name(f"t/{slot:08x}"), b"expiring")
    chain.store.delete(point_name(run))
    if found[0].manifest is not None:
        chain.store.delete(chain.full_name(found[0].manifest))


def prune(chain: Chain) -> int:
    """Delete garbage as rule G has it; return how many objects went."""
    while True:
        candidates = [
            name
            for kind in ("p", "i", "m")
            for each in chain.store.list(chain.full_name(f"{kind}/"))
            if written_of(name := chain.short_name(each.name), kind)
        ]
        slots = chain.slots()
        try:
            kept = _referred_to(chain, slots)
        except NotStored:
            continue  # expired while it was being read
        if kept is not None:
            break
    return sum(_delete_garbage(chain, name, set(slots), kept) for name in candidates)


def _delete_garbage(chain: Chain, name: str, slots: set[CommitSlot], kept: set[str]) -> bool:
    written = written_of(name, name[0])
    if written is None or written[0].slot not in slots or name in kept:
        return False
    chain.store.delete(chain.full_name(name))
    return True


def _referred_to(chain: Chain, slots: list[CommitSlot]) -> set[str] | None:
    """Return every name that is referred to, or None where the newest manifest has gone."""
    kept: set[str] = set()
    for slot in slots:
        found = chain.find_commit(slot)
        assert found is not None
        manifest = _manifest_left(chain, found[0])
        if manifest is None:
            if slot == slots[-1]:
                return None
            continue
        kept.add(str(found[0].manifest))
        for line in manifest.shards:
            kept.add(line.index)
            kept.update(str(row.holder) for row in chain.index_of(line).packs)
    return kept


def _manifest_left(chain: Chain, commit: Commit) -> Manifest | None:
    try:
        return chain.manifest_of(commit)
    except NotStored:
        return None
