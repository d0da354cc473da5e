"""What the owner of an opened repository does on a schedule: catalog, expire and prune.

Thin, as `opened` is: each method is one algorithm of docs/repository-format.md, done by `control`.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_core.repository.control import (
    catalog,
    expire,
    expire_pass,
    prune,
    prune_plan,
    recording,
)
from vmbackup_core.repository.control.log import Appended
from vmbackup_core.repository.control.log_entries import Expiring
from vmbackup_core.repository.control.prune_listing import list_chains
from vmbackup_core.repository.control.stored_manifests import pruning
from vmbackup_core.repository.opened_log import OpenedLog
from vmbackup_core.stores.port import NotDeleted


class Upkeep:
    """The jobs that keep a repository small and its list of points right."""

    def __init__(self, work: OpenedLog) -> None:
        self._work = work

    def sync_fully(self) -> list[recording.Examined]:
        """Record or delete points that lie there and were never logged; return what became."""
        with self._work.of_anybody() as log:
            return list(catalog.sync_fully(log, self._work.places.data))

    def plan_expire(self, rules: expire_pass.ExpireRules) -> list[Expiring]:
        """Return what no longer needs to count; nothing is written."""
        with self._work.of_anybody() as log:
            chains = list_chains(self._work.places)
            return expire_pass.plan_expire(log, self._work.places.data, chains, rules)

    def begin_expire(self, wanted: Sequence[Expiring]) -> list[Appended]:
        """Log that *wanted* no longer count; nothing of them is deleted here."""
        with self._work.of_anybody() as log:
            return expire.begin_expire(log, wanted)

    def finish_expire(self, sights: expire.Sights) -> list[expire.Going]:
        """Delete what may go of all that is expiring; return what became of each."""
        with self._work.of_anybody() as log:
            return list(expire.finish_expire(log, self._work.places.data, sights))

    def plan_prune(self) -> list[prune_plan.PrunePlan | prune_plan.LeftAlone]:
        """Return for each chain what may be deleted of it, or why nothing is."""
        with self._work.of_anybody() as log:
            looking = pruning(log, self._work.places.data)
            return [prune_plan.plan_prune(looking, each) for each in list_chains(self._work.places)]

    def prune(self, plan: prune_plan.PrunePlan, fence: prune.Fence) -> list[NotDeleted]:
        """Delete what *plan* names; return what stays because it is locked."""
        with self._work.of_owner() as log:
            log.read().check_history()
            return prune.execute(pruning(log, self._work.places.data), plan, fence)
