"""The data place of a repository as a worker has it: by a SAS that reads and creates."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from azure.storage.blob import BlobServiceClient, ContainerClient, generate_container_sas

from tests.contract.simulator_storage.cloud import KEYLESS, Cloud, Principal
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import Renewable
from vmbackup_worker.renewable_store import RenewableStore

URL = f"https://{KEYLESS}.blob.core.windows.net"
AT_ONCE = Patience(attempts=3, pause=lambda _seconds: None)

_HOUR = timedelta(hours=1)


def data_sas(
    cloud: Cloud, operator: Principal, container: str = "data", permission: str = "rc"
) -> str:
    """Return what the operator gives to a worker: who verifies may read alone."""
    now = datetime.now(UTC)
    with BlobServiceClient(URL, operator, **cloud.options) as service:
        key = service.get_user_delegation_key(now - _HOUR, now + _HOUR)
    return generate_container_sas(
        KEYLESS, container, user_delegation_key=key, permission=permission, expiry=now + _HOUR
    )


def data_of(client: ContainerClient) -> RenewableStore:
    """Return the data place as a job has it, by the SAS of *client*."""
    current = Renewable[DataStore](AzureBlobStore(client, patience=AT_ONCE))
    return RenewableStore(current, threading.Event(), renewal_s=0.1)
