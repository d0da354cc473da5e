"""Role assignments on their way through Azure: a new one counts later, a removed one for a while.

In Azure both take minutes, for every service on its own; here they take one time, for all alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from azure_simulator.resources import Resource, Resources

ROLE_ASSIGNMENTS = "microsoft.authorization/roleassignments"

_COUNTS_FROM = "countsFrom"


class Spreading:
    """Tells which assignments count at this moment; *delay_s* is wall time.

    It may be set for what is made from then on; `shorten` is for what is on its way as well.
    """

    def __init__(self, resources: Resources, clock: Callable[[], float]) -> None:
        self.delay_s = 0.0
        self._resources = resources
        self._clock = clock
        self._removed: list[tuple[Resource, float]] = []

    def shorten(self, delay_s: float) -> None:
        """Have assignments take *delay_s*, and those on their way no longer than that from now."""
        self.delay_s = delay_s
        latest = self._clock() + delay_s
        for assignment in self._resources.of_type(ROLE_ASSIGNMENTS):
            if assignment.hidden.get(_COUNTS_FROM, 0.0) > latest:
                assignment.hidden[_COUNTS_FROM] = latest
        self._removed = [(each, min(until, latest)) for each, until in self._removed]

    def made(self, assignment: Resource) -> None:
        """Let *assignment*, which somebody just made, count from its time on."""
        assignment.hidden[_COUNTS_FROM] = self._clock() + self.delay_s

    def removed(self, assignment: Resource) -> None:
        """Let *assignment*, which somebody just removed, count until its time is over."""
        now = self._clock()
        self._removed = [(each, until) for each, until in self._removed if until > now]
        if self._counts(assignment):
            self._removed.append((assignment, now + self.delay_s))

    def counting(self) -> Iterator[Resource]:
        """Yield the assignments that count."""
        yield from filter(self._counts, self._resources.of_type(ROLE_ASSIGNMENTS))
        now = self._clock()
        yield from (assignment for assignment, until in self._removed if until > now)

    def _counts(self, assignment: Resource) -> bool:
        counts_from: float = assignment.hidden.get(_COUNTS_FROM, 0.0)
        return counts_from <= self._clock()
