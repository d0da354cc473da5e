"""The simulated Azure's administrator: puts what a user already has there, by ordinary ARM calls.

What no Azure interface offers (disks' content, other identities, the journal, holds) goes through
the simulator's administration interface; see docs/simulator.md.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.core.polling.arm_polling import ARMPolling
from azure.mgmt.resource.resources import ResourceManagementClient
from typing_extensions import override

#: The subscription that the demo and the tests have.
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"

#: More requests of a kind than a hold ever meets.
_ALL = 1_000_000

#: A JSON object.
Json = dict[str, Any]

_LOOK_S = 0.1


class _Looking(ARMPolling):
    """Looks often: Retry-After has whole seconds, in which a fast Azure does many operations."""

    @override
    def _extract_delay(self) -> float:
        return _LOOK_S


class Administrator:
    """Speaks to the simulator that wrote *ready*, as the Owner of its subscriptions."""

    def __init__(self, ready: Json) -> None:
        self._admin = ready["admin"]
        self._http = urllib3.PoolManager(retries=False)
        self.transport: Json = {
            "proxies": {"https": ready["proxies"]["internet"]},
            "connection_verify": ready["ca"],
        }
        self.credential = ClientSecretCredential(
            ready["tenantId"],
            ready["administrator"]["clientId"],
            ready["administrator"]["clientSecret"],
            **self.transport,
        )
        self._clients: dict[str, ResourceManagementClient] = {}

    def _resources(self, arm_id: str) -> ResourceManagementClient:
        """Return the client of a resource's subscription, which keeps its connection."""
        subscription = arm_id.split("/")[2].lower()
        if subscription not in self._clients:
            self._clients[subscription] = ResourceManagementClient(
                self.credential, subscription, **self.transport
            )
        return self._clients[subscription]

    def arm(self, arm_id: str, api_version: str, body: Json) -> None:
        """Put one resource and wait until Azure is done with it."""
        self._resources(arm_id).resources.begin_create_or_update_by_id(
            arm_id, body, api_version=api_version, polling=_Looking()
        ).result()

    def read(self, arm_id: str, api_version: str) -> Json:
        """Return a resource's body."""
        resources = self._resources(arm_id).resources
        found: Json = resources.get_by_id(arm_id, api_version=api_version).as_dict()
        return found

    def retag(self, arm_id: str, api_version: str, tags: Json) -> None:
        """Give a resource other tags than it has, and leave the rest as it is."""
        self._resources(arm_id).resources.begin_update_by_id(
            arm_id, {"tags": tags}, api_version=api_version, polling=_Looking()
        ).result()

    def remove(self, arm_id: str, api_version: str) -> None:
        """Delete one resource and wait until it is gone."""
        self._resources(arm_id).resources.begin_delete_by_id(
            arm_id, api_version=api_version, polling=_Looking()
        ).result()

    def deallocate(self, vm_id: str) -> None:
        """Take a VM's machine away, as somebody at the portal would."""
        parts = vm_id.split("/")
        with ComputeManagementClient(self.credential, parts[2], **self.transport) as client:
            client.virtual_machines.begin_deallocate(
                parts[4], parts[8], polling=_Looking()
            ).result()

    def resources(self, group: str) -> list[str]:
        """Return the ids of what lies in a resource group of the subscription."""
        with ResourceManagementClient(self.credential, SUBSCRIPTION, **self.transport) as client:
            return [str(found.id) for found in client.resources.list_by_resource_group(group)]

    def call(self, method: str, path: str, body: Json | None = None) -> Any:
        """Send one call to the administration interface and return its JSON answer."""
        answer = self._http.request(
            method,
            self._admin + path,
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data.decode()}")
        return json.loads(answer.data) if answer.data else None

    def fill_disk(self, disk_id: str, path: Path) -> None:
        """Give a managed disk the content of a file of its exact size."""
        self.call("PUT", "/disks/content", {"diskId": disk_id, "path": str(path)})

    def journal(self, since: int = 0) -> list[Json]:
        """Return the journal's entries behind number *since*."""
        entries: list[Json] = self.call("GET", f"/journal?since={since}")
        return entries

    def last_entry(self) -> int:
        """Return the number of the journal's last entry."""
        entries = self.journal()
        return int(entries[-1]["sequence"]) if entries else 0

    def rights_asked(self, client_id: str) -> list[Json]:
        """Return what services asked about an identity: action, data, scope, allowed."""
        asked: list[Json] = self.call("GET", f"/identities/{client_id}/rights")
        return asked

    def granted_url(self, snapshot_id: str) -> str:
        """Return the SAS that a snapshot was granted, as Azure gives it while it is good."""
        with ComputeManagementClient(
            self.credential, snapshot_id.split("/")[2], polling_interval=_LOOK_S, **self.transport
        ) as client:
            parts = snapshot_id.split("/")
            granted = client.snapshots.begin_grant_access(
                parts[4], parts[8], {"access": "Read", "durationInSeconds": 3600}
            ).result()
        return str(granted.access_sas)

    def try_export(self, url: str) -> int:
        """Return what an export host answers to a SAS, from a network that has a way to it."""
        return int(self.call("POST", "/exports/try", {"url": url})["status"])

    def accounts(self, region: str) -> list[str]:
        """Return the names of the storage accounts in *region*."""
        with ResourceManagementClient(self.credential, SUBSCRIPTION, **self.transport) as client:
            found = client.resources.list(
                filter="resourceType eq 'Microsoft.Storage/storageAccounts'"
            )
            return [str(account.name) for account in found if account.location == region]

    def hold(self, when: str, **match: str) -> str:
        """Hold the next matching request *when* ``before`` or ``after`` it is applied."""
        return self._hold(when, 1, match)

    def hold_all(self, when: str, **match: str) -> str:
        """Hold every matching request until they are all let go."""
        return self._hold(when, _ALL, match)

    def _hold(self, when: str, times: int, match: dict[str, str]) -> str:
        asked = {"match": match, "when": when, "times": times}
        return str(self.call("POST", "/holds", asked)["id"])

    def caught(self, hold: str) -> int:
        """Return how many requests a hold has caught."""
        return int(self.call("GET", f"/holds/{hold}")["caught"])

    def held(self) -> dict[str, Json]:
        """Return of each hold how many requests it ``caught``, and whose senders are ``gone``."""
        held: dict[str, Json] = self.call("GET", "/holds")
        return held

    def let_go(self, hold: str) -> None:
        """Let what a hold has caught go on, and forget the hold."""
        self.call("DELETE", f"/holds/{hold}")
