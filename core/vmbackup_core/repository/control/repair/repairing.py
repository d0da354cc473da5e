"""Stores blocks again that were lost with their records; section 33 of the page, Repair.

`plan_repair` finds what is lost and where it still is. The operator then begins a healing session,
a job writes its packs under new ids, and the operator looks at them before they count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from vmbackup_core.errors import LostAttempt
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.check.chain import ChainCheck
from vmbackup_core.repository.control.check.chains import Looking
from vmbackup_core.repository.control.check.hurt import LostBlock
from vmbackup_core.repository.control.check.log import LogSeen
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.control.check.points import check_points
from vmbackup_core.repository.control.check.report import Finding
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    Dropped,
    Entry,
    Healed,
    HealingPack,
)
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.repair.foreign_records import ForeignRecords, OtherRepository
from vmbackup_core.repository.control.repair.lost_blocks import (
    BlockKey,
    BlockSource,
    ChainRecords,
    ForeignBlocks,
    SnapshotBlocks,
)
from vmbackup_core.repository.data import block_reader
from vmbackup_core.repository.data.footer import HEALING, Footer
from vmbackup_core.repository.data.healing import BlockToHeal, write_healing
from vmbackup_core.repository.data.pack_reader import read_foot_of
from vmbackup_core.repository.data.ports import DataTarget
from vmbackup_core.repository.data.read_back import read_pack
from vmbackup_core.repository.data.said import ManifestSaid, SaidDisk, SaidVm
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_reading
from vmbackup_core.repository.primitives.identities import (
    HEALING_SLOT,
    PackId,
    WritingSession,
    draw,
)
from vmbackup_core.repository.primitives.names import prefix_of_healing
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_core.stores.port import Store

_LEVEL = 3


def _silent() -> None:
    return


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where blocks may be beside the chain: its retained snapshot, contents, a repository."""

    snapshot: DiskSource | None = None
    snapshot_bytes: int = 0
    contents: Iterable[bytes] = ()
    repository: OtherRepository | None = None


@dataclass(frozen=True, slots=True)
class Curable:
    """A lost block, and where it still is."""

    lost: LostBlock
    source: BlockSource


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What can be stored again of a chain; *hopeless* is what stays lost, with its points."""

    chain: ChainId
    disk: SaidDisk
    vm: SaidVm
    keys: ChainKeys
    pack_bytes: int
    curable: tuple[Curable, ...]
    hopeless: tuple[Finding, ...]

    @property
    def heals(self) -> tuple[PackId, ...]:
        """The packs whose blocks are stored again."""
        return tuple(sorted({each.lost.pack for each in self.curable}))

    def blocks(self, on_block: Callable[[], None] = _silent) -> Iterator[BlockToHeal]:
        """Yield the blocks, each compared with its hash again as it is read."""
        for each in self.curable:
            on_block()
            content = _compared(each.source, each.lost, self.keys)
            if content is not None:
                yield BlockToHeal(each.lost.number, content)


def plan_repair(
    log: Log,
    data: Store,
    chain: ChainId,
    elsewhere: Elsewhere = Elsewhere(),
    also_bad: Iterable[Bad] = (),
) -> RepairPlan | None:
    """Return what can be done for the blocks that the manifests left of *chain* have lost.

    Lost are those of packs that are missing or resized, and what the log or *also_bad* has as bad.
    None where no manifest of the chain opens. Nothing is written.
    """
    state = log.read().state.copy()
    for entry in also_bad:
        state.apply(entry)
    check = _look(log, data, chain, state)
    lost: dict[BlockKey, LostBlock] = {}
    check.findings(lambda each: _keep(lost, each))
    manifest = check.newest_opened()
    if manifest is None:
        return None
    said = manifest.said
    keys = for_reading(log.control.ring, chain, said.chain_epoch, state.newest_epoch)
    sources = _sources(data, keys, frozenset(lost), elsewhere, said)
    curable = tuple(_curable(lost.values(), sources, keys))
    cured = _Cured(keys, {_key(each.lost): each for each in curable})
    hopeless = tuple(finding for finding, _ in check.findings(None, cured) if finding.hurt)
    return RepairPlan(chain, said.disk, said.vm, keys, said.pack_bytes, curable, hopeless)


def begin_healing(log: Log, chain: ChainId, run: RunId) -> WritingSession:
    """Log that healing packs of a newly drawn session may come, and return it (S32).

    *run* is the repair's own. The session is prune's business from here on: until it is done or
    dropped nothing of it goes.
    """
    session = WritingSession(draw())
    entry = Healed(chain=chain, phase="begun", session=session, run=run, heals=(), packs=())
    log.append(_always(entry))
    return session


def write_packs(
    store: DataTarget,
    plan: RepairPlan,
    run: RunId,
    session: WritingSession,
    on_block: Callable[[], None] = _silent,
) -> Sequence[int]:
    """Store the plan's blocks under new ids (S28), as the job does; return the packs' sizes."""
    return write_healing(
        store,
        plan.keys,
        run,
        session,
        plan.blocks(on_block),
        pack_bytes=plan.pack_bytes,
        level=_LEVEL,
    )


def finish_healing(
    log: Log, data: Store, keys: ChainKeys, session: WritingSession, heals: Sequence[PackId]
) -> Healed:
    """Log that the session's packs are there, having read each of them; twice is once.

    Raise LostAttempt where the session was dropped meanwhile, or where a pack is not what the
    session may store; CorruptRepository where one does not open.
    """
    known = log.read().state.healed.get((keys.chain, session))
    if known is None:
        raise LostAttempt(f"healing session {session} is not begun", reason="HealingUnknown")
    packs = tuple(_looked_at(data, keys, session, known.run))
    done = Healed(
        chain=keys.chain,
        phase="done",
        session=session,
        run=known.run,
        heals=tuple(each.packed().hex() for each in heals),
        packs=packs,
    )
    appended = log.append(lambda state: _unless_done(state, done))
    there = appended.state.healed[keys.chain, session]
    if there.phase != "done":
        why = "; ".join(why for _, why in appended.refused)
        raise LostAttempt(f"the healing does not count: {why}", reason="HealingDropped")
    return there


def drop_healing(log: Log, chain: ChainId, session: WritingSession, why: str) -> None:
    """Log that nobody waits for the session any longer: its job has ended without result."""
    entry = Dropped(chain=chain, slot=None, what="healing", session=session, why=why)
    log.append(_always(entry))


def heal(
    log: Log,
    data: Store,
    plan: RepairPlan,
    run: RunId,
    on_block: Callable[[], None] = _silent,
) -> Healed | None:
    """Do all that *plan* says from here; None where nothing of it can be healed.

    Whatever ends it drops the session.
    """
    if not plan.curable:
        return None
    session = begin_healing(log, plan.chain, run)
    try:
        write_packs(data, plan, run, session, on_block)
        return finish_healing(log, data, plan.keys, session, plan.heals)
    except BaseException:  # an interrupt, too: a session that nobody drops is kept for ever
        drop_healing(log, plan.chain, session, "the repair has failed")
        raise


def _look(log: Log, data: Store, chain: ChainId, state: LogState) -> ChainCheck:
    """Look at a chain as a check does that reads no data."""
    uses = check_points(log, LogSeen(state, is_damaged=False), Observations(_silent), 1)
    check = ChainCheck(Looking(log, data, state, Observations(_silent)), chain, None, 1)
    check.run(uses.of_chain.get(chain, []))
    return check


def _key(lost: LostBlock) -> BlockKey:
    return lost.block_hash, lost.block_bytes


def _keep(known: dict[BlockKey, LostBlock], lost: LostBlock) -> None:
    known.setdefault(_key(lost), lost)


def _sources(
    data: Store,
    keys: ChainKeys,
    wanted: frozenset[BlockKey],
    elsewhere: Elsewhere,
    said: ManifestSaid,
) -> list[BlockSource]:
    sources: list[BlockSource] = [ChainRecords.load(data, keys, wanted)]
    if elsewhere.snapshot is not None:
        sources.append(
            SnapshotBlocks(elsewhere.snapshot, elsewhere.snapshot_bytes, said.block_bytes)
        )
    sources.append(ForeignBlocks.load(elsewhere.contents, keys, wanted))
    if elsewhere.repository is not None:
        sources.append(ForeignRecords.load(elsewhere.repository, keys, wanted, said.disk.unique_id))
    return sources


def _curable(
    lost: Iterable[LostBlock], sources: Sequence[BlockSource], keys: ChainKeys
) -> Iterator[Curable]:
    for each in lost:
        for source in sources:
            if _compared(source, each, keys) is not None:
                yield Curable(each, source)
                break


def _compared(source: BlockSource, lost: LostBlock, keys: ChainKeys) -> bytes | None:
    """Return the block where the source has it: by its hash and length, whoever says so."""
    content = source.find(lost)
    if content is None or len(content) != lost.block_bytes:
        return None
    return content if keys.block_hash(content) == lost.block_hash else None


@dataclass(frozen=True, slots=True)
class _Cured(block_reader.Healed):
    """What will be healed."""

    keys: ChainKeys
    curable: dict[BlockKey, Curable] = field(default_factory=dict)

    @override
    def find(self, block_hash: bytes, block_bytes: int) -> bytes | None:
        known = self.curable.get((block_hash, block_bytes))
        return None if known is None else _compared(known.source, known.lost, self.keys)


def _looked_at(
    data: Store, keys: ChainKeys, session: WritingSession, run: RunId
) -> Iterator[HealingPack]:
    """Yield the packs of a session: each foot opens, every record is whole, and all are its own."""
    prefix = f"{prefix_of_healing(keys.chain)}{session}-"
    for each in data.list(prefix):
        named = parse_data(each.name)
        if not isinstance(named, PackName):
            continue
        footer, foot, size = read_foot_of(data, keys, named.pack)
        back = read_pack(data, keys, named.pack, size)
        if back.lost is not None or not _is_own(footer, named.pack, run):
            raise LostAttempt(
                f"{each.name} is not what a repair stores: {back.lost or 'of another run'}",
                reason="HealingDiffers",
            )
        yield HealingPack(named.pack.number, size, hashlib.sha256(foot).hexdigest())


def _is_own(footer: Footer, pack: PackId, run: RunId) -> bool:
    origins = [each.pack for each in footer.origins]
    is_healing = footer.start.purpose == HEALING and pack.slot == HEALING_SLOT
    return is_healing and footer.start.run == run and origins == [pack]


def _always(entry: Entry) -> Callable[[LogState], Sequence[Entry]]:
    return lambda _state: (entry,)


def _unless_done(state: LogState, done: Healed) -> Sequence[Entry]:
    known = state.healed.get((done.chain, done.session))
    return () if known is not None and known.phase == "done" else (done,)
