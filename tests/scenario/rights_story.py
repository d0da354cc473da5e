"""What an installation lives through, told once for the tests that hold its rights against it.

Rights that count late, a policy's backups, a launch for which there was no room, a lost worker that
is replaced, a stopped worker that is started again, pruning, a session that is deleted on its way,
a new bundle and a new key after a restart, an account that somebody's hand made unclear and that is
adopted, a VM of another subscription, a worker that is idle for too long, objects in a namespace
that nobody gave to the operator, and RecoveryPoint objects that upkeep makes and removes.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.scenario import elsewhere
from tests.scenario.other_bundles import next_bundle, store_another_bundle
from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tools.bundle import build
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION, Administrator
from tools.local_cloud.azure import simulated_azure
from tools.local_cloud.control_plane import control_plane
from tools.local_cloud.installation import (
    EXAMPLES,
    OPERATOR_NAMESPACE,
    USER_NAMESPACE,
    example,
    install,
    put_off_upkeep,
)
from tools.local_cloud.operator_process import azure_environment, clean_environment
from tools.local_cloud.worker_python import worker_python
from vmbackup_core.protocol.bundle import read_bundle

SPEED = 60
#: How long an assignment takes to count, in Azure's time: a quarter of an hour.
RIGHTS_AFTER_S = 900
#: The shortest that the settings allow.
IDLE_TTL_S = 60
#: A VM in the home region, beside the policy's in another one.
AT_HOME = "home-01"
#: A VM of another subscription.
BRANCH = "branch-01"
#: A namespace that no RoleBinding gives to the operator.
UNSERVED = "nobodys-team"
STORAGE, COMPUTE = "2023-05-01", "2024-03-01"

RESTORE: dict[str, Any] = {
    "recoveryPointRef": {"name": "some-point"},
    "mode": "Disks",
    "target": {
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": "rg-production",
        "region": seed.VM_REGION,
    },
}


@dataclass(frozen=True, slots=True)
class Lived:
    """What the story left: the stage, and from where on rights counted in Azure's journal."""

    stage: Stage
    said_while_spreading: dict[str, Any]
    counting_since: int
    bundles: list[str]
    adopted: str


@contextmanager
def a_life(folder: Path) -> Iterator[Lived]:
    """Run everything and have it lived through."""
    bundle = folder / "bundle"
    build(worker_python().version, bundle)
    (folder / "disks").mkdir()
    with (
        simulated_azure(folder / "azure", speed=SPEED, rights_after_s=RIGHTS_AFTER_S) as ready,
        control_plane() as plane,
    ):
        azure = Administrator(ready)
        seed.seed_appliance(azure)
        elsewhere.seed_elsewhere(azure)
        workers = {"timeoutSeconds": 60, "idleTtlSeconds": IDLE_TTL_S}
        where, changes = folder / "operator", {"workers": workers, **elsewhere.CHANGES}
        installation = install(plane, ready, bundle, where, elsewhere.SCOPES, changes)
        stage = Stage(folder, ready, azure, plane, installation, [])
        small_machine(stage, seed.VM_NAME)
        small_machine(stage, AT_HOME, region=seed.HOME_REGION)
        small_machine(stage, BRANCH, group=elsewhere.GROUP)
        try:
            yield _live(stage, bundle)
        finally:
            installation.operator.stop()


def _live(stage: Stage, bundle: Path) -> Lived:
    said, since = _wait_for_rights(stage)
    stage.back_up("at-home", seed.vm_id(AT_HOME))
    first, hello = _begin_first_backup(stage)
    idle = _delete_on_its_way(stage, "at-home")
    _lose_worker(stage, first, hello)
    _is_gone(stage, "at-home")
    idle_since = time.monotonic()
    _succeeds(stage, first)
    account = _account(stage, first)
    _start_its_worker_again(stage, first)
    stage.operator.stop()
    bundles = [read_bundle(bundle).id, store_another_bundle(stage, account), next_bundle(bundle)]
    _rotate_key(stage)
    _spoil_seal(stage, account)
    adopted = _adopt(stage, account)
    time.sleep(max(0.0, IDLE_TTL_S + 1 - (time.monotonic() - idle_since)))
    stage.operator.start()  # which looks at idle workers at once
    second = _asked_for(stage, "again", _made_by_policy(stage))
    _write_where_nobody_serves(stage)
    _succeeds(stage, second)
    _back_up_elsewhere(stage)
    _keep_up(stage)
    _keep_one_session(stage)
    _is_deleted(stage, idle)
    return Lived(stage, said, since, bundles, adopted)


def _wait_for_rights(stage: Stage) -> tuple[dict[str, Any], int]:
    """Start the operator, give it its roles, and let it wait until they count.

    Returns what the repository's condition says meanwhile, and the journal's last entry of then.
    """
    stage.operator.start()
    stage.plane.administrator.apply(EXAMPLES / "repository.yaml")
    put_off_upkeep(stage.plane)
    policy = example("policy.yaml")
    policy["spec"] |= {
        "sessionHistory": {"succeeded": 1, "failed": 1},
        "retry": {"backoffSeconds": 1},
        "snapshotsToKeep": 1,
    }
    stage.plane.administrator.create(policy)
    _be_told_of_what_is_not_carried_out(stage, USER_NAMESPACE)
    elsewhere.give_rights(stage.azure)
    given = time.monotonic()
    said = eventually(
        lambda: stage.condition("backuprepository", "west-europe", "Ready"),
        lambda condition: condition.get("status") == "False",
        "the repository says what it waits for",
    )
    time.sleep(max(0.0, RIGHTS_AFTER_S / SPEED + 1 - (time.monotonic() - given)))
    return said, stage.azure.last_entry()


def _begin_first_backup(stage: Stage) -> tuple[str, str]:
    """Begin a backup whose first launch finds no room, and whose second one's hello is held.

    Returns the session, and what holds the hello.
    """
    _is_ready(stage, "backuppolicy", "nightly")
    machines = f"vmb-{seed.VM_REGION}-.*/virtualMachines/vmb-w-[^/]*$"
    said = {"code": "SkuNotAvailable", "message": "there is no such size in this region now"}
    stage.azure.call(
        "POST",
        "/faults",
        {
            "match": {"service": "arm", "method": "PUT", "path": machines},
            "status": 409,
            "body": {"error": said},
            "times": 1,
        },
    )
    # Of the second worker of a run: the other session's is the first of its own.
    hello = {"service": "queue", "method": "POST", "path": "vmb-events-[0-9a-f]{20}-2-"}
    return _asked_for(stage, "first", set()), stage.azure.hold_all("before", **hello)


def _lose_worker(stage: Stage, session: str, hello: str) -> None:
    """Take away the VM that was about to speak: another one has to take its place."""
    stage.caught(hello, "the agent's hello")
    stage.azure.remove(stage.status(session)["worker"]["vmId"], COMPUTE)
    stage.azure.let_go(hello)


def _start_its_worker_again(stage: Stage, session: str) -> None:
    """Back up once more while the session's worker is stopped and not yet idle for too long.

    Later, after the restart, whether it is still there depends on how fast the machine is.
    """
    eventually(
        lambda: stage.condition("backupsession", session, "WorkerReleased"),
        lambda said: said.get("status") == "True",
        f"the worker of {session} is stopped",
        limit_s=120,
    )
    _succeeds(stage, _asked_for(stage, "once-more", {session}))


def _back_up_elsewhere(stage: Stage) -> None:
    """Back up a VM of another subscription twice; the second set takes the place of the first."""
    for session in ("of-a-branch", "of-a-branch-again"):
        stage.back_up(session, seed.vm_id(BRANCH, elsewhere.GROUP), snapshotsToKeep=1)
        _succeeds(stage, session)
        eventually(
            partial(stage.condition, "backupsession", session, "SnapshotsPruned"),
            lambda said: said.get("status") == "True",
            f"{session} has pruned what is not kept",
        )
    words = ("delete", "backupsession", "of-a-branch", "of-a-branch-again")
    stage.plane.administrator.kubectl(*words, f"--namespace={USER_NAMESPACE}", "--timeout=120s")


def _keep_up(stage: Stage) -> None:
    """Have upkeep make a RecoveryPoint object again, and remove one of what is not stored."""
    administrator, before = stage.plane.administrator, _points(stage)
    lost = dict(before[0])
    lost.pop("status", None)
    labels = lost["metadata"]["labels"]
    lost["metadata"] = {"name": "lost", "namespace": USER_NAMESPACE, "labels": labels}
    administrator.create(lost | {"spec": lost["spec"] | {"runId": "0" * 32}})
    words = ("delete", "recoverypoint", before[0]["metadata"]["name"])
    administrator.kubectl(*words, "--namespace", USER_NAMESPACE)
    patch = {
        "metadata": {"annotations": {"vmbackup.dev/upkeep": "now"}},
        # So that nothing is read back: what that needs of Azure, backups need as well.
        "spec": {"upkeep": {"verifyNewWithinDays": 30}},
    }
    stage.patch("backuprepository", "west-europe", patch)
    eventually(
        lambda: [(each["metadata"]["name"], each["spec"]) for each in _points(stage)],
        lambda found: found == [(each["metadata"]["name"], each["spec"]) for each in before],
        "the objects are those of what is stored",
        limit_s=240,
    )


def _points(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.get("recoverypoints")["items"]
    return found


def _keep_one_session(stage: Stage) -> None:
    """Have all ended sessions but one dropped, which the policy does at its next look."""
    eventually(
        lambda: [each["metadata"].get("finalizers") for each in _sessions(stage)],
        lambda finalizers: not any(finalizers),
        "no session has anything left in Azure to undo",
    )
    stage.patch("backuppolicy", "nightly", {"spec": {"suspend": True}})
    eventually(lambda: _sessions(stage), lambda left: len(left) == 1, "the older ones are dropped")
    stage.patch("backuppolicy", "nightly", {"spec": {"suspend": False}})


def _delete_on_its_way(stage: Stage, session: str) -> str:
    """Delete a session once its worker runs; return the worker's VM, which nobody needs then."""
    eventually(
        lambda: stage.condition("backupsession", session, "WorkerReady"),
        lambda said: said.get("status") == "True",
        f"{session} has a worker",
        limit_s=180,
    )
    vm_id: str = stage.status(session)["worker"]["vmId"]
    words = ("delete", "backupsession", session, "--namespace", USER_NAMESPACE, "--wait=false")
    stage.plane.administrator.kubectl(*words)
    return vm_id


def _is_gone(stage: Stage, session: str) -> None:
    eventually(
        lambda: [each["metadata"]["name"] for each in _sessions(stage)],
        lambda names: session not in names,
        "the object is gone",
        limit_s=120,
    )


def _is_deleted(stage: Stage, vm_id: str) -> None:
    eventually(
        lambda: [
            e for e in stage.entries(0) if e.method == "DELETE" and e.path.lower() == vm_id.lower()
        ],
        bool,
        "the idle worker is deleted",
    )


def _account(stage: Stage, session: str) -> str:
    found: str = stage.status(session)["resolved"]["environment"]["storageAccountId"]
    return found


def _rotate_key(stage: Stage) -> None:
    """Add a key to the key ring, which seals from the next start on."""
    data = {"2026-12": secrets.token_hex(32), "active": "2026-12"}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    stage.patch("secret", "vmbackup-key-ring", {"data": encoded}, namespace=OPERATOR_NAMESPACE)


def _spoil_seal(stage: Stage, account: str) -> None:
    """Spoil the seal of the region's account, as somebody who copies tags does."""
    body = stage.azure.read(account, STORAGE)
    tags = body["tags"] | {"vmbackup-owner": "somebody"}
    kept = {key: body[key] for key in ("location", "kind", "sku")}
    stage.azure.arm(account, STORAGE, kept | {"tags": tags})


def _adopt(stage: Stage, account: str) -> str:
    """Type ``vmbackup adopt``, with the operator's settings, identity and kubeconfig."""
    typed = [str(Path(sys.executable).with_name("vmbackup")), "adopt", account]
    typed += ["--config", str(stage.folder / "operator" / "settings.yaml")]
    user = stage.plane.service_account(OPERATOR_NAMESPACE, "vmbackup-operator")
    environment = clean_environment() | azure_environment(stage.ready)
    environment["KUBECONFIG"] = str(user.kubeconfig)
    done = subprocess.run(  # noqa: S603 - what operations.md says, typed
        typed, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _write_where_nobody_serves(stage: Stage) -> None:
    """Write one object of each kind in a namespace that the operator has no binding in."""
    administrator = stage.plane.administrator
    administrator.kubectl("create", "namespace", UNSERVED)
    documents = [example("policy.yaml"), example("repository.yaml")]
    session = example("by-hand/session.yaml")
    session["metadata"] = {"name": "by-hand"}
    for document in (*documents, session):
        document["metadata"]["namespace"] = UNSERVED
        administrator.create(document)
    _be_told_of_what_is_not_carried_out(stage, UNSERVED)
    eventually(
        lambda: administrator.find(UNSERVED, "backupsessions", "by-hand").get("status", {}),
        lambda status: "outcome" in status,
        "the session ends, although nothing else may be written there",
    )


def _be_told_of_what_is_not_carried_out(stage: Stage, namespace: str) -> None:
    """Write a restore, and an environment where none is honoured."""
    administrator = stage.plane.administrator
    environment = example("by-hand/region-environment.yaml")
    for kind, name, spec in (
        ("RestoreSession", "hopeful", RESTORE),
        ("RegionEnvironment", "elsewhere", environment["spec"]),
    ):
        about = {"name": name, "namespace": namespace}
        body = {"apiVersion": "vmbackup.dev/v1alpha1", "kind": kind, "metadata": about}
        administrator.create(body | {"spec": spec})
    told = [("restoresessions", "hopeful")]
    if namespace != UNSERVED:
        told.append(("regionenvironments", "elsewhere"))

    def statuses() -> list[Any]:
        return [administrator.find(namespace, *each).get("status") for each in told]

    eventually(statuses, all, f"{told} are told")


def _is_ready(stage: Stage, kind: str, name: str) -> None:
    eventually(
        lambda: stage.condition(kind, name, "Ready"),
        lambda condition: condition.get("status") == "True",
        f"{kind} {name} is Ready",
        limit_s=120,
    )


def _sessions(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.get("backupsessions")["items"]
    return found


def _made_by_policy(stage: Stage) -> set[str]:
    found = stage.get("backupsessions", labelSelector="vmbackup.dev/policy=nightly")["items"]
    return {each["metadata"]["name"] for each in found}


def _asked_for(stage: Stage, token: str, before: set[str]) -> str:
    """Ask for a backup by the policy's annotation; return the name of its session."""
    words = ("annotate", "--overwrite", "bpol/nightly", "-n", USER_NAMESPACE)
    stage.plane.administrator.kubectl(*words, f"vmbackup.dev/trigger={token}")
    found: set[str] = eventually(
        lambda: _made_by_policy(stage) - before,
        bool,
        f"the session that {token} asks for",
    )
    (name,) = found
    return name


def _succeeds(stage: Stage, session: str) -> None:
    status = stage.outcome(session)
    assert status["outcome"] == "Succeeded", status
