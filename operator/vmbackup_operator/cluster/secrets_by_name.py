"""Secrets, read by name when they are needed: never listed, never watched, never kept."""

from __future__ import annotations

import msgspec
from typing_extensions import override

from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.failures import NotThere
from vmbackup_operator.model.metadata import ObjectKey


class Secret(msgspec.Struct, frozen=True):
    """What we look at of a Secret; the values are base64 on the wire."""

    data: dict[str, bytes] = {}

    @override
    def __repr__(self) -> str:
        return f"Secret({', '.join(self.data)})"  # never a value


class NamedSecrets:
    """Keeps `repositories.ports.Secrets`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, key: ObjectKey) -> dict[str, bytes] | None:
        """Return the values of the Secret, or None where there is none."""
        path = f"/api/v1/namespaces/{key.namespace}/secrets/{key.name}"
        try:
            answer = await self._connection.send("GET", path)
        except NotThere:
            return None
        return msgspec.json.decode(answer, type=Secret).data
