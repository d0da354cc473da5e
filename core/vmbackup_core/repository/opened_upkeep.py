"""What the owner of an opened repository does on a schedule: catalog, expire, prune and lists.

Thin, as `opened` is: each method is one algorithm of docs/repository-format.md, done by `control`.
What may take long is there in pieces too, by VM, by chain, by entry or in steps, so that whoever
works with the same repository has a turn in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.backup.skipping import retire_archives
from vmbackup_core.repository.control.commits.prune_listing import list_chains
from vmbackup_core.repository.control.log.heads import Head, HistoryDiffers
from vmbackup_core.repository.control.log.log import Appended
from vmbackup_core.repository.control.log.log_entries import Expiring, Place, Recorded
from vmbackup_core.repository.control.log.log_state import Subject
from vmbackup_core.repository.control.points import catalog, recording
from vmbackup_core.repository.control.retention import (
    expire,
    expire_pass,
    expire_plan,
    hurt_points,
    point_book,
    prune,
    prune_plan,
    sights,
    stamping,
)
from vmbackup_core.repository.control.retention.stored_manifests import pruning
from vmbackup_core.repository.control.verify import list_proving
from vmbackup_core.repository.opened_log import OpenedLog
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.repository.primitives.steps import Steps
from vmbackup_core.retention.in_force import Stamp, next_stamp
from vmbackup_core.retention.rules import Retention
from vmbackup_core.stores.port import NotDeleted


class Upkeep:
    """The jobs that keep a repository small and its list of points right."""

    def __init__(self, work: OpenedLog) -> None:
        self._work = work

    def chains(self) -> list[ChainId]:
        """Return every chain, in order."""
        return list_chains(self._work.places)

    def log_number(self) -> int:
        """Return the number of the newest log object."""
        return self._work.reading().number

    def accept_history(self, found: Head) -> None:
        """Take the log as it is, in which a person has found *found*; raise HistoryDiffers."""
        with self._work.of_anybody() as log:
            if not log.reader.has(found):
                raise HistoryDiffers(found, log.read().head)
            log.reader.accept_history()

    # Catalog

    def vms(self) -> list[VmId]:
        """Return the names of all VMs that have points, in order; a VM has one for each epoch."""
        with self._work.of_owner() as log:
            return catalog.vms_with_points(log.control)

    def sync_vm(self, vm: VmId) -> list[recording.Examined]:
        """Record or delete points of *vm* that lie there and were never logged; say what became."""
        with self._work.of_owner() as log:
            return list(recording.examine_unlogged(log, self._work.places.data, vm))

    # Expire

    def stamp(
        self,
        book: point_book.PointBook,
        retention: Retention,
        before: Sequence[Recorded],
        group: expire_plan.Group,
        delay_at: Callable[[datetime], timedelta],
    ) -> Stamp:
        """Return what a point of *group* says of its retention.

        *before* are its VM's points, the newest first, and *book* says what is known of them.
        *delay_at* says for how long a shorter retention waits by then.
        """
        with self._work.of_anybody() as log:
            now = log.clock.now()
            last = stamping.stamp_before(log.control, book, before, group)
            return next_stamp(retention, last, delay_at(now), now)

    def open_book(self, book: point_book.PointBook) -> None:
        """Have *book* begin a pass: it forgets what no longer counts."""
        book.begin_pass(self._work.reading().state)

    def unreadable_points(self, book: point_book.PointBook) -> list[Recorded]:
        """Return the points that count and do not open, as *book* has found."""
        return book.unreadable(self._work.reading().state)

    def read_points(self, book: point_book.PointBook, at_once: int) -> Iterator[int]:
        """Have *book* look at the points that count; yield behind each *at_once* what is left."""
        with self._work.of_anybody() as log:
            unread = book.unread(log.read().state)
            for at in range(0, len(unread), at_once):
                book.read(log.control, unread[at : at + at_once])
                yield max(len(unread) - at - at_once, 0)

    def known_points(
        self, book: point_book.PointBook, entries: Sequence[Recorded]
    ) -> list[expire_plan.CountedPoint]:
        """Return what decides about those of *entries* that open."""
        with self._work.of_anybody() as log:
            return book.known(log.control, entries)

    def hurt_points(self) -> hurt_points.HurtPoints:
        """Return what tells which points are hurt, by what the log says."""
        with self._work.of_anybody() as log:
            return hurt_points.HurtPoints(log.control, log.read().state)

    def judge_points(
        self, book: point_book.PointBook, letting: expire_plan.Letting
    ) -> list[expire_plan.JudgedPoint]:
        """Return every point that counts and opens, with all that keeps it."""
        with self._work.of_anybody() as log:
            return expire_pass.judge_expire_points(log, book, letting)

    def plan_expire_points(
        self, book: point_book.PointBook, letting: expire_plan.Letting
    ) -> list[Expiring]:
        """Return the points that no longer need to count."""
        with self._work.of_anybody() as log:
            return expire_pass.plan_expire_points(log, book, letting)

    def plan_expire_commits(
        self, chain: ChainId, has_ended: Callable[[RunId], bool]
    ) -> list[Expiring]:
        """Return the commits of *chain* whose runs have ended and made no point."""
        with self._work.of_anybody() as log:
            return expire_pass.plan_expire_commits(log, self._work.places.data, chain, has_ended)

    def begin_expire(self, wanted: Sequence[Expiring]) -> list[Appended]:
        """Log that *wanted* no longer count; nothing of them is deleted here."""
        with self._work.of_anybody() as log:
            return expire.begin_expire(log, wanted)

    def expiring(self) -> dict[Subject, Expiring]:
        """Return what is expiring."""
        return self._work.reading().state.expiring

    def finish_some(
        self,
        seen: sights.Sights,
        subjects: Iterable[Subject],
        fence: prune.Fence = prune.open_fence,
    ) -> list[expire.Going]:
        """Delete what may go of *subjects*; return what became of each that is still expiring.

        *fence* is asked before each.
        """
        with self._work.of_anybody() as log:

            def before(entry: Expiring) -> None:
                retire_archives(log, (chain for chain, _slot in entry.places))

            return expire.finish_some(log, self._work.places.data, seen, subjects, fence, before)

    # Prune

    def plan_prune(self) -> list[prune_plan.PrunePlan | prune_plan.LeftAlone]:
        """Return for each chain what may be deleted of it, or why nothing is."""
        return [self.plan_prune_of(each) for each in self.chains()]

    def plan_prune_of(self, chain: ChainId) -> prune_plan.PrunePlan | prune_plan.LeftAlone:
        """Return what may be deleted of *chain*, or why nothing is."""
        with self._work.of_anybody() as log:
            return prune_plan.plan_prune(pruning(log, self._work.places.data), chain)

    def prune(self, plan: prune_plan.PrunePlan, fence: prune.Fence) -> list[NotDeleted]:
        """Delete what *plan* names; return what stays because it is locked."""
        with self._work.of_owner() as log:
            log.read().check_history()
            return prune.execute(pruning(log, self._work.places.data), plan, fence)

    # Pack lists

    def unproven_lists(self, chain: ChainId) -> list[Place]:
        """Return the commits of *chain* whose lists are to be recounted, in order."""
        with self._work.of_owner() as log:
            looking = pruning(log, self._work.places.data)
            slots = list_proving.unproven_slots(looking, log.read().state, chain)
            return [(chain, slot) for slot in slots]

    def look_at_list(self, place: Place) -> Steps[list_proving.ListLooked | None]:
        """Return what a recount of the list of *place* comes to, in steps; nothing is written."""
        with self._work.of_owner() as log:
            looking = pruning(log, self._work.places.data)
            return list_proving.look_at_list(looking, log.read().state, place)

    def log_lists(self, looked: Sequence[list_proving.ListLooked]) -> None:
        """Say in the log which of the lists are right."""
        with self._work.of_owner() as log:
            list_proving.log_looked(log, looked)
