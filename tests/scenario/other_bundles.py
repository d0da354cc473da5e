"""Bundles of other versions: one that lies in a region already, and the next one to come."""

from __future__ import annotations

import json
from pathlib import Path

from azure.storage.blob import BlobClient

from tests.scenario.insiders import insider
from tests.scenario.stage import Stage
from vmbackup_core.protocol.bundle import BUNDLE_LIST, bundle_file, bundle_list
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_operator.environments.plan import BUNDLE_CONTAINER
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import account_of


def store_another_bundle(stage: Stage, account: str) -> str:
    """Store something like a bundle, as an operator of another version would have."""
    folder = "0123456789abcdef"
    with BlobClient(
        account_of(ArmId(account)).blob_url,
        BUNDLE_CONTAINER,
        f"{folder}/{BUNDLE_LIST}",
        api_version=SERVICE_VERSION,
        **insider(stage, account),
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
