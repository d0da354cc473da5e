"""Until when recovery points are locked: what every chain's check asks of one listing."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.repository.primitives.names import POINTS
from vmbackup_core.stores.port import ObjectLock, Store


@dataclass
class PointLocks:
    """Until when each recovery point is locked: listed once, where anybody asks."""

    control: Store
    _known: dict[str, ObjectLock] | None = None

    def find(self, name: str) -> ObjectLock | None:
        """Return the lock of the point called *name*; None where it is not there."""
        if self._known is None:
            self._known = {lock.name: lock for lock in self.control.locks(POINTS)}
        return self._known.get(name)
