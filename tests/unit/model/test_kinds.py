"""Objects survive the way through JSON, and tolerate what a later schema adds."""

from __future__ import annotations

import json

import msgspec
import pytest

from vmbackup_operator.model.backup_policy import BackupPolicy, Schedule
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.kinds import KINDS, Resource
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference

VM = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shop"
    "/providers/Microsoft.Compute/virtualMachines/web-1"
)
POLICY = {
    "apiVersion": "vmbackup.dev/v1alpha1",
    "kind": "BackupPolicy",
    "metadata": {
        "name": "nightly",
        "namespace": "backups",
        "uid": "8a9e",
        "resourceVersion": "17",
        "generation": 2,
        "creationTimestamp": "2026-11-22T21:15:23Z",
        "managedFields": [{"manager": "kubectl"}],
    },
    "spec": {
        "repositoryRef": {"name": "west"},
        "virtualMachines": {"ids": [VM]},
        "schedule": {"cron": "30 1 * * *", "timeZone": "Europe/Berlin", "later": True},
        "retention": {"last": 3},
        "aFieldOfALaterRelease": {"x": 1},
    },
}


def test_fields_of_a_later_release_are_tolerated() -> None:
    policy = msgspec.convert(POLICY, BackupPolicy)

    assert policy.metadata.key == ObjectKey("backups", "nightly")
    assert policy.spec.schedule == Schedule("30 1 * * *", time_zone="Europe/Berlin")
    assert policy.spec.retention.last == 3
    assert policy.status.conditions == ()


def test_an_object_survives_the_way_through_json() -> None:
    policy = msgspec.convert(POLICY, BackupPolicy)

    assert msgspec.json.decode(msgspec.json.encode(policy), type=BackupPolicy) == policy


def test_what_was_never_set_is_not_written() -> None:
    policy = msgspec.convert(POLICY, BackupPolicy)

    assert json.loads(msgspec.json.encode(policy.status)) == {}
    assert json.loads(msgspec.json.encode(policy.spec.repository_ref)) == {"name": "west"}


def test_a_session_needs_a_vm_and_a_repository() -> None:
    with pytest.raises(msgspec.ValidationError, match="virtualMachineId"):
        msgspec.convert(
            {"metadata": {"name": "s", "namespace": "n"}, "spec": {"repositoryRef": {"name": "r"}}},
            BackupSession,
        )


def test_a_reference_without_a_namespace_stays_in_its_own() -> None:
    assert ObjectReference("west").key_from("backups") == ObjectKey("backups", "west")
    assert ObjectReference("west", "shared").key_from("backups") == ObjectKey("shared", "west")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_can_be_told_apart_and_compared(kind: type[Resource]) -> None:
    config = kind.__struct_config__

    assert kind.__name__ == kind.kind
    assert kind.plural == kind.plural.lower()
    assert config.frozen
    assert not config.forbid_unknown_fields
