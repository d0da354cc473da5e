"""RegionEnvironment objects: those of the operator's own namespace, and looking at any."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import RegionEnvironment


class StoredEnvironments:
    """Keeps `environments.ports.RegionEnvironments`."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._objects = Objects(connection, RegionEnvironment)
        self._namespace = namespace

    async def find(self, namespace: str, name: str) -> RegionEnvironment | None:
        """Return the object, in whatever namespace it lies, or None."""
        return await self._objects.find(ObjectKey(namespace, name))

    async def list(self) -> Sequence[RegionEnvironment]:
        """Return those of the operator's own namespace."""
        return await self._objects.listed(self._namespace)

    async def create(self, environment: RegionEnvironment) -> None:
        """Write the object; one of that name that is already there is no error."""
        await self._objects.create(environment)

    async def write_status(self, environment: RegionEnvironment) -> None:
        """Write the status over the resourceVersion that was read; raise Conflict."""
        await self._objects.write_status(environment)
