"""``vmbackup repository`` on containers that only endpoints lead to: by identity, and by SAS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import (
    BlobServiceClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from tests.contract.azure_services.cloud import Cloud
from tools.local_cloud import seed
from tools.local_cloud.toolchains import ROOT
from vmbackup_core.clock import SystemClock
from vmbackup_core.stores.azure_blob import SERVICE_VERSION, AzureBlobStore, container_client
from vmbackup_core.stores.patience import Patience
from vmbackup_operator.cli import main
from vmbackup_operator.services.credentials import ca_file, synchronous_credential

GOLDEN = ROOT / "tests" / "format" / "repository_1_0" / "plain"
EXPECTED: Any = json.loads((GOLDEN / "expected.json").read_text())
#: The one of a VM of one disk.
POINT = next(each for each in EXPECTED["points"] if len(each["disks"]) == 1)
ACCOUNT = seed.REPOSITORY_ACCOUNT_ID.rpartition("/")[2]
SERVICE = f"https://{ACCOUNT}.blob.core.windows.net"
#: The container that is named, and the one beside it.
CONTAINERS = {"data": "golden", "control": "golden-control"}
URL = f"{SERVICE}/golden"


@pytest.fixture(scope="module")
def stored(cloud: Cloud) -> None:
    """The golden repository in containers of the repository's account."""
    containers = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers"
    for name in CONTAINERS.values():
        cloud.azure.arm(f"{containers}/{name}", "2023-05-01", {"properties": {}})


@pytest.fixture
def reading(stored: None, tmp_path: Path) -> list[str]:
    """Return what every command begins with, once the repository is there."""
    del stored
    for place, container in CONTAINERS.items():
        folder, url = GOLDEN / "repository" / place, f"{SERVICE}/{container}"
        with container_client(url, synchronous_credential(), ca_file=ca_file()) as client:
            store = AzureBlobStore(client)
            there = {each.name for each in store.list("")}
            for file in filter(Path.is_file, folder.rglob("*")):
                if (name := file.relative_to(folder).as_posix()) not in there:
                    store.put_new(name, file.read_bytes())
    key = tmp_path / "key"
    key.write_bytes((GOLDEN / "key").read_bytes())
    key.chmod(0o600)
    return ["--repository", URL, "--key-file", str(key)]


def sas(permissions: str, container: str = "golden") -> str:
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
        container,
        user_delegation_key=key,
        permission=ContainerSasPermissions.from_string(permissions),
        start=start,
        expiry=end,
    )


def restore(reading: list[str], to: Path, *more: str) -> int:
    which = ["--point", POINT["run"], "--all", "--to", str(to)]
    return main(["repository", "restore", *reading, *which, *more])


def digests(folder: Path) -> list[str]:
    return [hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()]


def test_by_the_identity_of_the_environment(
    reading: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["repository", "list", *reading, "--json"]) == 0
    points = json.loads(capsys.readouterr().out)

    assert {each["runId"] for each in points} == {each["run"] for each in EXPECTED["points"]}
    assert restore(reading, tmp_path / "restored") == 0
    assert digests(tmp_path / "restored") == [each["sha256"] for each in POINT["disks"]]


@pytest.mark.parametrize("way", ["variable", "file"])
def test_by_a_sas_for_each_container(
    reading: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    more = _given(way, tmp_path, monkeypatch.setenv)
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name)

    assert restore(reading, tmp_path / "restored", *more) == 0

    said = capsys.readouterr()
    assert "sig=" not in said.out + said.err
    # Without the right to write, what is read cannot be held.
    assert "could not be held" in said.err


def _given(way: str, folder: Path, set_variable: Callable[[str, str], None]) -> list[str]:
    """Give a SAS for each container; return the arguments that say so."""
    variables = {"golden": "VMBACKUP_SAS", "golden-control": "VMBACKUP_CONTROL_SAS"}
    options = {"golden": "--sas-file", "golden-control": "--control-sas-file"}
    more: list[str] = []
    for container in CONTAINERS.values():
        given = sas("rl", container)
        if way == "variable":
            set_variable(variables[container], given)
            continue
        file = folder / f"{container}.sas"
        file.write_text(f"{SERVICE}/{container}?{given}\n")
        file.chmod(0o600)
        more += [options[container], str(file)]
    return more


def test_a_refusal_is_said_in_a_line_without_the_sas(
    reading: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMBACKUP_SAS", sas("c"))
    monkeypatch.setenv("VMBACKUP_CONTROL_SAS", sas("c", "golden-control"))

    assert main(["repository", "list", *reading]) == 2

    said = capsys.readouterr().err
    assert said.startswith("vmbackup: Authorization")
    assert f"in {ACCOUNT}/golden" in said
    assert "status 403" in said
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
    reading: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    reason: str,
) -> None:
    # It asks as often as it always does, and waits in between for no time at all.
    monkeypatch.setattr(Patience, "_wait_s", lambda *_: 0.0)
    assert main(["repository", "list", *reading[2:], "--repository", url]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"vmbackup: {reason}: ")
    assert len(said.splitlines()) == 1
