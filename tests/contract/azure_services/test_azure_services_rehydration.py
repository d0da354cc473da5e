"""``vmbackup repository rehydrate`` and ``restore`` of a repository whose packs are archived.

At the simulator's own speed: what takes Azure an hour takes a minute.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import StandardBlobTier

from tests.contract.azure_services.cloud import Cloud
from tests.contract.azure_services.test_azure_services_command_line import (
    GOLDEN,
    POINT,
    SERVICE,
    digests,
    restore,
)
from tools.local_cloud import seed
from vmbackup_core.repository.primitives.parsed_names import is_pack
from vmbackup_core.stores.azure_blob import container_client
from vmbackup_operator.cli import main
from vmbackup_operator.services.credentials import ca_file, synchronous_credential

#: More than the hour, at that speed, and as much again for a busy machine.
PATIENCE_S = 180


@pytest.fixture
def archived(cloud: Cloud, tmp_path: Path) -> list[str]:
    """Return what every command begins with, of a repository all of whose packs are archived."""
    containers = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers"
    for place, name in (("data", "archived"), ("control", "archived-control")):
        cloud.azure.arm(f"{containers}/{name}", "2023-05-01", {"properties": {}})
        _fill(f"{SERVICE}/{name}", GOLDEN / "repository" / place)
    key = tmp_path / "key"
    key.write_bytes((GOLDEN / "key").read_bytes())
    key.chmod(0o600)
    return ["--repository", f"{SERVICE}/archived", "--key-file", str(key)]


def _fill(url: str, folder: Path) -> None:
    with container_client(url, synchronous_credential(), ca_file=ca_file()) as client:
        for file in filter(Path.is_file, folder.rglob("*")):
            name = file.relative_to(folder).as_posix()
            tier = StandardBlobTier.ARCHIVE if is_pack(name) else StandardBlobTier.HOT
            client.upload_blob(name, file.read_bytes(), standard_blob_tier=tier)


def test_an_archived_point_is_brought_back_restored_and_its_copies_are_removed(
    archived: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rehydrate(*more: str) -> Any:
        which = ["--point", POINT["run"], "--json", *more]
        assert main(["repository", "rehydrate", *archived, *which]) == 0
        return json.loads(capsys.readouterr().out)

    assert main(["repository", "list", *archived, "--json"]) == 0
    assert POINT["run"] in {each["runId"] for each in json.loads(capsys.readouterr().out)}
    assert restore(archived, tmp_path / "early") == 2
    assert "PacksArchived" in capsys.readouterr().err

    begun = rehydrate("--priority", "High")

    assert begun["packs"] == begun["underWay"] > 0
    assert restore(archived, tmp_path / "early") == 2
    assert not list(tmp_path.glob("early/*"))
    back = _once(lambda: rehydrate("--priority", "High"), lambda said: said["underWay"] == 0)
    assert back == {**begun, "back": begun["packs"], "underWay": 0}
    assert restore(archived, tmp_path / "restored") == 0
    assert digests(tmp_path / "restored") == [each["sha256"] for each in POINT["disks"]]
    capsys.readouterr()
    assert rehydrate("--remove") == {"runId": POINT["run"], "removed": begun["packs"]}
    assert restore(archived, tmp_path / "late") == 2


def _once(ask: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
    """Return the first answer that is so."""
    until = time.monotonic() + PATIENCE_S
    while True:
        answer = ask()
        if is_so(answer) or time.monotonic() > until:
            return answer
        time.sleep(2)
