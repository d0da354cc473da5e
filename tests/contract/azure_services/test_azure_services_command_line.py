"""``vmbackup repository`` on a container that only endpoints lead to: by identity, and by SAS."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from azure.storage.blob import (
    BlobServiceClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from tests.contract.azure_services.cloud import Cloud
from tests.format.repository.golden import expected, repository_folder
from tools.local_cloud import seed
from vmbackup_core.clock import SystemClock
from vmbackup_core.stores.azure_blob import SERVICE_VERSION, AzureBlobStore, container_client
from vmbackup_operator.cli import main
from vmbackup_operator.services.credentials import ca_file, synchronous_credential

GOLDEN = expected("1.1")
ACCOUNT = seed.REPOSITORY_ACCOUNT_ID.rpartition("/")[2]
SERVICE = f"https://{ACCOUNT}.blob.core.windows.net"
URL = f"{SERVICE}/golden"


@pytest.fixture(scope="module")
def stored(cloud: Cloud) -> None:
    """The golden repository in a container of the repository's account."""
    containers = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers"
    cloud.azure.arm(f"{containers}/golden", "2023-05-01", {"properties": {}})


@pytest.fixture
def reading(stored: None, tmp_path: Path) -> list[str]:
    """Return what every command begins with, once the repository is there."""
    del stored
    folder = repository_folder("1.1")
    with container_client(URL, synchronous_credential(), ca_file=ca_file()) as client:
        store = AzureBlobStore(client)
        there = {each.name for each in store.list("")}
        for name in GOLDEN.files.keys() - there:
            store.put_new(name, (folder / name).read_bytes())
    key = tmp_path / "key"
    key.write_text(GOLDEN.key)
    key.chmod(0o600)
    return ["--repository", URL, "--key-file", str(key)]


def sas(permissions: str) -> str:
    """Return one by user delegation, which is the only kind that the account takes."""
    now = SystemClock().now()
    start, end = now - timedelta(minutes=5), now + timedelta(hours=1)
    with BlobServiceClient(
        SERVICE,
        synchronous_credential(),
        api_version=SERVICE_VERSION,
        connection_verify=ca_file() or True,
    ) as client:
        key = client.get_user_delegation_key(start, end)
    return generate_container_sas(
        ACCOUNT,
        "golden",
        user_delegation_key=key,
        permission=ContainerSasPermissions.from_string(permissions),
        start=start,
        expiry=end,
    )


def restore(reading: list[str], to: Path, *more: str) -> int:
    which = ["--point", "latest", "--disk", GOLDEN_DISK, "--to", str(to)]
    return main(["repository", "restore", *reading, *which, *more])


GOLDEN_DISK = "golden-os"


def test_by_the_identity_of_the_environment(
    reading: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["repository", "list", *reading, "--json"]) == 0
    points = json.loads(capsys.readouterr().out)

    assert [point["runId"] for point in points] == [each.run_id for each in GOLDEN.points]
    assert main(["repository", "check", *reading, "--read-data"]) == 0
    assert restore(reading, tmp_path / "os.img") == 0
    found = hashlib.sha256((tmp_path / "os.img").read_bytes()).hexdigest()
    assert found == GOLDEN.points[-1].sha256


@pytest.mark.parametrize("way", ["variable", "file"])
def test_by_a_sas(
    reading: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    given, more = sas("rl"), []
    if way == "variable":
        monkeypatch.setenv("VMBACKUP_SAS", given)
    else:
        (tmp_path / "sas").write_text(f"{URL}?{given}\n")
        (tmp_path / "sas").chmod(0o600)
        more = ["--sas-file", str(tmp_path / "sas")]
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name)

    assert restore(reading, tmp_path / "os.img", *more) == 0

    said = capsys.readouterr()
    assert "sig=" not in said.out + said.err
    assert said.err == ""


def test_a_refusal_is_said_in_a_line_without_the_sas(
    reading: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMBACKUP_SAS", sas("c"))

    assert main(["repository", "list", *reading]) == 2

    said = capsys.readouterr().err
    assert said.startswith("vmbackup: Authorization")
    assert f"reading header in {ACCOUNT}/golden: status 403" in said
    assert "sig" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"{SERVICE}/nowhere", "ContainerNotFound"),
        ("https://nobodysaccount.blob.core.windows.net/golden", "StoreUnavailable"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(
    reading: list[str], capsys: pytest.CaptureFixture[str], url: str, reason: str
) -> None:
    assert main(["repository", "list", *reading[2:], "--repository", url]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"vmbackup: {reason}: ")
    assert len(said.splitlines()) == 1
