"""RecoveryPoint objects: mirrors of what repositories hold."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.display import amount
from vmbackup_operator.model.recovery_point import RecoveryPoint


class StoredRecoveryPoints:
    """Keeps `sessions.ports.RecoveryPointObjects`."""

    def __init__(self, connection: Connection) -> None:
        self._objects = Objects(connection, RecoveryPoint)

    async def ensure(self, point: RecoveryPoint) -> None:
        """Create the object unless it is there, with what kubectl's columns show of it."""
        stored = await self._objects.create(point)
        status = stored.status if stored.status.conditions else point.status
        shown = replace(
            status, size=amount(point.spec.size_bytes), stored=amount(point.spec.stored_bytes)
        )
        await self._objects.write_status(replace(stored, status=shown))
