"""A repository in a real Azurite, with no more rights than a worker and a command line have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.conftest import ACCOUNT
from tests.contract.test_stores import new_container_url, with_sas
from tests.unit.repository.bench import BLOCK, Bench, StandingClock, noise
from tools.local_cloud.azurite import Azurite
from vmbackup_core.repository import RepositoryKey, initialise
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_operator.cli import main

CONTENT = noise(1, 9 * BLOCK) + bytes(50 * BLOCK) + noise(2, 30 * BLOCK + 99)


def test_a_disk_goes_to_azure_and_comes_back_by_the_command_line(
    running_azurite: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = new_container_url(running_azurite)
    key = RepositoryKey.generate()
    key_file = tmp_path / "key"
    key_file.write_text(key.text)
    with container_client(url, running_azurite.accounts[ACCOUNT]) as client:
        store = AzureBlobStore(client)
        repository = initialise(store, key, appliance_id="home", clock=StandingClock())
        bench = Bench(store, key, repository)
        with container_client(with_sas(url, running_azurite, "rcl")) as workers:
            worker = AzureBlobStore(workers)
            committed = bench.back_up(1, CONTENT, store=worker, threads=4)
            again = bench.back_up(2, CONTENT, store=worker, threads=4)
        bench.record(1, committed, len(CONTENT))
        bench.record(2, again, len(CONTENT))

    reading = ["--repository", with_sas(url, running_azurite, "rl"), "--key-file", str(key_file)]
    run = f"{2:032x}"
    restored = tmp_path / "os.img"
    assert main(["repository", "check", *reading, "--read-data"]) == 0
    which = ["--point", run, "--disk", "os", "--to", str(restored)]
    assert main(["repository", "restore", *reading, *which]) == 0

    assert again.stored_bytes == 0
    assert restored.read_bytes() == CONTENT
    assert "sig=" not in capsys.readouterr().out


def test_a_refused_command_line_says_so_without_the_sas(
    running_azurite: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = with_sas(new_container_url(running_azurite), running_azurite, "c")
    key_file = tmp_path / "key"
    key_file.write_text(RepositoryKey.generate().text)

    code = main(["repository", "list", "--repository", url, "--key-file", str(key_file)])

    said = capsys.readouterr().err
    assert code == 1
    assert said.startswith("vmbackup: reading header in contracts/")
    assert "403 Authorization" in said
    assert "sig=" not in said
