"""Bundles of other versions: one that lies in a region already, and the next one to come."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from azure.identity import ClientSecretCredential
from azure.storage.blob import BlobClient

from tests.scenario.stage import Stage
from vmbackup_core.protocol.bundle import BUNDLE_LIST, bundle_file, bundle_list
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_operator.environments.plan import BUNDLE_CONTAINER
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import account_of

#: Azure's own number of the role Storage Blob Data Owner, and somebody who has it.
BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
INSIDER = "5d4c3b2a-0000-4111-8222-333344445555"


def store_another_bundle(stage: Stage, account: str) -> str:
    """Store something like a bundle, as an operator of another version would have."""
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
    folder = "0123456789abcdef"
    with BlobClient(
        account_of(ArmId(account)).blob_url,
        BUNDLE_CONTAINER,
        f"{folder}/{BUNDLE_LIST}",
        credential=credential,
        api_version=SERVICE_VERSION,
        **way,
    ) as blob:
        blob.upload_blob(b"{}")
    return folder


def next_bundle(bundle: Path) -> str:
    """Make another bundle in the folder, as the next version would; return its id."""
    (bundle / "NOTICE").write_text("the next version\n")
    before = json.loads((bundle / BUNDLE_LIST).read_text())
    files = [path for path in sorted(bundle.iterdir()) if path.name != BUNDLE_LIST]
    listed = bundle_list(before["python"], before["platform"], [bundle_file(p) for p in files])
    (bundle / BUNDLE_LIST).write_bytes(listed.encoded())
    return listed.id
