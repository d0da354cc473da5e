"""Somebody within the company who may do everything with an account's blobs."""

from __future__ import annotations

import uuid
from typing import Any

from azure.identity import ClientSecretCredential

from tests.scenario.stage import Stage

#: Azure's own number of the role Storage Blob Data Owner, and somebody who has it.
BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
INSIDER = "5d4c3b2a-0000-4111-8222-333344445555"


def insider(stage: Stage, account: str) -> dict[str, Any]:
    """Let the insider into the account; return the keyword arguments of his clients."""
    stage.azure.call("PUT", f"/identities/{INSIDER}", {"clientSecret": "s", "objectId": INSIDER})
    properties = {
        "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{BLOB_DATA_OWNER}",
        "principalId": INSIDER,
        "principalType": "ServicePrincipal",
    }
    stage.azure.call("PUT", "/rights", {"afterSeconds": 0})
    at = f"{account}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    stage.azure.arm(at, "2022-04-01", {"properties": properties})
    way = {
        "proxies": {"https": stage.ready["proxies"]["appliance"]},
        "connection_verify": stage.ready["ca"],
    }
    credential = ClientSecretCredential(stage.ready["tenantId"], INSIDER, "s", **way)
    return {"credential": credential, **way}
