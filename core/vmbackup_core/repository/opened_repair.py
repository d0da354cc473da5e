"""What a person does about an opened repository that is damaged; sections 18, 32 and 33.

Thin, as `opened` is: each method is one algorithm of docs/repository-format.md, done by `control`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from vmbackup_core.clock import Clock
from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.backup import skipping
from vmbackup_core.repository.control.chains.chain_header import open_chain
from vmbackup_core.repository.control.chains.disks_there import ChainOfDisk, disks_there
from vmbackup_core.repository.control.chains.holds import Holder, hold, release
from vmbackup_core.repository.control.check import CheckReport
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.control.log.log import Author
from vmbackup_core.repository.control.log.log_entries import Bad, Dropped, Healed, Place
from vmbackup_core.repository.control.repair import bad_packs, dropping, rebuilding, repairing
from vmbackup_core.repository.control.repair.foreign_records import OtherRepository
from vmbackup_core.repository.control.repair.lost_headers import FindPutIfAbsent, put_copies_back
from vmbackup_core.repository.control.repair.taken_manifests import TakenOfChain
from vmbackup_core.repository.control.restore.lone_manifests import open_lone, restore_lone
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.restore import Holes, OnHole
from vmbackup_core.repository.opened_log import BY_A_PERSON, OpenedLog, Using
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.opening import open_keys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.transfer import DiskSink, OnProgress

_THREADS: Final = 4


class Repairs:
    """Finds what is lost, stores again what is still somewhere, and lets go of what is not."""

    def __init__(self, work: OpenedLog) -> None:
        self._work = work

    def confirm_bad(self, report: CheckReport) -> tuple[Bad, ...]:
        """Return what of *report* is bad when it is read again; nothing is written."""
        told = bad_packs.told_by((*report.findings, *report.healed))
        with self._work.of_anybody() as log:
            return bad_packs.confirm_bad(log, self._work.places.data, told)

    def log_bad(self, confirmed: Sequence[Bad]) -> tuple[Bad, ...]:
        """Have the next backups store anew what *confirmed* says; return what was not known yet."""
        with self._work.of_owner() as log:
            entries = bad_packs.append_bad(log, confirmed).entries
        return tuple(each for each in entries if isinstance(each, Bad))

    def chains(self, report: CheckReport, also_bad: Iterable[Bad]) -> list[ChainId]:
        """Return the chains of which anything is lost: by *report*, *also_bad* and the log."""
        hurt = {each.chain for found in report.findings for each in found.hurt}
        bad = {each.chain for each in (*also_bad, *self._work.reading().state.bad.values())}
        return sorted(hurt | bad)

    def plan(
        self, chain: ChainId, elsewhere: repairing.Elsewhere, also_bad: Iterable[Bad] = ()
    ) -> repairing.RepairPlan | None:
        """Return what of *chain* can be stored again, and what not; None where nothing opens."""
        mine = [each for each in also_bad if each.chain == chain]
        with self._work.of_anybody() as log:
            return repairing.plan_repair(log, self._work.places.data, chain, elsewhere, mine)

    @contextmanager
    def held(self, chain: ChainId, run: RunId, text: str) -> Iterator[None]:
        """Keep the manifests of the chain's points while they are repaired.

        A plan is made behind this, whose log was read after the holds were put (S15).
        """
        holder = Holder(run, "repair", text)
        put: list[Place] = []
        try:
            with self._work.of_owner() as log:
                places = log.read().state.counted_places
                for place in sorted(each for each in places if each[0] == chain):
                    put.append(place)
                    hold(log.control, [place], holder, log.clock.now())
            yield
        finally:
            release(self._work.log.control, put, holder.id)

    def heal(
        self, plan: repairing.RepairPlan, run: RunId, on_block: Callable[[], None]
    ) -> Healed | None:
        """Store again all that *plan* can, of which *on_block* hears; None where it is nothing."""
        with self._work.of_owner() as log:
            return repairing.heal(log, self._work.places.data, plan, run, on_block)

    def unfinished(self) -> tuple[Healed, ...]:
        """Return the repairs that have begun and are neither done nor dropped."""
        state = self._work.reading().state
        return tuple(
            each
            for each in state.healed.values()
            if each.phase == "begun" and not state.is_dropped(each.chain, each.session)
        )

    def as_source(self, on_pack: Callable[[], None]) -> OtherRepository:
        """Return this repository as one in which another's lost blocks are looked for."""
        state = self._work.reading().state
        return OtherRepository(self._work.log.control, self._work.places.data, state, on_pack)

    def disks(self) -> list[ChainOfDisk]:
        """Return of which disk each chain is, as far as anything of it opens."""
        with self._work.of_anybody() as log:
            return disks_there(log, self._work.places)

    def retire(self, chain: ChainId) -> None:
        """Have everything in *chain* become garbage; raise ChainInUse or ChainUnclear."""
        with self._work.of_owner() as log:
            state = log.read().state
            found = open_chain(log.control, self._work.places.data, chain, state)
            skipping.retire(log, found)

    def drop_commit(self, chain: ChainId, slot: CommitSlot, why: str) -> Dropped | None:
        """Wait no longer for the damaged commit of *slot*; None where that was said before."""
        with self._work.of_owner() as log:
            return dropping.drop_commit(log, chain, slot, why)

    def drop_manifest(self, chain: ChainId, slot: CommitSlot, why: str) -> Dropped | None:
        """Wait no longer for the damaged manifest of *slot*; raise NotDamaged."""
        with self._work.of_owner() as log:
            return dropping.drop_manifest(log, self._work.places.data, chain, slot, why)

    def drop_healing(self, session: WritingSession, why: str) -> Healed | None:
        """Give up a repair that has begun and whose job has ended; None where there is none."""
        found = next((each for each in self.unfinished() if each.session == session), None)
        if found is not None:
            with self._work.of_owner() as log:
                repairing.drop_healing(log, found.chain, session, why)
        return found


@dataclass(frozen=True, slots=True)
class DataAlone:
    """What data tells by itself, whether control is there or lost."""

    places: Places
    key: UserKey
    clock: Clock

    def began_by(self) -> str | None:
        """Return the appliance that began the repository; None where every header is lost."""
        headers = open_keys(self.places, self.key).headers
        return headers[min(headers)].appliance_id if headers else None

    def taken(self) -> list[TakenOfChain]:
        """Return one manifest for each slot that is clear, and what is not."""
        return rebuilding.take_all(self.places.data, open_keys(self.places, self.key).ring)

    def open(self, manifest: str) -> Manifest:
        """Return the manifest of that name, which may be of a run that never committed."""
        return open_lone(open_keys(self.places, self.key).ring, self.places.data, manifest)

    def restore(
        self, manifest: Manifest, sink: DiskSink, *, progress: OnProgress, on_hole: OnHole | None
    ) -> Holes:
        """Write the manifest's disk into *sink*."""
        ring = open_keys(self.places, self.key).ring
        data = self.places.data
        return restore_lone(
            ring, data, manifest, sink, threads=_THREADS, progress=progress, on_hole=on_hole
        )

    def check_log_lost(self) -> None:
        """Raise ControlThere where control has a log object that opens."""
        rebuilding.check_log_lost(self._log("").log.control)

    def rebuild(self, appliance: str, put_if_absent: FindPutIfAbsent) -> rebuilding.RebuiltControl:
        """Make control again, for *appliance* to own; raise ControlThere where it is not lost.

        Headers and wraps are put back first. Broken off, it is begun again.
        """
        self.check_log_lost()
        work = self._log(appliance)
        put_copies_back(work.log, self.places, work.keys, self.key, put_if_absent)
        work.open()
        return rebuilding.rebuild_control(work.log, self.places.data)

    def _log(self, appliance: str) -> OpenedLog:
        author = Author(appliance, BY_A_PERSON)
        return OpenedLog(self.places, self.key, Using(author, self.clock, HeadsOfProcess()))
