"""The demo's archive: what is asked for, what its worker did, and that it is a copy by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.demo import disks
from tools.demo.journal import Entry, is_put
from tools.demo.narration import FactBroken, people_bytes, table
from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.installation import USER_NAMESPACE, example
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.local_cloud.operator_process import azure_environment, clean_environment
from tools.local_cloud.seed import SeededDisk

#: What session, repository and container are called.
SESSION, REPOSITORY, CONTAINER = "archive-it", "archives", "vm-archives"
TIER = "Cold"

_STORAGE = "2023-05-01"


def begin_repository(azure: Administrator, user: KubernetesUser) -> None:
    """Have another container in the account, and a BackupRepository whose packs go to Cold."""
    at = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers/{CONTAINER}"
    azure.arm(at, _STORAGE, {"properties": {"publicAccess": "None"}})
    user.create(repository(datetime.now(UTC)))


def repository(now: datetime) -> dict[str, Any]:
    """Return the BackupRepository; its upkeep is due half a day from *now*."""
    upkeep = {"schedule": f"0 {(now.hour + 12) % 24} * * *"}
    return {
        "apiVersion": "vmbackup.dev/v1alpha1",
        "kind": "BackupRepository",
        "metadata": {"name": REPOSITORY, "namespace": USER_NAMESPACE},
        "spec": example("repository.yaml")["spec"]
        | {"container": CONTAINER, "tier": TIER, "upkeep": upkeep},
    }


def session_of(point: str) -> dict[str, Any]:
    """Return the BackupSession that copies the RecoveryPoint *point* into it."""
    return {
        "apiVersion": "vmbackup.dev/v1alpha1",
        "kind": "BackupSession",
        "metadata": {"name": SESSION, "namespace": USER_NAMESPACE},
        "spec": {
            "type": "Archive",
            "virtualMachineId": seed.VM_ID,
            "repositoryRef": {"name": REPOSITORY},
            "archive": {"recoveryPointRef": {"name": point}},
            "retention": {"last": 1, "yearly": 7},
        },
    }


@dataclass(frozen=True, slots=True)
class Copying:
    """What the archive's workers asked of the repositories' account, in requests and bytes."""

    workers: frozenset[str]
    requests: int
    read: int
    stored: int
    read_back: int


def copying(entries: Sequence[Entry], host: str) -> Copying:
    """Return what those did who stored packs in the archive's container at *host*."""
    workers = frozenset(
        entry.caller for entry in entries if is_put(entry, host, f"/{CONTAINER}/") and _works(entry)
    )
    asked = [entry for entry in entries if entry.host == host and entry.caller in workers]
    gets = [entry for entry in asked if entry.method == "GET"]
    puts = [entry for entry in asked if entry.method == "PUT"]
    back = [entry for entry in gets if entry.path.startswith(f"/{CONTAINER}/")]
    return Copying(
        workers=workers,
        requests=len(asked),
        read=sum(entry.sent_bytes for entry in gets if entry not in back),
        stored=sum(entry.received_bytes for entry in puts),
        read_back=sum(entry.sent_bytes for entry in back),
    )


def _works(entry: Entry) -> bool:
    return entry.caller != "appliance"


def copied_by_one_worker_in(
    region: str, made: Copying, region_of: Callable[[str], str]
) -> Iterator[str]:
    """Complain unless one worker copied, and it ran in *region*; *region_of* knows a VM's."""
    if len(made.workers) != 1:
        yield f"{len(made.workers)} workers stored packs in {CONTAINER}"
    for worker in made.workers:
        found = region_of(worker)
        if found != region:
            yield f"{worker} ran in {found}"


def its_worker_reads_by_name_and_creates(
    entries: Sequence[Entry], made: Copying, host: str
) -> Iterator[str]:
    """Complain where an archive's worker listed, deleted, or asked for anything in control."""
    for entry in entries:
        if entry.host != host or entry.caller not in made.workers:
            continue
        if "comp=list" in entry.query or entry.method == "DELETE" or "-control/" in entry.path:
            yield f"{entry.caller}: {entry.method} {entry.path}?{entry.query}"


def not_read_back(session: Any, made: Copying) -> Iterator[str]:
    """Yield how a session that has ended fell short of a copy that was read back whole."""
    status = session["status"]
    said = status.get("archive", {})
    if status["outcome"] != "Succeeded":
        yield f"it ended as {status['outcome']}: {status.get('message', '')}"
    if said.get("tier") != TIER:
        yield f"it says that packs lie in {said.get('tier')}"
    if not said.get("verifiedBytes", 0):
        yield "nothing was read back"
    if made.read_back < made.stored // 2:  # manifests and indexes are stored, too
        yield f"{made.read_back} of {made.stored} bytes were read back"


def figures(session: Any, region: str, made: Copying) -> str:
    """Return as a table where the archive was made, what it took, and what deleting it costs."""
    row = (
        session["metadata"]["name"],
        region,
        str(made.requests),
        *(people_bytes(count) for count in (made.read, made.stored, made.read_back)),
        f"{days_left(session['status'])} days",
    )
    heading = (
        "Archive",
        "Worker in",
        "Requests",
        "Read",
        "Stored",
        "Read back",
        "Deletion costs for",
    )
    return table([heading, row])


def days_left(status: Any) -> int:
    """Return for how many days from its end on Azure charges for the copy, deleted or not."""
    until, end = status["archive"]["chargedUntil"], status["completionTime"]
    left = datetime.fromisoformat(until) - datetime.fromisoformat(end)
    return round(left.total_seconds() / (24 * 3600))


@dataclass(frozen=True, slots=True)
class ArchiveAlone:
    """The archive's container by itself, for who has its key; *held* is what the disks held."""

    line: disks.CommandLine
    folder: Path
    run_id: str
    held: list[SeededDisk]

    def restore(self) -> str:
        """Restore every disk of the archived point, from nothing else."""
        wanted = ("--point", self.run_id, "--all")
        return self.line.run("restore", *wanted, "--to", str(self.folder))

    def differences(self) -> list[str]:
        """Return a line for each disk that is not, byte for byte, what it was at the point."""
        return list(disks.differences(self.held, self.folder))

    def tier_complaints(self) -> Iterator[str]:
        """Complain of packs that lie in another tier, as Azure lists them, or of there being none.

        Asked in the appliance's network, since nobody else reaches the account.
        """
        done = subprocess.run(
            [sys.executable, "-m", "tools.demo.tiers", self.line.repository],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment() | azure_environment(self.line.ready),
        )
        if done.returncode:
            raise FactBroken(f"tools.demo.tiers: {done.stderr.strip()}")
        found = json.loads(done.stdout)
        if set(found) != {TIER}:
            yield f"packs by their tiers: {found}"
