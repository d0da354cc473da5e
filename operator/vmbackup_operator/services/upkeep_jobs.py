"""A repository's upkeep, done a piece at a time in its turn; a check goes on beside all turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.ids import RepositoryId, RunId
from vmbackup_core.repository.control.log.heads import Head
from vmbackup_core.repository.control.retention.expire_plan import Letting, Rules
from vmbackup_core.repository.control.retention.sights import RememberedSights, Sight
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_operator.model.backup_repository import BackupRepository, LogHead
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.check_summary import summed_up
from vmbackup_operator.services.expire_pieces import ExpirePieces
from vmbackup_operator.services.fence import Fence
from vmbackup_operator.services.opened_repositories import GoesOn, OpenedRepositories
from vmbackup_operator.services.point_books import PointBooks
from vmbackup_operator.services.upkeep_pieces import (
    Recount,
    prove_lists,
    prune_chains,
    sync_catalog,
)
from vmbackup_operator.services.upkeep_progress import PIECE_S, Pace, SoFar
from vmbackup_operator.upkeep.ports import GoOn, JobAsked, JobDone, UpkeepJobs


@dataclass(frozen=True, slots=True)
class _LiveRules(Rules):
    """The rules of the policies that there are."""

    rules: Mapping[tuple[str, str], LiveRule]

    @override
    def live_rule(self, namespace: str, policy: str) -> LiveRule | None:
        return self.rules.get((namespace, policy))


class RepositoryUpkeep(UpkeepJobs):
    """Does the jobs of repositories that are kept open; *fence* is asked before each deletion.

    *books* are shared with whoever else asks what the points say.
    """

    def __init__(
        self,
        opened: OpenedRepositories,
        fence: Fence,
        clock: Clock,
        books: PointBooks | None = None,
    ) -> None:
        self.piece_s = PIECE_S
        self._opened = opened
        self._fence = fence
        self._clock = clock
        self._books = books or PointBooks()
        self._recounts: dict[RepositoryId, Recount] = {}

    @override
    async def work(
        self, repository: BackupRepository, key: UserKey, asked: JobAsked
    ) -> JobDone | GoOn | Waiting:
        if asked.job == "Check":
            return await self._opened.beside(repository, key, "check", self._check)
        what = "upkeep", asked.job, asked.cursor
        return await self._opened.use(
            repository, key, what, lambda opened: self._take(opened, asked)
        )

    @override
    async def log_number(self, repository: BackupRepository, key: UserKey) -> int | Waiting:
        def work(opened: OpenedRepository) -> int:
            return opened.upkeep.log_number()

        return await self._opened.use(repository, key, "log number", work)

    @override
    async def accept_history(
        self, repository: BackupRepository, key: UserKey, head: LogHead
    ) -> Waiting | None:
        def work(opened: OpenedRepository) -> None:
            opened.upkeep.accept_history(Head(head.number, head.sha256))

        return await self._opened.use(repository, key, ("accept history", head), work)

    def _take(self, opened: OpenedRepository, asked: JobAsked) -> GoOn | JobDone:
        upkeep, so_far = opened.upkeep, SoFar.parse(asked.cursor)
        pace = Pace(self._clock, self.piece_s)
        match asked.job:
            case "Catalog":
                return sync_catalog(upkeep, so_far, pace)
            case "Expire":
                return self._expire(opened, asked).take(so_far, pace)
            case "Prune":
                return prune_chains(upkeep, so_far, pace, self._fence)
            case "Lists":
                recount = self._recount(opened.repository_id, anew=not asked.cursor)
                return prove_lists(upkeep, so_far, pace, recount)
            case "Check":
                raise AssertionError("a check goes on beside the turns")
            case _:
                assert_never(asked.job)

    def _recount(self, repository: RepositoryId, *, anew: bool) -> Recount:
        if anew:
            self._recounts.pop(repository, None)
        return self._recounts.setdefault(repository, Recount())

    def _expire(self, opened: OpenedRepository, asked: JobAsked) -> ExpirePieces:
        now = self._clock.now()
        return ExpirePieces(
            upkeep=opened.upkeep,
            book=self._books.of(opened.repository_id),
            letting=Letting(_LiveRules(asked.rules), asked.retention_delay, now),
            has_ended=_has_ended(asked),
            sights=_sights(asked, now, opened.upkeep.log_number()),
            fence=self._fence,
        )

    def _check(self, opened: OpenedRepository, goes_on: GoesOn) -> JobDone:
        head = self._opened.heads.known(opened.repository_id)
        report = opened.check(read_data=False, on_look=goes_on, expect_head=head)
        return summed_up(report)


def _has_ended(asked: JobAsked) -> Callable[[RunId], bool]:
    return lambda run: run not in asked.busy_runs


def _sights(asked: JobAsked, now: datetime, number: int) -> RememberedSights:
    """Return what was seen of the log, which goes up to *number*: more is of another history."""
    seen = (Sight(each.number, each.time) for each in asked.sights if each.number <= number)
    return RememberedSights(tuple(seen), now)
