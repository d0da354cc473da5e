"""The whole product on one stage: a real control plane, the simulated Azure, the operator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.scenario import elsewhere
from tools.bundle import build
from tools.demo.disks import CommandLine, differences
from tools.demo.evidence import REPOSITORY_HOST
from tools.demo.journal import Entry, parsed
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION, Administrator
from tools.local_cloud.azure import simulated_azure
from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.disk_images import MIB
from tools.local_cloud.installation import (
    EXAMPLES,
    USER_NAMESPACE,
    Installation,
    install,
    put_off_upkeep,
)
from tools.local_cloud.kubernetes_user import CORE
from tools.local_cloud.operator_process import OperatorProcess, restarted
from tools.local_cloud.seed import SeededDisk
from tools.local_cloud.worker_python import worker_python
from vmbackup_operator.model.kinds import KINDS

#: How long one backup may take here before it counts as hung.
SESSION_LIMIT_S = 400
LOOK_S = 0.3

#: The shortest that the settings allow: a scenario waits for a lost worker to be missed.
WORKER_TIMEOUT_S = 60

#: A subscription that the settings let the user name, and that is neither the appliance's nor one
#: that it has a place in.
FOREIGN = "99999999-aaaa-4bbb-8ccc-dddddddddddd"

#: Where the settings let the user restore to beside the group that is backed up.
RESTORED_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-restored"
#: And a subscription that may be restored into and is not the appliance's.
OTHERS = elsewhere.SUBSCRIPTION

#: What objects of a kind are called in a path, by what one is called in a command.
PLURALS = {each.kind.lower(): each.plural for each in KINDS}

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays on; the repository of the examples is applied."""

    folder: Path
    ready: dict[str, Any]
    azure: Administrator
    plane: ControlPlane
    installation: Installation
    disks: list[SeededDisk]

    @property
    def operator(self) -> OperatorProcess:
        """The operator's process."""
        return self.installation.operator

    def get(self, kind: str, name: str = "", **selectors: str) -> Any:
        """Return an object of ours in the user's namespace, or the list of those of a *kind*.

        *selectors* are the API server's own: ``labelSelector="a=b"``.
        """
        plural = PLURALS.get(kind, kind)
        return self.plane.administrator.find(USER_NAMESPACE, plural, name, query=selectors)

    def events(self, about: str, reason: str) -> list[str]:
        """Return the messages of Events of a *reason* about an object of the user's namespace."""
        query = {"fieldSelector": f"involvedObject.name={about},reason={reason}"}
        found = self.plane.administrator.find(USER_NAMESPACE, "events", within=CORE, query=query)
        return [each["message"] for each in found["items"]]

    def create(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Create an object of ours in the user's namespace."""
        self.plane.administrator.create(
            {
                "apiVersion": "vmbackup.dev/v1alpha1",
                "kind": kind,
                "metadata": {"name": name, "namespace": USER_NAMESPACE},
                "spec": spec,
            }
        )

    @property
    def namespace(self) -> str:
        """The user's namespace."""
        return USER_NAMESPACE

    def patch(
        self, kind: str, name: str, change: dict[str, Any], namespace: str = USER_NAMESPACE
    ) -> None:
        """Change an object of ours, as a user would by kubectl patch."""
        words = ("--namespace", namespace, "--type=merge", f"--patch={json.dumps(change)}")
        self.plane.administrator.kubectl("patch", kind, name, *words)

    def back_up(self, session: str, vm_id: str, **spec: Any) -> None:
        """Ask for a backup of a VM, which is retried quickly."""
        wanted: dict[str, Any] = {
            "type": "Backup",
            "virtualMachineId": vm_id,
            "repositoryRef": {"name": "west-europe"},
            "retention": {"last": 3},
            "retryBackoffSeconds": 1,
        }
        self.create("BackupSession", session, wanted | spec)

    def hold_packs(self, when: str = "before") -> str:
        """Hold the writes of packs to the repository; nobody but workers writes there.

        Upkeep writes lists of packs, into the place of what is decided.
        """
        packs = f"^/{seed.REPOSITORY_CONTAINER}/.*/p/"
        return self.azure.hold_all(
            when, service="blob", method="PUT", host=REPOSITORY_HOST, path=packs
        )

    def caught(self, hold: str, what: str) -> None:
        """Return once a hold has caught something."""
        eventually(lambda: self.azure.caught(hold), bool, f"{what} is held", limit_s=300)

    def entries(self, since: int) -> list[Entry]:
        """Return the journal's entries behind number *since*."""
        return parsed(self.azure.journal(since))

    def status(self, session: str, kind: str = "backupsession") -> dict[str, Any]:
        """Return a session's status as it stands."""
        found: dict[str, Any] = self.get(kind, session).get("status") or {}
        return found

    def points(self) -> list[str]:
        """Return the run ids of the recovery points in the repository."""
        return [point["runId"] for point in self._repository.points()]

    def restored_wrongly(self, run_id: str, disks: list[SeededDisk], folder: Path) -> list[str]:
        """Restore a recovery point to *folder*; return what differs from what the disks hold."""
        self._repository.run("restore", "--point", run_id, "--all", "--to", str(folder))
        return list(differences(disks, folder))

    @property
    def _repository(self) -> CommandLine:
        url = f"https://{REPOSITORY_HOST}/{seed.REPOSITORY_CONTAINER}"
        return CommandLine(url, self.installation.repository_key, self.ready)

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any]:
        """Return what an object says under a condition's type, empty where it says nothing."""
        said = self.get(kind, name).get("status", {}).get("conditions", [])
        return next((entry for entry in said if entry["type"] == type_), {})

    def outcome(self, session: str) -> dict[str, Any]:
        """Return a session's status once it has an outcome."""
        found: dict[str, Any] = eventually(
            lambda: self.status(session),
            lambda status: "outcome" in status,
            f"{session} has an outcome",
            SESSION_LIMIT_S,
        )
        return found


def eventually(
    look: Callable[[], Seen], is_so: Callable[[Seen], bool], what: str, limit_s: float = 60
) -> Seen:
    """Look until it is so, and return what was seen; fail with the last look after *limit_s*."""
    deadline = time.monotonic() + limit_s
    while not is_so(seen := look()):
        assert time.monotonic() < deadline, f"never so: {what}; last seen {seen}"
        time.sleep(LOOK_S)
    return seen


@contextmanager
def a_stage(folder: Path) -> Iterator[Stage]:
    """Run everything, seeded with a VM, with the examples' repository applied."""
    bundle = folder / "bundle"
    build(worker_python().version, bundle)
    disks = seed.plan_disks(folder / "disks")
    seed.make_disks(disks, data_bytes=32 * MIB)
    with simulated_azure(folder / "azure", speed=60) as ready, control_plane() as plane:
        azure = Administrator(ready)
        seed.seed(azure, disks)
        elsewhere.seed_elsewhere(azure)
        elsewhere.give_rights(azure)
        installation = install(
            plane,
            ready,
            bundle,
            folder / "operator",
            scopes={
                "backupScopes": [f"/subscriptions/{FOREIGN}", elsewhere.SCOPE],
                "restoreScopes": [RESTORED_GROUP, f"/subscriptions/{OTHERS}"],
            },
            changes={"workers": {"timeoutSeconds": WORKER_TIMEOUT_S}, **elsewhere.CHANGES},
        )
        # It is killed again and again; and short of time it may lose its Lease, and end.
        with installation.operator.loaded(), restarted(installation.operator):
            plane.administrator.apply(EXAMPLES / "repository.yaml")
            put_off_upkeep(plane)
            yield Stage(folder, ready, azure, plane, installation, disks)
