"""Azure CLI in the data plane: blobs by sign-in and by the account's key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.clients.programs import CONTAINER, UPLOADS, UPLOADS_ID, AzureCli, random_file
from tools.local_cloud import seed

pytestmark = pytest.mark.clients

DATA_ROLE = "Storage Blob Data Contributor"


def blob(mode: str) -> tuple[str, ...]:
    return ("--account-name", UPLOADS, "--container-name", CONTAINER, "--auth-mode", mode)


@pytest.fixture(scope="module", autouse=True)
def the_administrator_may_write_blobs(administrator: AzureCli) -> None:
    """An Owner of everything may not read a byte without a role for data."""
    complaint = administrator.refused("storage", "blob", "list", *blob("login"))
    assert DATA_ROLE in complaint
    administrator(
        *("role", "assignment", "create", "--role", DATA_ROLE, "--scope", UPLOADS_ID),
        *("--assignee", administrator.cloud.ready["administrator"]["clientId"]),
    )


@pytest.mark.parametrize("mode", ["login", "key"])
def test_blobs_are_uploaded_listed_and_downloaded(
    administrator: AzureCli, tmp_path: Path, mode: str
) -> None:
    content = random_file(tmp_path / "there", 300_000)
    name, back = ("--name", f"by-{mode}.bin"), tmp_path / "back"

    administrator("storage", "blob", "upload", *blob(mode), *name, "-f", str(tmp_path / "there"))
    listed = administrator("storage", "blob", "list", *blob(mode))
    administrator("storage", "blob", "download", *blob(mode), *name, "--file", str(back))

    sizes = {each["name"]: each["properties"]["contentLength"] for each in listed}
    assert sizes[name[1]] == len(content)
    assert back.read_bytes() == content


def test_a_blobs_tier_is_set(administrator: AzureCli, tmp_path: Path) -> None:
    random_file(tmp_path / "small", 10)
    name = ("--name", "cool.bin")
    administrator("storage", "blob", "upload", *blob("key"), *name, "-f", str(tmp_path / "small"))

    administrator("storage", "blob", "set-tier", *blob("key"), *name, "--tier", "Cool")
    shown = administrator("storage", "blob", "show", *blob("key"), *name)

    assert shown["properties"]["blobTier"] == "Cool"


def test_an_account_that_is_closed_to_the_public_lists_nothing(administrator: AzureCli) -> None:
    repository = seed.REPOSITORY_ACCOUNT_ID.rsplit("/", 1)[1]
    where = ("--account-name", repository, "--container-name", seed.REPOSITORY_CONTAINER)

    complaint = administrator.refused("storage", "blob", "list", *where, "--auth-mode", "key")

    assert "network rules" in complaint


def test_the_operator_reads_no_keys(operator: AzureCli) -> None:
    complaint = operator.refused("storage", "account", "keys", "list", "--account-name", UPLOADS)

    assert "AuthorizationFailed" in complaint
