"""What is read of a VM next: new packs and sections, then old packs in turn, then a sample.

Section 33, Verify. Planning writes nothing but holds: they come first, then the log is read, and a
commit that has stopped to count by then is passed over (S15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.chains.holds import Holder, hold, release_all
from vmbackup_core.repository.control.commits.pack_list import INDEX
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Place, Proof
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import names_of_vm
from vmbackup_core.repository.control.points.recording import counted_points
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.control.verify.verify_cursor import Cursor
from vmbackup_core.repository.control.verify.verify_needed import CommitNeeds, Needs, Rota, packs_in
from vmbackup_core.repository.control.verify.verify_runs import Batch, cut
from vmbackup_core.repository.control.verify.verify_work import (
    ReadSoFar,
    SampleOf,
    Stage,
    VerifyAsked,
    VerifyWork,
)
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.stores.port import ObjectUnreadable, Store

#: What hides one commit of a chain, and no other.
_HIDDEN = (CorruptRepository, NotUnderstood, ObjectUnreadable)

#: A block of the whole disk for so many that are not zero.
_ANY_OF: Final = 4

_HOLDER = "verify"


def plan(log: Log, data: Store, vm_id: str, asked: VerifyAsked) -> VerifyWork | None:
    """Return the next job of the VM; None where nothing of what is asked for is left."""
    cursor, says = Cursor.parse(asked.cursor), list[str]()
    for chain in chains_of(log.control, log.read().state, vm_id):
        at = cursor.at(chain)
        while at is not None:
            work = _Planning(log, data, chain, asked, at, says).plan()
            if work is not None:
                return work
            at = at.next_stage()
    return None


def let_go(control: Control, run: RunId) -> None:
    """Delete the holds of *run*; twice is once."""
    release_all(control, run)


def sampled(log: Log, vm_id: str) -> dict[ChainId, CommitSlot]:
    """Return in which slot each chain of the VM was compared last, of those that were."""
    state = log.read().state
    read = {chain: so_far(state, chain, "sample") for chain in chains_of(log.control, state, vm_id)}
    return {chain: CommitSlot(each.slot) for chain, each in read.items() if each.slot}


def chains_of(control: Control, state: LogState, vm_id: str) -> list[ChainId]:
    """Return the chains of the VM's points that count, in order."""
    entries = counted_points(state, names_of_vm(control, vm_id))
    return sorted({disk.chain for entry in entries for disk in entry.disks})


def so_far(state: LogState, chain: ChainId, what: Proof) -> ReadSoFar:
    """Return how far the log says that *chain* was read."""
    known = state.proven.get((chain, what, None))
    return ReadSoFar(0, None) if known is None else ReadSoFar(known.slot, known.up_to)


@dataclass
class _Planning:
    """One stage of one chain."""

    log: Log
    data: Store
    chain: ChainId
    asked: VerifyAsked
    cursor: Cursor
    says: list[str]

    def plan(self) -> VerifyWork | None:
        stages: dict[Stage, Callable[[], VerifyWork | None]] = {
            "new": self._new,
            "rota": self._rota,
            "sample": self._sample,
        }
        return stages[self.cursor.stage]()

    def _needs(self) -> Needs:
        return Needs(self.log, self.data, self.log.read().state)

    def _held(self, slots: set[CommitSlot]) -> bool:
        """Hold the manifests of *slots*, then tell whether all of them still count (S15)."""
        places = [(self.chain, slot) for slot in sorted(slots) if slot]
        holder = Holder(self.asked.run, "verify", _HOLDER)
        hold(self.log.control, places, holder, self.log.clock.now())
        counted = self.log.read().state.counted_places
        return all(place in counted for place in places)

    def _new(self) -> VerifyWork | None:
        if not self.asked.new:
            return None
        needs = self._needs()
        read = so_far(needs.state, self.chain, "packs")
        for slot in needs.slots(self.chain):
            is_read = slot < read.slot or (slot == read.slot and read.up_to is None)
            if not is_read and self._held({slot}):
                return self._new_of(needs, (self.chain, slot), read)
        return None

    def _new_of(self, needs: Needs, place: Place, read: ReadSoFar) -> VerifyWork:
        """Return the job that reads on in a slot; one without work where that cannot be opened."""
        whole = ReadSoFar(place[1], None)
        try:
            found = needs.find(place)
            needs.manifest(found)
            keys = needs.keys(self.chain)
        except _HIDDEN as error:
            self._leave_out(place, error)
            return VerifyWork("new", place, None, "", read, whole, says=tuple(self.says))
        work = VerifyWork("new", place, found.at, keys, read, whole, sections=True)
        try:
            return self._with_packs(needs, found, work)
        except _HIDDEN as error:  # of a list and a table: opening the sections finds that
            self._leave_out(place, error)
            return replace(work, says=tuple(self.says))

    def _with_packs(self, needs: Needs, found: CommitNeeds, work: VerifyWork) -> VerifyWork:
        slot, read = work.place[1], work.so_far
        after = None if read.up_to is None else PackId.parse(bytes.fromhex(read.up_to))
        batch = Batch(self.asked.most_bytes)
        batch.fill(
            each
            for each in packs_in(needs.entries(found), slot)
            if (each.pack > after if after is not None else each.pack.slot > read.slot)
        )
        # A slot that was begun has had its sections opened, by its first job.
        sections = slot != read.slot and any(
            each.kind == INDEX and each.session.slot > read.slot for each in needs.entries(found)
        )
        parts = cut(self.data, self.chain, needs.state, batch)
        # Packs that nobody reads have no foot to compare with: check opens sections by itself.
        sections = sections and (bool(parts.runs) or not parts.archived)
        last = None if parts.is_all or parts.last is None else parts.last.packed().hex()
        return replace(
            work,
            up_to=ReadSoFar(slot, last),
            packs=parts.runs,
            sections=sections,
            listed=parts.listed,
            archived=parts.archived,
            says=tuple(self.says),
        )

    def _leave_out(self, place: Place, error: Exception) -> None:
        self.says.append(f"slot {place[1]} of chain {place[0]} is left out: {error}")

    def _rota(self) -> VerifyWork | None:
        if self.asked.rota_share <= 0:
            return None
        needs = self._needs()
        read = so_far(needs.state, self.chain, "rota")
        rota = Rota(None if read.up_to is None else PackId.parse(bytes.fromhex(read.up_to)))
        opened = [*self._added(needs, rota)]
        rota.add(needs.healing(self.chain))
        left = rota.share(self.asked.rota_share) if self.cursor.left is None else self.cursor.left
        batch = Batch(min(left, self.asked.most_bytes))
        if opened and left > 0:
            batch.fill(rota.in_turn())
        if not batch.packs:
            return None
        newest = opened[0]
        if not self._held({newest.place[1], *(each.needed_by for each in batch.packs)}):
            return self._rota()  # one of them has just expired: without it
        parts = cut(self.data, self.chain, needs.state, batch)
        last = read.up_to if parts.last is None else parts.last.packed().hex()
        return VerifyWork(
            stage="rota",
            place=newest.place,
            at=newest.at,
            keys=needs.keys(self.chain),
            so_far=read,
            up_to=ReadSoFar(newest.place[1], last),
            packs=parts.runs,
            listed=parts.listed,
            archived=parts.archived,
            left_bytes=max(0, left - batch.read_bytes),
            says=tuple(self.says),
        )

    def _added(self, needs: Needs, rota: Rota) -> Iterator[CommitNeeds]:
        """Add what each commit needs to *rota*, the newest first; yield those that open."""
        for slot in reversed(needs.slots(self.chain)):
            place = self.chain, slot
            try:
                found = needs.find(place)
                rota.add(packs_in(needs.entries(found), slot))
            except _HIDDEN as error:
                self._leave_out(place, error)
                continue
            yield found

    def _sample(self) -> VerifyWork | None:
        if self.asked.sample <= 0:
            return None
        needs = self._needs()
        for slot in reversed(needs.slots(self.chain)):
            place = self.chain, slot
            try:
                disk = needs.disk(place)
                if disk.snapshot_unique_id in self.asked.retained and self._held({slot}):
                    return self._sample_of(needs, needs.find(place), disk.snapshot_id)
            except _HIDDEN as error:
                self._leave_out(place, error)
        return None

    def _sample_of(self, needs: Needs, found: CommitNeeds, snapshot_id: str) -> VerifyWork:
        manifest = needs.manifest(found)
        return VerifyWork(
            stage="sample",
            place=found.place,
            at=found.at,
            keys=needs.keys(self.chain),
            so_far=so_far(needs.state, self.chain, "sample"),
            up_to=ReadSoFar(found.place[1], None),
            sample=self._drawn(manifest, snapshot_id),
            says=tuple(self.says),
        )

    def _drawn(self, manifest: Manifest, snapshot_id: str) -> SampleOf:
        """Return blocks that nobody could foresee who wrote before this session was named."""
        said, count = manifest.said, self.asked.sample
        random = Random(f"{self.asked.run} {self.chain} {said.slot}")  # noqa: S311 - drawn anew alike
        blocks, used = -(-said.disk_bytes // said.block_bytes), manifest.lines.used_blocks
        return SampleOf(
            snapshot_id=snapshot_id,
            snapshot_unique_id=said.snapshot_unique_id,
            disk_bytes=said.disk_bytes,
            blocks=_draw(random, blocks, -(-count // _ANY_OF)),
            used=_draw(random, used, count),
        )


def _draw(random: Random, among: int, count: int) -> tuple[int, ...]:
    return tuple(sorted(random.sample(range(among), min(count, among))))
