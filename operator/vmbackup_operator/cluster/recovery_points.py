"""RecoveryPoint objects: mirrors of what repositories hold."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from vmbackup_core.ids import RunId
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.display import amount
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, ObjectKey
from vmbackup_operator.model.recovery_point import Kept, RecoveryPoint
from vmbackup_operator.sessions.point_mirror import PointObject, outline_of


class StoredRecoveryPoints:
    """Keeps `sessions.ports.RecoveryPointObjects` and `upkeep.ports.PointObjects`."""

    def __init__(self, connection: Connection, appliance_id: str) -> None:
        self._objects = Objects(connection, RecoveryPoint)
        self._appliance_id = appliance_id

    async def find(self, key: ObjectKey) -> RecoveryPoint | None:
        """Return the object as it is stored, or None."""
        return await self._objects.find(key)

    async def made_by_us(self, namespace: str) -> Sequence[PointObject]:
        """Return those that this appliance has made in the namespace."""
        selectors = {"labelSelector": f"{APPLIANCE_LABEL}={self._appliance_id}"}
        found: list[PointObject] = []
        async for page in self._objects.in_pages(namespace, selectors=selectors):
            found += map(outline_of, page)
        return found

    async def show(self, point: PointObject, kept: Kept) -> None:
        """Have the object say why its point is kept, if it is still the one with this uid."""
        stored = await self._objects.find(point.key)
        if stored is None or stored.metadata.uid != point.uid:
            return
        status = replace(stored.status, kept_because=kept.because, kept_until=kept.until)
        await self._objects.write_status(replace(stored, status=status))

    async def remove(self, point: PointObject) -> None:
        """Delete the object if it is still the one with this uid; gone already is no error."""
        await self._objects.remove(point.key, point.uid)

    async def drop(self, key: ObjectKey, run_id: RunId) -> None:
        """Delete the object where it is of that run; gone already is no error."""
        stored = await self._objects.find(key)
        if stored is not None and stored.spec.run_id == run_id:
            await self._objects.remove(key, stored.metadata.uid)

    async def say_kept(self, key: ObjectKey, run_id: RunId, kept: Kept) -> None:
        """Have the object say why its point is kept, where it is of that run."""
        stored = await self._objects.find(key)
        if stored is not None and stored.spec.run_id == run_id:
            await self.show(outline_of(stored), kept)

    async def ensure(self, point: RecoveryPoint) -> None:
        """Create the object unless it is there, with what kubectl's columns show of it."""
        stored = await self._objects.create(point)
        status = stored.status if stored.status.conditions else point.status
        shown = replace(
            status, size=amount(point.spec.size_bytes), stored=amount(point.spec.stored_bytes)
        )
        await self._objects.write_status(replace(stored, status=shown))
