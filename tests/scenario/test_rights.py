"""The operator's rights, in Azure and in Kubernetes, are what it needs: no fewer and no more.

They are held against what one installation asked that lived through all that `rights_story` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.scenario import elsewhere
from tests.scenario.rights_story import UNSERVED, Lived, a_life
from tools import azure_roles
from tools.demo import rights
from tools.local_cloud import seed
from tools.local_cloud.installation import CHART, OPERATOR_NAMESPACE, USER_NAMESPACE
from tools.local_cloud.toolchains import ROOT

#: The story takes three minutes on a quiet machine.
pytestmark = pytest.mark.timeout(900)

#: What the story does not come by, and the test that fails without it.
PROVEN_ELSEWHERE = {
    # Of a VM that Azure gave up after it had made the disk.
    "vmbackup workers: Microsoft.Compute/disks/delete": (
        "tests/contract/azure_services/test_azure_services_workers.py"
        "::test_what_a_launch_left_without_a_vm_goes_too"
    ),
    # Of a job that takes longer than a third of its message's lease.
    "vmbackup workers: Microsoft.Storage/storageAccounts/queueServices/queues/messages/write": (
        "tests/contract/azure_services/test_azure_services_signatures.py"
        "::test_a_worker_takes_its_jobs_and_cannot_add_any"
    ),
    # Of what a crash has cut, until there is something that expires.
    "vmbackup repository: Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete": (
        "tests/contract/azure_services/test_azure_services_repositories.py"
        "::test_a_point_that_a_crash_has_cut_is_deleted_and_stored_anew"
    ),
    # Of an account in another subscription than the appliance's, where no list tells of it.
    "vmbackup repository: Microsoft.Storage/storageAccounts/read": (
        "tests/contract/azure_services/test_azure_services_rights.py"
        "::test_an_endpoint_that_we_may_not_approve_waits_for_its_owner_by_name"
    ),
}

#: What the API server refuses by design, in a namespace that nobody gave to the operator: it reads
#: what is written there, says in its log that it may not answer, and tries again later.
REFUSED_WHERE_NOBODY_SERVES = {
    ("update", "backuppolicies/status"),
    ("update", "backuprepositories/status"),
    ("update", "regionenvironments/status"),
    ("create", "events"),
    ("get", "recoverypoints"),
}

SERVED = frozenset({USER_NAMESPACE, OPERATOR_NAMESPACE})


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """An installation that has done everything that it does."""
    with a_life(tmp_path_factory.mktemp("rights")) as told:
        yield told


def roles() -> list[rights.AzureRole]:
    """Return the roles but for those to restore and to rewind, which scenarios of theirs hold.

    The example lets a namespace restore into the group that it backs up, and rewind there, so there
    each of these roles gives what the others do.
    """
    scopes = azure_roles.scopes_of_roles(elsewhere.settings(), seed.REGIONS)
    return [
        rights.AzureRole(azure_roles.definition(role), scopes[role])
        for role in azure_roles.ROLES
        if role not in {"restore", "quotas", "rewind"}
    ]


def grants() -> list[rights.Grant]:
    """Return what the chart gives the operator, each where README and chart bind it."""
    bound = {
        ("ClusterRole", "vmbackup-operator"): frozenset[str](),
        ("ClusterRole", "vmbackup-operator-namespace"): frozenset({USER_NAMESPACE}),
        ("Role", "vmbackup-operator"): frozenset({OPERATOR_NAMESPACE}),
    }
    documents = yaml.safe_load_all((CHART / "rbac" / "operator.yaml").read_text())
    return [
        rights.Grant(each, bound[each["kind"], each["metadata"]["name"]])
        for each in documents
        if each["kind"] in {"Role", "ClusterRole"}
    ]


def proven(complaints: Iterator[str]) -> set[str]:
    """Return what the complaints are about: a role and one of its rights."""
    return {complaint.partition(" was ")[0] for complaint in complaints}


def test_no_right_is_unneeded(lived: Lived) -> None:
    """Nor is one held for proven elsewhere that the story has come to use."""
    asked = lived.stage.azure.rights_asked(seed.OPERATOR_CLIENT_ID)
    audit = lived.stage.plane.audited()
    unneeded = proven(rights.unneeded_actions(roles(), asked))
    unneeded |= proven(rights.unneeded_in_kubernetes(grants(), audit, SERVED))

    assert unneeded == set(PROVEN_ELSEWHERE)


@pytest.mark.parametrize("test", PROVEN_ELSEWHERE.values(), ids=PROVEN_ELSEWHERE)
def test_what_is_proven_elsewhere_has_its_proof_there(test: str) -> None:
    path, _, name = test.partition("::")

    assert re.search(rf"^ *(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_azure_refused_nothing_once_the_rights_counted(lived: Lived) -> None:
    refused = list(rights.refused_in_azure(lived.stage.entries(0)))
    late = [each for each in refused if each.sequence > lived.counting_since]

    assert late == []
    assert refused, "nothing was asked while the rights were spreading"


def test_rights_that_spread_are_waited_for_and_named(lived: Lived) -> None:
    assert lived.said_while_spreading["reason"] == "NotAuthorized"
    assert "tried again until" in lived.said_while_spreading["message"]


def test_the_api_server_refused_only_what_it_is_to_refuse(lived: Lived) -> None:
    refused = set()
    for line in rights.refused_in_kubernetes(lived.stage.plane.audited()):
        about = line["objectRef"]
        part = f"/{about['subresource']}" if "subresource" in about else ""
        refused.add((about.get("namespace"), (line["verb"], f"{about['resource']}{part}")))

    assert refused == {(UNSERVED, each) for each in REFUSED_WHERE_NOBODY_SERVES}


def test_an_account_is_adopted_by_the_command_with_the_operators_rights(lived: Lived) -> None:
    assert seed.VM_REGION in lived.adopted


def test_of_the_bundles_in_the_region_the_newest_two_are_left(lived: Lived) -> None:
    deleted = [
        each.path.strip("/").split("/")[1]
        for each in lived.stage.entries(0)
        if each.method == "DELETE" and each.succeeded and each.path.startswith("/bundle/")
    ]

    assert set(deleted) == {lived.bundles[0]}
