"""Secrets, read by name when they are needed: never listed, never watched, never kept."""

from __future__ import annotations

import msgspec
from typing_extensions import override

from vmbackup_operator.cluster.answers import read
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.failures import NotThere
from vmbackup_operator.model.metadata import KEY_LABEL, KEY_LABELLED, ObjectKey


class SecretMetadata(msgspec.Struct, frozen=True):
    """What we look at of a Secret's metadata."""

    labels: dict[str, str] = {}


class Secret(msgspec.Struct, frozen=True):
    """What we look at of a Secret; the values are base64 on the wire."""

    metadata: SecretMetadata = SecretMetadata()
    data: dict[str, bytes] = {}

    @override
    def __repr__(self) -> str:
        return f"Secret({', '.join(self.data)})"  # never a value


class KeySecrets:
    """Keeps `repositories.ports.Secrets`: one that does not bear the label is as if not there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, key: ObjectKey) -> dict[str, bytes] | None:
        """Return the values of the Secret, or None where none of that name is marked as a key."""
        found = await _get(self._connection, key)
        if found is None or found.metadata.labels.get(KEY_LABEL) != KEY_LABELLED:
            return None
        return found.data


class NamedSecrets:
    """Secrets that the settings name, the appliance's own: no label is asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, key: ObjectKey) -> dict[str, bytes] | None:
        """Return the values of the Secret, or None where there is none."""
        found = await _get(self._connection, key)
        return None if found is None else found.data


async def _get(connection: Connection, key: ObjectKey) -> Secret | None:
    path = f"/api/v1/namespaces/{key.namespace}/secrets/{key.name}"
    try:
        answer = await connection.send("GET", path)
    except NotThere:
        return None
    return read(answer, Secret)
