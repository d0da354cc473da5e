"""One simulated Azure for clients that others wrote, and Azure CLI signed in to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.clients.programs import CONTAINER, UPLOADS_ID, AzureCli, Cloud
from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.azure import simulated_azure

STORAGE = "2023-05-01"


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The simulated Azure as a process, seeded as the demo's, its disks empty."""
    folder = tmp_path_factory.mktemp("clients")
    disks = seed.plan_disks(folder / "disks")
    (folder / "disks").mkdir()
    for disk in disks:
        with disk.path.open("wb") as file:
            file.truncate(disk.size_bytes)
    with simulated_azure(folder / "azure", speed=60) as ready:
        azure = Administrator(ready)
        seed.seed(azure, disks)
        account = {
            "location": seed.HOME_REGION,
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {"minimumTlsVersion": "TLS1_2"},
        }
        azure.arm(UPLOADS_ID, STORAGE, account)
        azure.arm(f"{UPLOADS_ID}/blobServices/default/containers/{CONTAINER}", STORAGE, {})
        yield Cloud(azure, ready, folder)


@pytest.fixture(scope="package")
def administrator(cloud: Cloud) -> AzureCli:
    """`az`, signed in as the Owner of everything."""
    cli = AzureCli(cloud, cloud.folder / "administrator")
    identity = cloud.ready["administrator"]
    cli.sign_in(identity["clientId"], identity["clientSecret"])
    return cli


@pytest.fixture(scope="package")
def operator(cloud: Cloud) -> AzureCli:
    """`az`, signed in as the operator, with the operator's role and no more."""
    cli = AzureCli(cloud, cloud.folder / "operator")
    cli.sign_in(seed.OPERATOR_CLIENT_ID, seed.OPERATOR_CLIENT_SECRET)
    return cli
