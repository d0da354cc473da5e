"""The lines that the demo leaves for Azure CLI, typed as they are printed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.contract.clients.programs import Cloud, built
from tools.demo import azure_clients, handover
from tools.local_cloud import seed
from tools.local_cloud.client_programs import AZURE_CLI

pytestmark = pytest.mark.clients


def typed(folder: Path, environment: Path, lines: list[str]) -> str:
    """Type *lines* into a shell that sourced *environment*; return what they printed."""
    script = "\n".join(["set -e", f'. "{environment}"', *lines])
    done = subprocess.run(  # noqa: S603 - a shell, with lines of ours
        ["/bin/sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def environment(cloud: Cloud, tmp_path: Path) -> Path:
    """The file that the demo tells to source."""
    built(AZURE_CLI)
    path = tmp_path / "environment"
    values = handover.variables(cloud.ready, tmp_path / "kubeconfig")
    values |= azure_clients.variables(cloud.ready, tmp_path)
    handover.write_environment(path, values, [AZURE_CLI.folder])
    return path


def test_the_lines_for_azure_cli_work_as_they_are_printed(
    environment: Path, tmp_path: Path
) -> None:
    *lines, last = azure_clients.to_try().splitlines()
    as_operator = last.partition(": ")[2]

    printed = typed(tmp_path, environment, lines)
    signed_in = typed(tmp_path, environment, [as_operator])

    assert seed.VM_NAME in printed
    assert "Microsoft.Compute/disks" in printed
    assert seed.OPERATOR_CLIENT_ID in printed
    assert f'"name": "{seed.OPERATOR_CLIENT_ID}"' in signed_in


def test_what_azure_cli_knows_stays_in_the_demos_folder(environment: Path, tmp_path: Path) -> None:
    typed(tmp_path, environment, ["az version", "az config get"])

    assert (tmp_path / "azure-cli").is_dir()
    assert not (tmp_path / ".azure").exists()
