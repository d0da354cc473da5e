"""Whose points a namespace may restore, and out of whose repositories."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.worlds.samples import SETTINGS
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.restores.allowing import source_refused
from vmbackup_operator.settings import Tenant

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ours"
OURS = arm_id(SUBSCRIPTION, "ours", "Microsoft.Compute/virtualMachines", "web")
THEIRS = arm_id(SUBSCRIPTION, "theirs", "Microsoft.Compute/virtualMachines", "web")
ALLOWED = replace(
    SETTINGS,
    tenancy=(Tenant("team", backup_scopes=(SCOPE,), repositories=("shared/one",)),),
)


@pytest.mark.parametrize("repository", [ObjectKey("shared", "one"), ObjectKey("team", "own")])
def test_what_a_namespace_backs_up_it_may_restore(repository: ObjectKey) -> None:
    assert source_refused(ALLOWED, "team", repository, OURS) is None


def test_whoever_keeps_a_repository_restores_all_that_is_in_it() -> None:
    assert source_refused(ALLOWED, "team", ObjectKey("team", "own"), THEIRS) is None


@pytest.mark.parametrize(
    ("repository", "vm_id", "said"),
    [
        (ObjectKey("shared", "one"), THEIRS, f"may not restore {THEIRS} out of repository"),
        (ObjectKey("shared", "two"), OURS, "may not use repository shared/two"),
    ],
)
def test_of_a_shared_repository_it_restores_its_own_alone(
    repository: ObjectKey, vm_id: ArmId, said: str
) -> None:
    refused = source_refused(ALLOWED, "team", repository, vm_id)

    assert refused is not None
    assert (refused.reason, said in refused.message) == ("ScopeNotAllowed", True)
