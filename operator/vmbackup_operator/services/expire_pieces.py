"""A piece of Expire: points are read, judged by their rules, let go, and deleted a day later.

The steps are those of docs/repository-format.md, section 31: the plan of points needs all of them,
that of commits goes by chain, and what is expiring is finished entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.log.log import Appended
from vmbackup_core.repository.control.log.log_entries import Expiring
from vmbackup_core.repository.control.log.log_state import Subject
from vmbackup_core.repository.control.retention.expire import Going
from vmbackup_core.repository.control.retention.expire_plan import Letting
from vmbackup_core.repository.control.retention.point_book import PointBook
from vmbackup_core.repository.control.retention.sights import Sights
from vmbackup_core.repository.opened_upkeep import Upkeep
from vmbackup_operator.model.display import counted
from vmbackup_operator.services.fence import Fence
from vmbackup_operator.services.upkeep_progress import Pace, SoFar, is_through
from vmbackup_operator.upkeep.ports import GoOn, JobDone

#: So many points are read between two looks at the time.
_POINTS: Final = 256
_COMMITS, _FINISH = "commits", "finish"


@dataclass(frozen=True, slots=True)
class ExpirePieces:
    """What a pass of expire decides by; *book* knows the points that were read before."""

    upkeep: Upkeep
    book: PointBook
    letting: Letting
    has_ended: Callable[[RunId], bool]
    sights: Sights
    fence: Fence

    def take(self, so_far: SoFar, pace: Pace) -> GoOn | JobDone:
        """Do a piece."""
        if so_far.step == _FINISH:
            return self._finish(so_far, pace)
        if so_far.step == _COMMITS:
            return self._let_commits_go(so_far, pace)
        return self._let_points_go(so_far, pace)

    def _let_points_go(self, so_far: SoFar, pace: Pace) -> GoOn:
        if not so_far.after:
            self.upkeep.open_book(self.book)
            so_far.after = "begun"
        for left in self.upkeep.read_points(self.book, _POINTS):
            if left and pace.is_up:
                return so_far.go_on(f"{counted(left, 'recovery point')} still to be read")
        for entry in self.upkeep.unreadable_points(self.book):
            so_far.count("unreadable")
            so_far.tell(f"the recovery point of run {entry.run} cannot be opened")
        planned = self.upkeep.plan_expire_points(self.book, self.letting)
        so_far.count("points", self._begin(planned))
        so_far.begin(_COMMITS)
        return so_far.go_on(_begun(so_far))

    def _let_commits_go(self, so_far: SoFar, pace: Pace) -> GoOn:
        chains, planned = self.upkeep.chains(), list[Expiring]()
        for chain in pace.walk(chains, so_far):
            planned += self.upkeep.plan_expire_commits(ChainId(chain), self.has_ended)
        so_far.count("commits", self._begin(planned))
        if is_through(chains, so_far):
            so_far.begin(_FINISH)
        return so_far.go_on(_begun(so_far))

    def _finish(self, so_far: SoFar, pace: Pace) -> GoOn | JobDone:
        """Delete what has waited for its day; what waits is counted without a look."""
        subjects = {_name(each): each for each in self.upkeep.expiring()}
        names = sorted(subjects)
        walked = (subjects[name] for name in pace.walk(names, so_far))
        for going in self.upkeep.finish_some(self.sights, walked, self.fence):
            _take_in(going, so_far)
        if not is_through(names, so_far):
            return so_far.go_on(f"{_begun(so_far)}; {so_far.of('done')} gone for good")
        return so_far.done(_told(so_far), findings=so_far.of("unreadable") > 0)

    def _begin(self, planned: Sequence[Expiring]) -> int:
        return sum(_accepted(each) for each in self.upkeep.begin_expire(planned))


def _accepted(appended: Appended) -> int:
    return len(appended.entries)


def _take_in(going: Going, so_far: SoFar) -> None:
    so_far.count(going.outcome)
    if going.outcome == "stays":
        so_far.tell(going.why)


def _name(subject: Subject) -> str:
    """Return a name by which entries have an order."""
    point, places = subject
    return ".".join(point) if point else ".".join(f"{chain}.{slot}" for chain, slot in places)


def _begun(so_far: SoFar) -> str:
    points = f"{counted(so_far.of('points'), 'recovery point')} no longer kept by the rules"
    commits = so_far.of("commits")
    return f"{points}, {counted(commits, 'commit')} without point let go" if commits else points


def _told(so_far: SoFar) -> list[str]:
    done, waits, stays = (so_far.of(outcome) for outcome in ("done", "waits", "stays"))
    unreadable = so_far.of("unreadable")
    return [
        _begun(so_far),
        f"{done} deleted after a day or more" if done else "",
        f"{waits} to be deleted when 24 hours are over" if waits else "",
        f"{counted(unreadable, 'recovery point')} that cannot be opened left" if unreadable else "",
        f"{stays} cannot be deleted yet" if stays else "",
    ]
