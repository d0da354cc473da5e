"""Undo records as ConfigMaps of the operator's own namespace, one for each run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.failures import AlreadyThere, NotThere
from vmbackup_operator.cluster.objects import PAGE, PageMetadata
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, EXCLUDE_FROM_CLUSTER_BACKUP
from vmbackup_operator.sessions.undo_record import UndoRecord, UndoRecords

#: On every one of them.
LABEL = "vmbackup.dev/undo"
_ENTRY = "record"


class _ConfigMap(msgspec.Struct, frozen=True):
    data: dict[str, str] = {}


class _ConfigMaps(msgspec.Struct, frozen=True):
    metadata: PageMetadata
    items: tuple[_ConfigMap, ...] = ()


class StoredUndoRecords(UndoRecords):
    """Keeps `sessions.undo_record.UndoRecords`."""

    def __init__(self, connection: Connection, namespace: str, appliance_id: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._folder = f"/api/v1/namespaces/{namespace}/configmaps"
        self._appliance_id = appliance_id

    @override
    async def keep(self, record: UndoRecord) -> None:
        name = _name(record.run_id)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {
                    LABEL: "true",
                    APPLIANCE_LABEL: self._appliance_id,
                    **EXCLUDE_FROM_CLUSTER_BACKUP,
                },
            },
            "data": {_ENTRY: msgspec.json.encode(record).decode()},
        }
        try:
            await self._connection.send("POST", self._folder, body=body)
        except AlreadyThere:
            await self._connection.send("PUT", f"{self._folder}/{name}", body=body)

    @override
    async def all(self) -> Sequence[UndoRecord]:
        selector = f"{LABEL}=true,{APPLIANCE_LABEL}={self._appliance_id}"
        query = {"labelSelector": selector, "limit": str(PAGE)}
        found: list[UndoRecord] = []
        while True:
            answer = await self._connection.send("GET", self._folder, query=query)
            page = msgspec.json.decode(answer, type=_ConfigMaps)
            found += [_read(item) for item in page.items]
            if not page.metadata.go_on:
                return found
            query["continue"] = page.metadata.go_on

    @override
    async def drop(self, run_id: RunId) -> None:
        try:
            await self._connection.send("DELETE", f"{self._folder}/{_name(run_id)}")
        except NotThere:
            return


def _name(run_id: RunId) -> str:
    return f"vmbackup-undo-{run_id}"


def _read(item: _ConfigMap) -> UndoRecord:
    try:
        return msgspec.json.decode(item.data.get(_ENTRY, ""), type=UndoRecord)
    except msgspec.DecodeError as error:
        raise PermanentError(
            f"an undo record of the operator's namespace can't be read: {error}",
            reason="UnreadableObject",
        ) from error
