"""A mistake of the operator's own, shown on the object that met it instead of in the log alone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeVar

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import VmbackupError
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.conditions import as_stalled, find_condition, with_conditions
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.reconciling.outcome import Outcome, Waiting

log = logging.getLogger(__name__)

#: How soon an object is looked at again that met an exception which nobody foresaw.
AGAIN_S = 300.0
REASON = "InternalError"

#: The kinds whose status says how they stand; sessions show mistakes in their steps.
Standing = BackupPolicy | BackupRepository | RegionEnvironment
AnyStanding = TypeVar("AnyStanding", BackupPolicy, BackupRepository, RegionEnvironment)
Reconcile = Callable[[ObjectKey], Awaitable[Outcome]]


class Store(Protocol[AnyStanding]):
    """The objects of one kind."""

    async def find(self, key: ObjectKey) -> AnyStanding | None:
        """Return the object as stored, or None."""

    async def write_status(self, wanted: AnyStanding, /) -> AnyStanding:
        """Replace the status and return what is stored; raise Conflict where it was stale."""


class EventLog(Protocol):
    """Kubernetes Events."""

    async def tell(
        self, about: Standing, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Record that something happened to *about*; losing one is no failure."""


def shows_mistakes(
    reconcile: Reconcile, store: Store[AnyStanding], events: EventLog, clock: Clock
) -> Reconcile:
    """Return *reconcile*, which says ``InternalError`` where it meets what nobody foresaw.

    The object is looked at again slowly, and says something else as soon as that goes well.
    """

    async def reconciled(key: ObjectKey) -> Outcome:
        try:
            return await reconcile(key)
        except (VmbackupError, TimeoutError):
            raise
        except Exception as error:  # a mistake of ours has to be seen where people look
            name = type(error).__name__
            log.exception("%s: unexpected %s", key, name)
            await _show(key, f"unexpected {name}: the operator's log says where")
            return Waiting(AGAIN_S, f"unexpected {name}")

    async def _show(key: ObjectKey, message: str) -> None:
        found = await store.find(key)
        if found is None:
            return
        before = find_condition(found.status.conditions, "Stalled")
        if before is not None and (before.reason, before.message) == (REASON, message):
            return
        generation = found.metadata.generation
        conditions = with_conditions(
            found.status.conditions,
            as_stalled(REASON, message),
            now=clock.now(),
            generation=generation,
        )
        status = replace(found.status, conditions=conditions, observed_generation=generation)
        await store.write_status(replace(found, status=status))
        await events.tell(found, "Warning", REASON, message)

    return reconciled
