"""Skips: what takes a slot where nothing can be written on the newest commit; section 29."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec.structs import replace

from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.chains.chain_said import open_header
from vmbackup_core.repository.control.chains.named_manifests import first_that_opens
from vmbackup_core.repository.control.chains.newest import (
    Newest,
    SkipDue,
    highest_slot,
    look_at_newest,
)
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    FoundCommit,
    newest,
    seal_commit,
)
from vmbackup_core.repository.control.commits.counting import Counted, recount_what_opens
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.chain_keys import for_prune
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import prefix_of_chain, prefix_of_session
from vmbackup_core.stores.port import NotStored, Store

#: How often others may be faster before it is left for another time.
TRIES: Final = 100

FOLDERS: Final[tuple[Literal["p", "i"], ...]] = ("p", "i")


class ChainInUse(PermanentError):
    """A chain whose disk is still backed up, or whose points count, is not retired."""

    def __init__(self, chain: ChainId, why: str) -> None:
        super().__init__(
            f"chain {chain} is not retired: {why}; end the disk's backups and let its recovery "
            "points expire first",
            reason="ChainInUse",
        )


def skip_where_due(log: Log, data: Store, chain: DiskChain) -> Newest:
    """Return what a backup of *chain* is written on, once a skip has taken a slot where one is due.

    The log is read again when the slot is taken (S19): a manifest that is expiring by then is
    skipped in its turn.
    """
    for _ in range(TRIES):
        state = log.read().state
        looked = look_at_newest(log.control, data, state, chain)
        if isinstance(looked, Newest):
            return looked
        _skip(log, data, state, chain, looked)
    raise TransientError(f"chain {chain.chain}: others take every slot before a skip does")


def retire(log: Log, chain: DiskChain) -> None:
    """Let go of everything in *chain*, by order of a person: its disk is gone, its points expired.

    Raise ChainInUse where a point counts or a backup comes meanwhile.
    """
    taken: CommitSlot | None = None
    for _ in range(TRIES):
        state = log.read().state
        _check_unused(state, chain)
        found = newest(log.control, chain.chain)
        highest = highest_slot(state, chain, found)
        if _is_retired(found, highest):
            return
        if taken is not None:
            raise ChainInUse(chain.chain, f"slot {highest} was taken meanwhile")
        skip = _above(log, chain, highest, found, "retired")
        if log.control.put(seal_commit(log.control, skip, state.newest_epoch)):
            taken = skip.slot
    raise TransientError(f"chain {chain.chain}: others take every slot before it is retired")


def retire_archives(log: Log, chains: Iterable[ChainId]) -> None:
    """Retire those of *chains* that archive sessions made and of which no point counts.

    Nothing is ever written on one again, so that its newest commit would keep it for ever. One that
    never began is left, and so is one whose header is lost: `retire` is a person's word then.
    """
    for chain in chains:
        try:
            header = open_header(log.control, chain)
        except (NotStored, CorruptRepository):
            continue
        if header.purpose == "archive":
            retire(log, DiskChain.of_header(header))


def _check_unused(state: LogState, chain: DiskChain) -> None:
    for named, slot in state.counted_places:
        if named == chain.chain:
            raise ChainInUse(named, f"slot {slot} is in a recovery point")


def _is_retired(found: FoundCommit | None, highest: CommitSlot) -> bool:
    if found is None or found.commit is None or found.slot < highest:
        return False
    return found.commit.kind == "skip" and found.commit.manifest is None


def _skip(log: Log, data: Store, state: LogState, chain: DiskChain, due: SkipDue) -> None:
    """Put a skip to the newest manifest that opens (S7); whether it is the newest is seen later."""
    back = first_that_opens(log.control, data, state, chain.chain)
    if back is not None and back[0].of_slot > due.slot:
        return  # a backup has taken the slot meanwhile
    skip = _above(log, chain, due.slot, due.found, "damaged")
    if back is not None:
        skip = _with_manifest(log, data, skip, *back, state.newest_epoch)
    log.control.put(seal_commit(log.control, skip, state.newest_epoch))


def _above(
    log: Log,
    chain: DiskChain,
    highest: CommitSlot,
    found: FoundCommit | None,
    reason: Literal["damaged", "retired"],
) -> Commit:
    """Return a skip to nothing in the slot above all that is named (S10)."""
    previous = None if found is None else found.sha256
    return skip_to_nothing(log, chain.chain, CommitSlot(highest + 1), reason, previous)


def skip_to_nothing(
    log: Log,
    chain: ChainId,
    slot: CommitSlot,
    reason: Literal["damaged", "retired"],
    previous: str | None,
) -> Commit:
    """Return a skip in *slot* that leaves the chain with nothing; it is not put."""
    return Commit(
        chain_id=chain,
        slot=slot,
        kind="skip",
        reason=reason,
        run_id=None,
        session=None,
        manifest=None,
        manifest_sha256=None,
        of_slot=None,
        snapshot_unique_id=None,
        disk_bytes=None,
        stored_bytes=0,
        previous=previous,
        pack_list=(),
        locked_until=None,
        by=log.author.by,
        at=Time.of(log.clock.now()),
    )


def _with_manifest(
    log: Log, data: Store, skip: Commit, at: ManifestAt, manifest: Manifest, epoch: int
) -> Commit:
    """Return *skip* to *manifest*, its pack list made again from the tables that open."""
    chain, said = skip.chain_id, manifest.said
    keys = for_prune(log.control.ring, chain, epoch)
    needed = recount_what_opens(Counted(manifest, IndexReader(data, keys, manifest)))
    nothing = OpenList.of(log.control, None, chain)
    return replace(
        skip,
        manifest=at.name.removeprefix(prefix_of_chain(chain)),
        manifest_sha256=at.sha256,
        of_slot=at.of_slot,
        snapshot_unique_id=said.snapshot_unique_id,
        disk_bytes=said.disk_bytes,
        stored_bytes=_stored_bytes(data, at, manifest),
        pack_list=put_list(nothing, needed.entries(), skip.slot, epoch),
    )


def _stored_bytes(data: Store, at: ManifestAt, manifest: Manifest) -> int:
    """Return what the objects of the manifest's sessions have, as they are listed."""
    said = manifest.said
    prefixes = [
        prefix_of_session(said.chain_id, folder, said.slot, session)
        for session in said.sessions
        for folder in FOLDERS
    ]
    return sum(each.size_bytes for prefix in (*prefixes, at.name) for each in data.list(prefix))
