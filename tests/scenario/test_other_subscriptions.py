"""A VM of another subscription is backed up through what is made beside it, or refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario import elsewhere
from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tools.demo.journal import Entry
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.installation import OPERATOR_NAMESPACE


def made_in(entries: list[Entry], part: str) -> set[str]:
    """Return the subscriptions and groups, in lower case, in which resources were put.

    Earlier sessions of the stage may still delete theirs.
    """
    return {
        "/".join(entry.path.lower().split("/")[:5])
        for entry in entries
        if entry.service == "arm" and entry.method == "PUT" and f"/{part}/" in entry.path.lower()
    }


def test_a_vm_of_another_subscription_is_backed_up_by_what_is_made_beside_it(
    stage: Stage, tmp_path: Path
) -> None:
    machine = small_machine(stage, "branch-01", disks=2, group=elsewhere.GROUP)
    since = stage.azure.last_entry()
    stage.back_up("of-a-branch", machine.id)

    status = stage.outcome("of-a-branch")
    assert status["outcome"] == "Succeeded", status
    assert stage.restored_wrongly(status["runId"], machine.disks, tmp_path) == []

    entries, exports = stage.entries(since), elsewhere.EXPORTS.lower()
    for kind in ("snapshots", "diskaccesses"):
        assert made_in(entries, kind) == {exports}, kind
    snapshots = f"{exports}/providers/microsoft.compute/snapshots/"
    of_access = [each.path.rsplit("/", 1)[1] for each in entries
                 if each.method == "POST" and snapshots in each.path.lower()]  # fmt: skip
    assert sorted(of_access) == ["beginGetAccess"] * 2 + ["endGetAccess"] * 2
    workers = made_in(entries, "virtualmachines")
    assert {each.split("/")[2] for each in workers} == {SUBSCRIPTION}
    assert not [each for each in entries if each.method not in {"GET", "POST"}
                and each.path.lower().startswith(elsewhere.GROUP.lower())]  # fmt: skip


@pytest.fixture
def refusing(stage: Stage) -> Iterator[None]:
    """The home region lets no data of other subscriptions cross."""
    eventually(
        lambda: stage.plane.administrator.find(OPERATOR_NAMESPACE, "regionenvironments")["items"],
        lambda found: seed.HOME_REGION in {each["metadata"]["name"] for each in found},
        "the home region is described",
        limit_s=120,
    )
    for said in ("Refuse", "DiskAccess"):
        change = {"spec": {"crossSubscriptionExport": said}}
        stage.patch("regionenvironment", seed.HOME_REGION, change, namespace=OPERATOR_NAMESPACE)
        if said == "Refuse":
            yield


@pytest.mark.usefixtures("refusing")
def test_where_nothing_crosses_policy_and_session_say_so_and_nothing_is_made(stage: Stage) -> None:
    machine = small_machine(stage, "branch-02", region=seed.HOME_REGION, group=elsewhere.GROUP)
    since = stage.azure.last_entry()
    stage.create(
        "BackupPolicy",
        "of-branches",
        {
            "repositoryRef": {"name": "west-europe"},
            "virtualMachines": {"ids": [machine.id]},
            "retention": {"last": 3},
        },
    )
    stage.back_up("of-another-branch", machine.id)

    said = eventually(
        lambda: stage.condition("backuppolicy", "of-branches", "Ready"),
        lambda condition: condition.get("reason") == "CrossSubscriptionRefused",
        "the policy says that the VM is not backed up",
        limit_s=120,
    )
    assert machine.id.lower() in said["message"].lower()
    assert stage.outcome("of-another-branch")["outcome"] == "Failed"
    failed = stage.condition("backupsession", "of-another-branch", "Failed")
    assert failed["reason"] == "CrossSubscriptionRefused"
    assert "crossSubscriptionExport: Refuse" in failed["message"]
    assert not [each for each in stage.entries(since) if each.method != "GET"
                and each.path.lower().startswith(elsewhere.SCOPE)]  # fmt: skip
