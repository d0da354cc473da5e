"""What the cluster shows of a repository's recovery points, VM by VM in the repository's turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.log.heads import HistoryRolledBack
from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.points.catalog import Damage
from vmbackup_core.repository.control.retention.point_book import PointBook
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.policies.kept_points import PointFacts
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.point_books import PointBooks
from vmbackup_operator.services.stored_points import as_seen
from vmbackup_operator.services.upkeep_progress import PIECE_S, Pace, SoFar, is_through
from vmbackup_operator.sessions.seen import PointSeen
from vmbackup_operator.upkeep.ports import Mirrored, PointsToMirror


class StoredMirror(PointsToMirror):
    """The newest points of repositories that are kept open."""

    def __init__(
        self, opened: OpenedRepositories, clock: Clock, books: PointBooks | None = None
    ) -> None:
        self.piece_s = PIECE_S
        self._books = books or PointBooks()
        self._opened = opened
        self._clock = clock

    @override
    async def newest(
        self, repository: BackupRepository, key: UserKey, shown: Mapping[RunId, str], after: str
    ) -> Mirrored | Waiting:
        def work(opened: OpenedRepository) -> Mirrored:
            book = self._books.of(opened.repository_id)
            return _newest(opened, book, shown, after, Pace(self._clock, self.piece_s))

        what = "mirror", after, frozenset(shown)
        return await self._opened.use(repository, key, what, work)


def _newest(
    opened: OpenedRepository,
    book: PointBook,
    shown: Mapping[RunId, str],
    after: str,
    pace: Pace,
) -> Mirrored:
    lost = opened.reading().lost_head
    if lost is not None:
        raise HistoryRolledBack(lost)
    if not after:
        opened.upkeep.open_book(book)
    so_far, mirrored = SoFar(after=after), opened.mirrored()
    names = mirrored.names
    newest, unseen = set[RunId](), set[RunId]()
    missing, facts = list[PointSeen](), list[PointFacts]()
    is_hurt = opened.upkeep.hurt_points().is_hurt
    for name in pace.walk(names, so_far):
        entries = mirrored.of_vm(VmId(name), shown)
        newest.update(entry.run for entry in entries)
        wanted = [entry for entry in entries if entry.run not in shown]
        missing += _opened_of(opened, wanted, unseen)
        facts += (
            PointFacts(
                run_id=each.entry.run,
                created_at=each.entry.created_at,
                group=each.known.group,
                stamp=each.known.stamp,
                is_hurt=is_hurt(each.entry),
            )
            for each in opened.upkeep.known_points(book, entries)
        )
    through = is_through(names, so_far)
    return Mirrored(
        frozenset(newest), missing, frozenset(unseen), None if through else so_far.after, facts
    )


def _opened_of(
    opened: OpenedRepository, entries: Sequence[Recorded], unseen: set[RunId]
) -> Iterator[PointSeen]:
    """Yield the points of *entries*; the runs of those that do not open go into *unseen*."""

    def damaged(entry: Recorded, _error: Damage) -> None:
        unseen.add(entry.run)

    return (as_seen(each.point) for each in opened.points(damaged, entries))
