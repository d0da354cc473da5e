"""Undo records as ConfigMaps of the operator's own namespace: a claim for each VM, else by run.

A claim is created where there is none, replaced by the resourceVersion that was read, and deleted
with its uid and resourceVersion as preconditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.cluster.answers import read
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.failures import AlreadyThere, NotThere
from vmbackup_operator.cluster.objects import PAGE, PageMetadata
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, EXCLUDE_FROM_CLUSTER_BACKUP
from vmbackup_operator.naming import claim_name
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.undo_record import UndoRecord, UndoRecords

#: On every one of them.
LABEL = "vmbackup.dev/undo"
_ENTRY = "record"

_Json: TypeAlias = "dict[str, _Json] | str"


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _ConfigMap(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
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
    async def find_claim(self, vm_id: str) -> UndoRecord | None:
        found = await self._find(self._claim_of(vm_id))
        return None if found is None else _read(found)

    @override
    async def claim(self, record: UndoRecord) -> UndoRecord | None:
        name = self._claim_of(record.virtual_machine_id)
        try:
            await self._create(name, record)
        except AlreadyThere:
            held = await self.find_claim(record.virtual_machine_id)
            if held is None:
                raise Conflict(f"{name}: dropped a moment ago") from None
            return None if held.is_of(record) else held
        return None

    @override
    async def take_over(self, held: UndoRecord, record: UndoRecord) -> None:
        name = self._claim_of(record.virtual_machine_id)
        found = await self._find(name)
        if found is None or _read(found) != held:
            raise Conflict(f"{name}: held by another session meanwhile")
        if held.run_id != record.run_id:
            await self._keep_by_run(held)
        await self._replace(name, record, found.metadata)

    @override
    async def keep(self, record: UndoRecord) -> None:
        name = self._claim_of(record.virtual_machine_id)
        found = await self._find(name)
        if found is not None and _read(found).is_of(record):
            await self._replace(name, record, found.metadata)
        else:
            await self._keep_by_run(record)

    @override
    async def all(self) -> Sequence[UndoRecord]:
        selector = f"{LABEL}=true,{APPLIANCE_LABEL}={self._appliance_id}"
        query = {"labelSelector": selector, "limit": str(PAGE)}
        found: list[UndoRecord] = []
        while True:
            answer = await self._connection.send("GET", self._folder, query=query)
            page = read(answer, _ConfigMaps)
            found += [_read(item) for item in page.items]
            if not page.metadata.go_on:
                return found
            query["continue"] = page.metadata.go_on

    @override
    async def drop(self, vm_id: str, run_id: RunId) -> None:
        claim = self._claim_of(vm_id)
        found = await self._find(claim)
        if found is not None and _read(found).run_id == run_id:
            await self._delete(claim, found.metadata)
        else:
            await self._delete(_by_run(run_id), None)

    async def _keep_by_run(self, record: UndoRecord) -> None:
        name = _by_run(record.run_id)
        try:
            await self._create(name, record)
        except AlreadyThere:
            await self._replace(name, record, _Metadata())

    async def _find(self, name: str) -> _ConfigMap | None:
        try:
            answer = await self._connection.send("GET", f"{self._folder}/{name}")
        except NotThere:
            return None
        return read(answer, _ConfigMap)

    async def _create(self, name: str, record: UndoRecord) -> None:
        await self._connection.send("POST", self._folder, body=self._body(name, record, {}))

    async def _replace(self, name: str, record: UndoRecord, read: _Metadata) -> None:
        """Write over what was *read*; raise Conflict where it is another one by now."""
        seen: dict[str, _Json] = {}
        if read.resource_version:
            seen = {"uid": read.uid, "resourceVersion": read.resource_version}
        body = self._body(name, record, seen)
        try:
            await self._connection.send("PUT", f"{self._folder}/{name}", body=body)
        except NotThere:
            raise Conflict(f"{name}: dropped a moment ago") from None

    async def _delete(self, name: str, read: _Metadata | None) -> None:
        body = None
        if read is not None:
            preconditions = {"uid": read.uid, "resourceVersion": read.resource_version}
            body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        try:
            await self._connection.send("DELETE", f"{self._folder}/{name}", body=body)
        except NotThere:
            return

    def _claim_of(self, vm_id: str) -> str:
        return claim_name(self._appliance_id, vm_id)

    def _body(self, name: str, record: UndoRecord, seen: dict[str, _Json]) -> object:
        labels = {
            LABEL: "true",
            APPLIANCE_LABEL: self._appliance_id,
            **EXCLUDE_FROM_CLUSTER_BACKUP,
        }
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self._namespace, "labels": labels, **seen},
            "data": {_ENTRY: msgspec.json.encode(record).decode()},
        }


def _by_run(run_id: RunId) -> str:
    return f"vmbackup-undo-{run_id}"


def _read(item: _ConfigMap) -> UndoRecord:
    try:
        return msgspec.json.decode(item.data.get(_ENTRY, ""), type=UndoRecord)
    except msgspec.DecodeError as error:
        raise PermanentError(
            f"an undo record of the operator's namespace can't be read: {error}",
            reason="UnreadableObject",
        ) from error
