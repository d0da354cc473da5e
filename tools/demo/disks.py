"""Restoring the VM's disks with the command line alone, and comparing every byte."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.demo.narration import FactBroken
from tools.local_cloud import disk_images
from tools.local_cloud.operator_process import azure_environment, clean_environment
from tools.local_cloud.seed import SeededDisk


@dataclass(frozen=True, slots=True)
class CommandLine:
    """``vmbackup repository`` on one repository, in the appliance's network, with the key."""

    repository: str
    key_file: Path
    ready: Mapping[str, Any]

    def run(self, verb: str, *arguments: str) -> str:
        """Return what ``vmbackup repository VERB`` prints; raise with its error where it fails."""
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("vmbackup")),
                "repository",
                verb,
                "--repository",
                self.repository,
                "--key-file",
                str(self.key_file),
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment() | azure_environment(self.ready),
        )
        if done.returncode:
            raise FactBroken(f"vmbackup repository {verb}: {done.stderr.strip()}{done.stdout}")
        return done.stdout

    def points(self) -> list[dict[str, Any]]:
        """Return the repository's recovery points."""
        points: list[dict[str, Any]] = json.loads(self.run("list", "--output", "json"))
        return points


def differences(disks: list[SeededDisk], folder: Path) -> Iterator[str]:
    """Yield a line for each disk whose restored file differs from what the disk held."""
    for disk in disks:
        restored = restored_file(disk, folder)
        if not restored.exists():
            yield f"{disk.name} was not restored"
        elif (offset := disk_images.first_difference(disk.path, restored)) is not None:
            yield f"{disk.name} differs near byte {offset}"


def restored_file(disk: SeededDisk, folder: Path) -> Path:
    """Return where the command line restores *disk* to."""
    return folder / f"{disk.name}.img"
