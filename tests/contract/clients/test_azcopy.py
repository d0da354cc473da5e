"""azcopy, which many copy blobs with: by a SAS, and signed in as a service principal."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from tests.contract.clients.programs import (
    CONTAINER,
    UPLOADS,
    UPLOADS_ID,
    Azcopy,
    Cloud,
    random_file,
)
from tools.local_cloud.administrator import SUBSCRIPTION

pytestmark = pytest.mark.clients

DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
CLIENT = "6f6f6f6f-1111-4111-8111-111111111111"
NOBODY = "6f6f6f6f-3333-4333-8333-333333333333"
OBJECT = "6f6f6f6f-2222-4222-8222-222222222222"
SECRET = "only-for-a-test"  # noqa: S105 - nothing outside takes it
HOST = f"https://{UPLOADS}.blob.core.windows.net"
AT = f"{HOST}/{CONTAINER}"


def give(cloud: Cloud, object_id: str) -> None:
    """Let *object_id* read and write the account's blobs."""
    definitions = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    cloud.azure.arm(
        f"{UPLOADS_ID}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}",
        "2022-04-01",
        {
            "properties": {
                "roleDefinitionId": f"{definitions}/{DATA_CONTRIBUTOR}",
                "principalId": object_id,
                "principalType": "ServicePrincipal",
            }
        },
    )


@pytest.fixture(scope="module")
def identity(cloud: Cloud) -> Mapping[str, str]:
    """What azcopy signs in by: a service principal that may write the account's blobs."""
    cloud.azure.call("PUT", f"/identities/{CLIENT}", {"clientSecret": SECRET, "objectId": OBJECT})
    give(cloud, OBJECT)
    return {
        "AZCOPY_AUTO_LOGIN_TYPE": "SPN",
        "AZCOPY_SPA_APPLICATION_ID": CLIENT,
        "AZCOPY_SPA_CLIENT_SECRET": SECRET,
        "AZCOPY_TENANT_ID": str(cloud.ready["tenantId"]),
    }


@pytest.fixture
def signature(cloud: Cloud) -> str:
    """A SAS for the container by the account's key, with all that copying needs and no more."""
    group = UPLOADS_ID.split("/")[4]
    with StorageManagementClient(
        cloud.azure.credential, SUBSCRIPTION, **cloud.azure.transport
    ) as client:
        key = next(iter(client.storage_accounts.list_keys(group, UPLOADS).keys_property or ()))
    return generate_container_sas(
        UPLOADS,
        CONTAINER,
        account_key=str(key.value),
        permission=ContainerSasPermissions(read=True, write=True, create=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )


def copied_there_and_back(azcopy: Azcopy, folder: Path, name: str, query: str = "") -> None:
    """Upload a file, find it in the list, download it, and compare."""
    content = random_file(folder / "there", 9_000_000)  # more than a block of azcopy's
    up = azcopy("copy", str(folder / "there"), f"{AT}/{name}{query}", "--block-size-mb", "4")
    listed = azcopy("list", f"{AT}{query}")
    down = azcopy("copy", f"{AT}/{name}{query}", str(folder / "back"))

    assert up.status == 0, up.printed
    assert name in listed.printed
    assert down.status == 0, down.printed
    assert (folder / "back").read_bytes() == content


def test_files_are_copied_by_a_sas(cloud: Cloud, tmp_path: Path, signature: str) -> None:
    azcopy = Azcopy(cloud, tmp_path)

    copied_there_and_back(azcopy, tmp_path, "by-sas.bin", f"?{signature}")


def test_files_are_copied_by_a_service_principal(
    cloud: Cloud, tmp_path: Path, identity: Mapping[str, str]
) -> None:
    azcopy = Azcopy(cloud, tmp_path, identity)

    copied_there_and_back(azcopy, tmp_path, "by-sign-in.bin")


def test_a_folder_is_copied(cloud: Cloud, tmp_path: Path, identity: Mapping[str, str]) -> None:
    azcopy = Azcopy(cloud, tmp_path, identity)
    (tmp_path / "there" / "below").mkdir(parents=True)
    contents = {
        name: random_file(tmp_path / "there" / name, 1000) for name in ("a", "below/b", "below/c")
    }

    up = azcopy("copy", f"{tmp_path}/there", AT, "--recursive")
    down = azcopy("copy", f"{AT}/there", f"{tmp_path}/back", "--recursive")

    assert (up.status, down.status) == (0, 0), up.printed + down.printed
    back = tmp_path / "back" / "there"
    assert {name: (back / name).read_bytes() for name in contents} == contents


def test_a_sas_that_was_altered_copies_nothing(
    cloud: Cloud, tmp_path: Path, signature: str
) -> None:
    azcopy = Azcopy(cloud, tmp_path)
    random_file(tmp_path / "there", 10)
    altered = signature.replace("sp=rcwl", "sp=rcwdl")

    done = azcopy("copy", f"{tmp_path}/there", f"{AT}/altered.bin?{altered}")

    assert altered != signature
    assert done.status != 0
    assert "AuthenticationFailed" in done.printed


def test_a_service_principal_without_a_role_for_data_copies_nothing(
    cloud: Cloud, tmp_path: Path, identity: Mapping[str, str]
) -> None:
    cloud.azure.call("PUT", f"/identities/{NOBODY}", {"clientSecret": SECRET, "objectId": NOBODY})
    azcopy = Azcopy(cloud, tmp_path, {**identity, "AZCOPY_SPA_APPLICATION_ID": NOBODY})
    random_file(tmp_path / "there", 10)

    done = azcopy("copy", f"{tmp_path}/there", f"{AT}/refused.bin")

    assert done.status != 0
    assert "AuthorizationPermissionMismatch" in done.printed
