"""Resource Manager in memory: puts are there at once, or when the test says."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import override

from vmbackup_core.errors import RefusedForNow, VmbackupError
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.ports import Kind, ResourceManager, SealedKind
from vmbackup_operator.naming import ArmId, name_of

#: Kinds that lie within another resource.
_CHILDREN = {"Peering", "BlobContainer", "VirtualNetworkLink", "PrivateDnsZoneGroup"}


def _parent_of(resource_id: ArmId) -> str:
    """Return the id of what the resource lies within, in small letters."""
    above = resource_id.lower().rsplit("/", 2)[0]
    return above.removesuffix("/blobservices/default")


class ArmInMemory(ResourceManager):
    """Keeps bodies by id, counts what was asked, and completes them as Azure does."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}
        self.puts: list[tuple[Kind, str]] = []
        self.finds: list[str] = []
        self.lists = 0
        self.slow: set[Kind] = set()
        self._refusals: list[tuple[tuple[str, ...], VmbackupError]] = []
        self.approval = "Approved"
        self.lag_s = 0.0
        self.unreachable: VmbackupError | None = None
        #: What a company's policy does to the tags of everything that is written.
        self.policy: Callable[[dict[str, str]], dict[str, str]] = dict
        #: Groups that somebody else made.
        self._groups: set[str] = set()
        self._under_way: dict[str, tuple[Kind, ArmId, Body]] = {}

    @override
    async def find(self, kind: Kind, resource_id: ArmId) -> Body | None:
        del kind
        await asyncio.sleep(self.lag_s)
        self._check_reachable()
        self.finds.append(resource_id)
        body = self.bodies.get(resource_id.lower())
        return copy.deepcopy(body)

    @override
    async def put(self, kind: Kind, resource_id: ArmId, body: Body) -> Body | None:
        self._check_reachable()
        if resource_id.lower() in self._under_way:
            return None
        self._check_around(kind, resource_id)
        for parts, error in self._refusals:
            if all(part in f"{resource_id} {body}" for part in parts):
                raise error
        self.puts.append((kind, resource_id))
        if kind in self.slow:
            self._under_way[resource_id.lower()] = (kind, resource_id, body)
            return None
        return self._store(kind, resource_id, body)

    @override
    def under_way(self, resource_id: ArmId) -> bool:
        return resource_id.lower() in self._under_way

    def _check_around(self, kind: Kind, resource_id: ArmId) -> None:
        """Refuse what Azure does: a write where there is no group, or no parent."""
        if kind == "ResourceGroup":
            return
        group = resource_id.lower().partition("/providers/")[0]
        owed = [group] if kind not in _CHILDREN else [group, _parent_of(resource_id)]
        for each in owed:
            if each not in self._groups and each not in self.bodies:
                raise RefusedForNow(f"{each} is not found", reason="NotFound", retry_after_s=5)

    def _check_reachable(self) -> None:
        if self.unreachable is not None:
            raise self.unreachable

    def refuse(self, *parts: str, error: VmbackupError) -> None:
        """Raise *error* for every put whose id and body hold all of *parts*."""
        self._refusals.append((parts, error))

    def finish(self) -> None:
        """Let everything that is under way end."""
        for kind, resource_id, body in list(self._under_way.values()):
            self._store(kind, resource_id, body)
        self._under_way.clear()

    @override
    async def storage_accounts(self, subscription_id: str) -> Sequence[Body]:
        self._check_reachable()
        self.lists += 1
        wanted = f"/subscriptions/{subscription_id}/".lower()
        return [
            copy.deepcopy(body)
            for identity, body in self.bodies.items()
            if identity.startswith(wanted) and identity.split("/")[-2] == "storageaccounts"
        ]

    @override
    async def sealed(
        self, kind: SealedKind, subscription_id: str, resource_group: str
    ) -> Sequence[Body]:
        self._check_reachable()
        wanted = f"/subscriptions/{subscription_id}/resourcegroups/{resource_group}/".lower()
        types = {"VirtualMachine": "virtualmachines", "Snapshot": "snapshots"}
        return [
            copy.deepcopy(body)
            for identity, body in self.bodies.items()
            if identity.startswith(wanted) and identity.split("/")[-2] == types[kind]
        ]

    def add(self, kind: Kind | SealedKind, resource_id: str, body: Body) -> None:
        """Put something there that somebody else made, in a group of theirs."""
        self._groups.add(resource_id.lower().partition("/providers/")[0])
        self._store(kind, ArmId(resource_id), body)

    def _store(self, kind: Kind | SealedKind, resource_id: ArmId, body: Body) -> Body:
        stored: dict[str, Any] = {
            **copy.deepcopy(body),
            "id": resource_id,
            "name": name_of(resource_id),
        }
        if "tags" in stored:
            stored["tags"] = self.policy(stored["tags"])
        properties = stored.setdefault("properties", {})
        properties["provisioningState"] = "Succeeded"
        if kind == "Peering":
            properties["peeringState"] = "Connected"
        if kind == "PrivateEndpoint":
            self._connect(properties)
        if kind == "StorageAccount":
            name = name_of(resource_id)
            properties["primaryEndpoints"] = {
                service: f"https://{name}.{service}.core.windows.net/"
                for service in ("blob", "queue")
            }
        self.bodies[resource_id.lower()] = stored
        return copy.deepcopy(stored)

    def _connect(self, properties: dict[str, Any]) -> None:
        for key, status in (
            ("privateLinkServiceConnections", "Approved"),
            ("manualPrivateLinkServiceConnections", self.approval),
        ):
            for connection in properties.get(key, []):
                state = {"privateLinkServiceConnectionState": {"status": status}}
                connection["properties"].update(state)
