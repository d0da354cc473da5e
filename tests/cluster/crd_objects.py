"""Right objects of each kind, and how a test makes one wrong; imported by the CRDs' tests."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from vmbackup_operator.cluster.connection import MERGE_PATCH, Connection

ROOT = Path(__file__).resolve().parents[2]
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-production"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web-01"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet"
#: A RegionEnvironment's, where the administrator brings it.
OWN_NETWORK = {
    "virtualNetworkId": NETWORK,
    "workerSubnetId": f"{NETWORK}/subnets/workers",
    "endpointSubnetId": f"{NETWORK}/subnets/endpoints",
}
RUN = "0123456789abcdef0123456789abcdef"

Manifest = dict[str, Any]

#: Said in place of a value: the field is taken away.
ABSENT = object()


def _manifest(kind: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "vmbackup.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "right"},
        "spec": spec,
    }


def _example(name: str) -> Manifest:
    document = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())
    return _manifest(document["kind"], document["spec"])


RIGHT: dict[str, Manifest] = {
    "backuppolicies": _example("policy"),
    "backupsessions": _example("by-hand/session"),
    "backuprepositories": _example("repository"),
    "regionenvironments": _example("by-hand/region-environment"),
    "recoverypoints": _manifest(
        "RecoveryPoint",
        {
            "repositoryRef": {"name": "west-europe"},
            "runId": RUN,
            "virtualMachineId": VM,
            "virtualMachineName": "web-01",
            "createdAt": "2026-11-22T12:00:00Z",
            "type": "Backup",
            "disks": [{"name": "web-01-os", "sizeBytes": 32212254720, "slot": 1}],
            "sizeBytes": 32212254720,
            "storedBytes": 325058560,
        },
    ),
    "restoresessions": _manifest(
        "RestoreSession",
        {
            "recoveryPointRef": {"name": "web-01-1"},
            "mode": "VirtualMachine",
            "target": {
                "subscriptionId": SUBSCRIPTION,
                "resourceGroup": "rg-restored",
                "region": "northeurope",
                "subnetId": f"{NETWORK}/subnets/machines",
                "vmName": "web-01-restored",
            },
        },
    ),
}


def changed(manifest: Manifest, path: str, value: object) -> Manifest:
    """Return a copy of *manifest* with *value* at the dotted *path*, or without it for ABSENT."""
    copied = copy.deepcopy(manifest)
    *folders, last = path.split(".")
    place = copied
    for folder in folders:
        place = place.setdefault(folder, {})
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return copied


#: Of messages that have a test of their own, in whatever module of the CRDs' tests.
TRIED_ELSEWHERE = (
    "cannot be taken back",
    "is final",
    "not by both",
    "a rewind",
    "OSDiskOnly leaves all",
    "from its beginning, or never",
    "locks nothing",
)


class Writer:
    """Sends objects of any shape to the API server; what it refuses is a PermanentError."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    def within(self, namespace: str) -> Writer:
        """Return one that writes into another namespace."""
        return Writer(self._connection, namespace)

    async def create(self, plural: str, manifest: Manifest, *, dry: bool = False) -> None:
        """Create the object, or only have it judged."""
        query = {"dryRun": "All"} if dry else {}
        query["fieldValidation"] = "Strict"
        await self._connection.send("POST", self._folder(plural), query=query, body=manifest)

    async def merge(self, plural: str, path: str, value: object, part: str = "") -> None:
        """Change one field of the object called ``right``, or take it away for ABSENT."""
        body = changed({}, path, None if value is ABSENT else value)
        await self._connection.send(
            "PATCH", f"{self._folder(plural)}/right{part}", body=body, content_type=MERGE_PATCH
        )

    def _folder(self, plural: str) -> str:
        return f"/apis/vmbackup.dev/v1alpha1/namespaces/{self._namespace}/{plural}"
