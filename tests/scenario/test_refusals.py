"""What a policy or a repository that cannot work says: a condition with a reason that names it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.scenario.stage import FOREIGN, Stage, eventually
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.installation import USER_NAMESPACE, example

MACHINES = "providers/Microsoft.Compute/virtualMachines"
GHOST = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-production/{MACHINES}/ghost-07"
OUTSIDE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-finance/{MACHINES}/ledger-01"
ABROAD = f"/subscriptions/{FOREIGN}/resourceGroups/rg-other/{MACHINES}/branch-01"


def policy(vm_id: str, repository: str = "west-europe") -> dict[str, Any]:
    return {
        "repositoryRef": {"name": repository},
        "virtualMachines": {"ids": [vm_id]},
        "retention": {"last": 3},
    }


def refused(stage: Stage, kind: str, name: str, reason: str) -> str:
    """Return the message of the object's Ready condition once it is False for *reason*."""
    said = eventually(
        lambda: stage.condition(kind, name, "Ready"),
        lambda condition: condition.get("status") == "False" and condition["reason"] == reason,
        f"{kind} {name} is not Ready for {reason}",
        limit_s=180,
    )
    return str(said["message"])


@pytest.mark.parametrize(
    ("name", "vm_id", "reason"),
    [
        ("names-a-ghost", GHOST, "VirtualMachineNotFound"),
        ("names-what-is-outside", OUTSIDE, "ScopeNotAllowed"),
        ("names-what-is-abroad", ABROAD, "CrossSubscriptionRefused"),
    ],
)
def test_a_policy_names_the_machine_it_cannot_back_up(
    stage: Stage, name: str, vm_id: str, reason: str
) -> None:
    stage.create("BackupPolicy", name, policy(vm_id))

    assert vm_id in refused(stage, "backuppolicy", name, reason)


def test_a_repository_names_the_container_that_is_missing(stage: Stage) -> None:
    spec = example("repository.yaml")["spec"] | {"container": "no-such-container"}
    stage.create("BackupRepository", "lost", spec)
    stage.create("BackupPolicy", "into-the-lost", policy(seed.VM_ID, "lost"))

    message = refused(stage, "backuprepository", "lost", "ContainerNotFound")
    assert "no-such-container" in message
    assert "no-such-container" in refused(
        stage, "backuppolicy", "into-the-lost", "ContainerNotFound"
    )


def test_a_repository_names_the_secret_whose_key_is_wrong(stage: Stage) -> None:
    eventually(
        lambda: stage.condition("backuprepository", "west-europe", "Ready"),
        lambda condition: condition.get("status") == "True",
        "the examples' repository is Ready",
        limit_s=180,
    )
    stage.plane.administrator.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "other-key",
                "namespace": USER_NAMESPACE,
                "labels": {"vmbackup.dev/key": "true"},
            },
            "stringData": {"key": secrets.token_hex(32)},
        }
    )
    spec = example("repository.yaml")["spec"]
    spec["encryptionKey"] = {"secretRef": {"name": "other-key", "key": "key"}}
    stage.create("BackupRepository", "with-other-key", spec)

    message = refused(stage, "backuprepository", "with-other-key", "KeyMismatch")
    assert "other-key" in message
