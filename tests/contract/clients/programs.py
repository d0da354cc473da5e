"""Ordinary clients of Azure as processes: each with a folder and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.client_programs import AZCOPY, AZURE_CLI, GO_CLIENT, ClientProgram
from tools.local_cloud.operator_process import azure_environment, clean_environment

#: Where files are put: reachable from the internet, and it takes keys.
UPLOADS = "contosouploads01"
UPLOADS_ID = (
    seed.REPOSITORY_ACCOUNT_ID.rsplit("/", 1)[0] + f"/{UPLOADS}"  # in the appliance's group
)
CONTAINER = "uploads"

#: A command takes seconds; on a busy machine many.
_COMMAND_S = 120


def built(program: ClientProgram) -> Path:
    """Return *program*, or skip the test by the name of what is missing."""
    if not program.is_built:
        pytest.skip(f"{program.name} is not built: `{program.command}` builds it")
    return program.path()


@dataclass(frozen=True)
class Cloud:
    """The simulated Azure, with what a user has in it, and an account for uploads."""

    azure: Administrator
    ready: Mapping[str, Any]
    folder: Path

    def environment(self, home: Path) -> dict[str, str]:
        """Return what any client is started with: a proxy, a CA, and no identity."""
        reaching = azure_environment(self.ready)
        identity = [name for name in reaching if name.startswith("AZURE_")]
        kept = {name: value for name, value in reaching.items() if name not in identity}
        home.mkdir(parents=True, exist_ok=True)
        return clean_environment() | kept | {"HOME": str(home)}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    printed: str
    complained: str


def run(program: Path, *arguments: str, environment: Mapping[str, str], folder: Path) -> Done:
    """Run *program* to its end."""
    done = subprocess.run(  # noqa: S603 - a client of ours, with arguments of ours
        [str(program), *arguments],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=_COMMAND_S,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class AzureCli:
    """`az`, signed in as somebody; *folder* has its configuration and the files it works on."""

    cloud: Cloud
    folder: Path
    program: Path = field(default_factory=lambda: built(AZURE_CLI))

    def sign_in(self, client_id: str, client_secret: str) -> Any:
        """Type what README tells who uses a service principal; return the subscriptions."""
        tenant = str(self.cloud.ready["tenantId"])
        who = ("--username", client_id, "--password", client_secret, "--tenant", tenant)
        return self("login", "--service-principal", *who)

    def __call__(self, *arguments: str) -> Any:
        """Run a command that must succeed; return what it printed, read as JSON."""
        done = self._run(arguments)
        assert done.status == 0, f"az {' '.join(arguments[:3])}: {done.complained}"
        return json.loads(done.printed) if done.printed.strip() else None

    def refused(self, *arguments: str) -> str:
        """Run a command that must fail; return its complaint."""
        done = self._run(arguments)
        assert done.status != 0, f"az {' '.join(arguments[:3])}: {done.printed}"
        return done.complained

    def _run(self, arguments: tuple[str, ...]) -> Done:
        environment = self.cloud.environment(self.folder) | {
            "AZURE_CONFIG_DIR": str(self.folder / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_CORE_OUTPUT": "json",
            "AZURE_CORE_NO_COLOR": "yes",
            "AZURE_CORE_DISABLE_PROGRESS_BAR": "yes",
        }
        return run(self.program, *arguments, environment=environment, folder=self.folder)


@dataclass(frozen=True)
class Azcopy:
    """azcopy, with its logs and plans in *folder*; *identity* is what it signs in by, if at all."""

    cloud: Cloud
    folder: Path
    identity: Mapping[str, str] = field(default_factory=dict)
    program: Path = field(default_factory=lambda: built(AZCOPY))

    def __call__(self, *arguments: str) -> Done:
        """Run a command and return how it ended."""
        environment = self.cloud.environment(self.folder) | {
            "AZCOPY_LOG_LOCATION": str(self.folder / "logs"),
            "AZCOPY_JOB_PLAN_LOCATION": str(self.folder / "plans"),
            "AZCOPY_CONCURRENCY_VALUE": "4",
            **self.identity,
        }
        return run(self.program, *arguments, environment=environment, folder=self.folder)


def look_by_go(cloud: Cloud, folder: Path, way: str, identity: Mapping[str, str]) -> Done:
    """Run the program made with Azure's SDK for Go, signed in by *way*."""
    environment = cloud.environment(folder) | {
        "AZURE_TENANT_ID": str(cloud.ready["tenantId"]),
        **identity,
    }
    subscription = seed.VM_ID.split("/")[2]
    program = built(GO_CLIENT)
    return run(program, way, subscription, environment=environment, folder=folder)


def random_file(path: Path, size: int) -> bytes:
    """Write *size* random bytes to *path* and return them."""
    content = os.urandom(size)
    path.write_bytes(content)
    return content
